"""Which cases leave nothing that a census does not show."""

import json

import pytest
from pydantic import JsonValue

from runner.run import reuse
from runner.suites.model import Case


def case(**keys: JsonValue) -> Case:
    return Case.model_validate_json(json.dumps({"name": "c", **keys}))


def test_what_an_object_leaves_shows() -> None:
    plain = case(object="a.bpf.c", trigger=[{"fork": None}, {"syscall": "getpid"}])

    assert reuse.is_seen(plain)
    assert not reuse.runs_commands(plain)


@pytest.mark.parametrize(
    ("command", "shows"),
    [
        (["cat", "/proc/version"], True),
        (["/bin/true"], True),
        (["sysctl", "-w", "kernel.printk=1"], True),
        (["taskset", "1", "sync"], True),
        (["busybox", "sh", "-c", "true"], False),
        (["busybox"], False),
        (["find", "/sys", "-exec", "dd", "of={}", ";"], False),
        # Each writes the file that it is told to, with any content and times.
        (["sort", "-o", "/etc/modules", "/etc/modules"], False),
        (["uniq", "a", "/sys/kernel/mm/ksm/run"], False),
        # Changes by itself, so that no census has it.
        (["sysctl", "-w", "kernel.ns_last_pid=20000"], False),
        # Which may set anything in /sys.
        (["sh", "-c", "true"], False),
        (["ip", "route", "add", "10.0.0.0/8", "dev", "lo"], False),
        (["${files.folder}/cat"], False),
        (["/run/files/cat"], False),
    ],
)
def test_a_command_shows_if_its_program_is_known(
    command: list[str], *, shows: bool
) -> None:
    words: JsonValue = [*command]
    of_trigger = case(object="a.bpf.c", trigger=[{"command": words}])
    of_truth = case(object="a.bpf.c", truth={"it": {"command": words}})

    for it in (of_trigger, of_truth):
        assert reuse.is_seen(it) is shows
        assert reuse.runs_commands(it)


def test_a_connection_stays_after_its_end() -> None:
    assert not reuse.is_seen(case(object="a.bpf.c", trigger=[{"tcp": 10}]))


@pytest.mark.parametrize(
    "keys",
    [
        {"expect_failure": {"class": "wrong_value", "reason": "a test"}},
        {"expect": [{"map": "m", "agree": True}]},
        {"command": ["true"]},
    ],
)
def test_no_used_guest_where_a_failure_would_not_be_seen(
    keys: dict[str, JsonValue],
) -> None:
    assert reuse.may_be_used(case(object="a.bpf.c"))
    assert not reuse.may_be_used(case(object="a.bpf.c", **keys))


def test_a_program_of_the_users_own_may_leave_anything() -> None:
    own = case(command=["cat"])

    assert not reuse.is_seen(own)
    assert reuse.runs_commands(own)
