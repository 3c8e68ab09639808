"""What came of a case: what the kernel logged, and what is left in it."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from runner.deadline import Deadline
from runner.guest import aftermath
from runner.guest.aftermath import Aftermath
from runner.guest.guest import Guest
from runner.guest.life import State
from runner.guest.replies import LoadedObject, MapInfo, ProgramInfo
from tests.unit.guest.doubles import ANSWERS, FakeAgent, FakeVm, fault, guest

NOTHING = ANSWERS["aftermath"]
WARNING = "12,339,5140900,-,caller=T12;WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2"


def logged(*records: str, incomplete: bool = False) -> dict[str, JsonValue]:
    return {**NOTHING, "records": list(records), "incomplete": incomplete}


def of(up: Guest, *own: LoadedObject | None) -> Aftermath:
    return aftermath.of(up, *own)


def text_of(*records: str) -> list[str]:
    return aftermath.text_of(records).split("\n")


def test_records_look_as_on_a_console() -> None:
    record = "4,1,12000001,-;first\n SUBSYSTEM=net\n DEVICE=n1\n"

    assert text_of(record, WARNING) == [
        "[   12.000001] first",
        "[    5.140900] WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2",
    ]


def test_each_line_of_a_record_has_its_time() -> None:
    assert text_of(r"4,1,1,-;one\x0atwo \x5cx41\x1b[31m") == [
        "[    0.000001] one",
        r"[    0.000001] two \x41",
    ]


def test_what_goes_on_with_a_line_is_put_together() -> None:
    assert text_of("4,1,1,c;BUG: ", "4,2,2,+;KASAN", "4,3,3,-;more") == [
        "[    0.000001] BUG: KASAN",
        "[    0.000003] more",
    ]


@given(st.lists(st.text()))
def test_no_record_breaks_it(records: list[str]) -> None:
    aftermath.text_of(records)


def test_the_log_has_what_a_quiet_console_lacks() -> None:
    agent = FakeAgent({"aftermath": logged(WARNING)})

    found = of(guest(agent))

    assert "WARNING: CPU: 0" in found.logged
    assert found.shown == ""


@pytest.mark.parametrize(
    ("answer", "incomplete"),
    [
        # A kernel without CONFIG_PRINTK, or that lets nobody look.
        ({**NOTHING, "records": None}, False),
        (fault("no such operation"), True),
    ],
)
def test_without_a_log_the_console_is_left(
    answer: dict[str, JsonValue], incomplete: bool
) -> None:
    up = guest(FakeAgent({"aftermath": answer}), vm=FakeVm(said="[1.0] BUG: x\n"))

    assert of(up) == Aftermath(shown="[1.0] BUG: x\n", incomplete=incomplete)


def test_a_guest_that_dies_meanwhile_leaves_its_console() -> None:
    up = guest(FakeAgent({"aftermath": EOFError()}), vm=FakeVm(said="[1.0] BUG: x\n"))

    assert of(up) == Aftermath(shown="[1.0] BUG: x\n", incomplete=True)
    assert up.lost_log
    assert up.life.state is State.LOST


def test_overwritten_records_are_told_until_the_next_case() -> None:
    up = guest(FakeAgent({"aftermath": logged(WARNING, incomplete=True)}))

    found = of(up)

    assert "WARNING" in found.logged
    assert (found.incomplete, up.lost_log) == (True, True)
    aftermath.begin(up)
    assert not up.lost_log


def test_what_came_before_a_case_is_skipped() -> None:
    agent = FakeAgent()
    dead = FakeAgent({"aftermath": EOFError()})

    aftermath.begin(guest(agent))
    aftermath.begin(guest(dead))

    assert [it["begin"] for it in (*agent.requests, *dead.requests)] == [1, 1]


# ------------------------------------------------------------------- what is left


PROGRAM: JsonValue = {
    "kind": "program",
    "id": 9,
    "name": "on_exec",
    "type": "kprobe",
    "program": 9,
}
LINK: JsonValue = {
    "kind": "link",
    "id": 3,
    "name": "on_exec",
    "type": "perf_event",
    "program": 9,
}
MAP: JsonValue = {"kind": "map", "id": 7, "name": "m", "type": None, "program": 0}
NAMELESS: JsonValue = {"kind": "map", "id": 8, "name": "", "type": "hash", "program": 0}
OWN = LoadedObject(
    handle=1,
    programs=(ProgramInfo(name="on_exec", type="kprobe", id=9, instructions=2),),
    maps=(
        MapInfo(name="m", type="hash", id=7, key_size=4, value_size=4, max_entries=1),
    ),
    log="",
)


def left(*objects: JsonValue, pins: tuple[str, ...] = ()) -> dict[str, JsonValue]:
    return {**NOTHING, "objects": list(objects), "pins": list(pins)}


class FreeingAgent(FakeAgent):
    """Frees what is left after some looks."""

    def __init__(self, looks: int, answer: Mapping[str, JsonValue]) -> None:
        super().__init__({"sleep": {"pid": 5, "slept_ns": 20_000_000}})
        self._looks = looks
        self._left = dict(answer)

    def receive_line(self, deadline: Deadline) -> bytes:
        if self.operations[-1] == "aftermath":
            self._answers["aftermath"] = self._left if self._looks else left()
            self._looks -= 1
        return super().receive_line(deadline)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aftermath, "_PATIENCE", 0.0)


def test_what_is_left_is_named() -> None:
    answer = left(PROGRAM, LINK, MAP, NAMELESS, pins=("/sys/fs/bpf/m",))
    up = guest(FakeAgent({"aftermath": answer}))

    assert of(up).left == (
        "/sys/fs/bpf/m",
        "program on_exec (kprobe)",
        "link (perf_event) of on_exec",
        "map m",
        "map with id 8 (hash)",
    )


def test_what_the_agent_has_closed_is_not_left() -> None:
    agent = FakeAgent({"aftermath": left(PROGRAM, LINK, MAP, pins=("/sys/fs/bpf/m",))})

    # A pin stays, whoever made it.
    assert of(guest(agent), OWN, None).left == ("/sys/fs/bpf/m",)
    # There is nothing to wait for.
    assert agent.operations == ["aftermath"]


def test_the_kernel_gets_time_to_free_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aftermath, "_PATIENCE", 30.0)
    agent = FreeingAgent(2, left(PROGRAM))

    assert of(guest(agent)).left == ()
    assert agent.operations == ["aftermath", "sleep", "aftermath", "sleep", "aftermath"]


def test_many_are_counted() -> None:
    pins = tuple(f"/sys/fs/bpf/{it}" for it in range(30))

    shown = of(guest(FakeAgent({"aftermath": left(pins=pins)}))).left

    assert (len(shown), shown[-1]) == (21, "and 10 more")


def test_a_guest_that_is_gone_has_nothing_left() -> None:
    up = guest(FakeAgent({"aftermath": EOFError()}))

    assert of(up).left == ()
    # Nobody asks it again.
    assert aftermath.of(up).is_lost


def test_of_a_guest_that_is_gone_the_console_tells() -> None:
    up = guest(FakeAgent(), vm=FakeVm(said="its last words\n"))
    up.life.to(State.LOST)

    assert aftermath.of(up) == Aftermath(is_lost=True, shown="its last words\n")
