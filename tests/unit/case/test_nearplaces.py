"""What a kernel has that is called like a place that it lacks."""

import pytest

from runner.case import nearplaces
from runner.deadline import Deadline
from tests.unit.guest.doubles import COMMAND, FakeAgent, guest

FILES = {
    "available_events": "sched:sched_switch\nsched:sched_stat_iowait\n"
    "syscalls:sys_enter_openat\nsyscalls:sys_exit_openat\n",
    "available_filter_functions": "do_unlinkat\ndo_unlinkat [xfs]\n"
    "do_linkat\nvfs_read\n",
}


class TracingAgent(FakeAgent):
    """Has a tracefs, at the older of two places."""

    def receive_line(self, deadline: Deadline) -> bytes:
        argv = self.requests[-1]["argv"]
        assert isinstance(argv, list)
        _, pattern, path = map(str, argv)
        text = ""
        if path.startswith("/sys/kernel/debug/tracing/"):
            beginning = pattern.removeprefix("^")
            lines = FILES[path.rpartition("/")[2]].splitlines()
            text = "".join(f"{it}\n" for it in lines if it.startswith(beginning))
        self._answers["run"] = {**COMMAND, "exit": int(not text), "stdout": text}
        return super().receive_line(deadline)


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ("kprobe/do_unlinkatt", ("do_unlinkat", "do_linkat")),
        ("kretprobe/do_unlinkatt+0x8", ("do_unlinkat", "do_linkat")),
        ("kprobe/do_nothing_like_it", ()),
        ("tp/sched/sched_swich", ("sched/sched_switch",)),
        ("tracepoint/shed/sched_switch", ("sched/sched_switch",)),
        ("raw_tp/sched_swich", ("sched_switch",)),
        ("ksyscall/opennat", ("openat",)),
        ("uprobe/bin/sh:nothing", ()),
        ("", ()),
    ],
)
def test_names_that_are_like_a_place(place: str, names: tuple[str, ...]) -> None:
    assert nearplaces.near(place, guest(TracingAgent())) == names


def test_a_guest_that_does_not_tell_has_none() -> None:
    assert nearplaces.near("kprobe/do_x", guest(FakeAgent({"run": EOFError()}))) == ()
    assert nearplaces.near("tp/a/b", guest(FakeAgent())) == ()
