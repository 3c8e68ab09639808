"""What differs between a guest and its start, and what is not known to be the same."""

import pytest
from pydantic import JsonValue

from runner.guest import census
from runner.guest.census import Start
from runner.guest.replies import Census
from tests.unit.guest.doubles import FakeAgent, FakeVm, guest

# What images/agent/census.c counts.
PARTS: dict[str, tuple[str, ...] | None] = {
    "programs": ("1", "2"),
    "maps": ("3",),
    "links": (),
    "pins": (),
    "files": ("/tmp: 0, 00",),
    "sysctls": ("/proc/sys/kernel: 9, 12",),
}


def counted(**parts: tuple[str, ...] | None) -> Census:
    return Census(parts={**PARTS, **parts}, available_kib=1000)


def with_memory(kib: int) -> Census:
    return Census(parts=PARTS, available_kib=kib)


def found(start: Census, now: Census) -> list[str]:
    return [str(it) for it in census.differences(start, now)]


def test_nothing_differs_if_all_is_there_in_another_order() -> None:
    assert found(counted(), counted(programs=("2", "1"))) == []


@pytest.mark.parametrize("part", PARTS)
def test_more_and_less_of_each_part_is_found(part: str) -> None:
    before = PARTS[part] or ()

    assert found(counted(), counted(**{part: (*before, "left")})) == [
        f"{part}: more: left"
    ]
    assert found(counted(**{part: (*before, "gone")}), counted()) == [
        f"{part}: less: gone"
    ]


def test_two_of_one_name_are_more_than_one() -> None:
    one, two = counted(processes=("sh",)), counted(processes=("sh", "sh"))

    assert found(one, two) == ["processes: more: sh"]


@pytest.mark.parametrize("part", ["programs", "maps"])
def test_what_a_kernel_never_tells_is_not_proven(part: str) -> None:
    silent = counted(**{part: None})

    assert found(silent, silent) == [f"{part}: this kernel does not tell"]


def test_links_that_a_kernel_does_not_tell_of_show_as_their_programs() -> None:
    old = counted(links=None)

    assert found(old, old) == []


def test_what_a_kernel_tells_no_longer_is_not_the_same() -> None:
    assert found(counted(), counted(pins=None)) == ["pins: no longer known"]
    assert found(counted(pins=None), counted()) == ["pins: not known"]


def test_sysctls_differ_only_if_they_were_asked_for() -> None:
    now = Census(
        parts={name: it for name, it in PARTS.items() if name != "sysctls"},
        available_kib=1000,
    )

    assert found(counted(), now) == []


def test_an_eighth_of_the_memory_may_be_in_use() -> None:
    assert found(counted(), with_memory(875)) == []
    assert found(counted(), with_memory(874)) == [
        "memory: 874 KiB are available of 1000"
    ]


def answered(*maps: str) -> dict[str, JsonValue]:
    return {"parts": {"programs": [], "maps": [*maps]}, "available_kib": 1000}


class FreeingAgent(FakeAgent):
    """A guest that frees a map after it was looked at some times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._left = times

    def send(self, data: bytes) -> None:
        super().send(data)
        if self.operations[-1] == "census":
            self._answers["census"] = answered("7") if self._left else answered()
            self._left = max(0, self._left - 1)
        if self.operations[-1] == "sleep":
            self._answers["sleep"] = {"pid": 1, "slept_ns": 1}


START = Start(census=Census.model_validate(answered()), printed=0)


def test_what_is_being_freed_gets_some_time() -> None:
    agent = FreeingAgent(2)

    assert census.changes(guest(agent), START) == ()
    assert agent.operations == ["census", "sleep", "census", "sleep", "census"]


def test_what_is_not_freed_in_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census, "_PATIENCE", 0.0)

    (left,) = census.changes(guest(FreeingAgent(1000)), START)

    assert str(left) == "maps: more: 7"


def test_a_console_that_was_printed_to_is_not_waited_for() -> None:
    agent = FreeingAgent(0)
    loud = guest(agent, vm=FakeVm(printed=12))

    (left,) = census.changes(loud, START)

    assert left.part == "console"
    assert agent.operations == ["census"]


def test_a_guest_that_can_not_be_counted_is_not_proven() -> None:
    agent = FakeAgent(
        {"census": {"ok": False, "error": {"message": "no", "errno": None}, "log": ""}}
    )

    (why,) = census.changes(guest(agent), START)

    assert why.part == "agent"
    assert census.at_start(guest(agent)) is None
