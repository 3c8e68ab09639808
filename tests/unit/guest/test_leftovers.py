"""What a case leaves in the kernel."""

from collections.abc import Mapping

import pytest
from pydantic import JsonValue

from runner.deadline import Deadline
from runner.guest import leftovers
from runner.guest.agent import LoadedObject, MapInfo, ProgramInfo
from tests.unit.guest.doubles import FakeAgent, guest

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
    return {"objects": list(objects), "pins": list(pins)}


class FreeingAgent(FakeAgent):
    """Frees what is left after some looks."""

    def __init__(self, looks: int, answer: Mapping[str, JsonValue]) -> None:
        super().__init__({"sleep": {"pid": 5, "slept_ns": 20_000_000}})
        self._looks = looks
        self._left = dict(answer)

    def receive_line(self, deadline: Deadline) -> bytes:
        if self.operations[-1] == "leftovers":
            self._answers["leftovers"] = self._left if self._looks else left()
            self._looks -= 1
        return super().receive_line(deadline)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "_PATIENCE", 0.0)


def test_what_is_left_is_named() -> None:
    answer = left(PROGRAM, LINK, MAP, NAMELESS, pins=("/sys/fs/bpf/m",))
    up = guest(FakeAgent({"leftovers": answer}))

    assert leftovers.found(up) == (
        "/sys/fs/bpf/m",
        "program on_exec (kprobe)",
        "link (perf_event) of on_exec",
        "map m",
        "map with id 8 (hash)",
    )


def test_what_the_agent_has_closed_is_not_left() -> None:
    agent = FakeAgent({"leftovers": left(PROGRAM, LINK, MAP, pins=("/sys/fs/bpf/m",))})

    # A pin stays, whoever made it.
    assert leftovers.found(guest(agent), OWN, None) == ("/sys/fs/bpf/m",)
    # There is nothing to wait for.
    assert agent.operations == ["leftovers"]


def test_the_kernel_gets_time_to_free_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "_PATIENCE", 30.0)
    agent = FreeingAgent(2, left(PROGRAM))

    assert leftovers.found(guest(agent)) == ()
    assert agent.operations == ["leftovers", "sleep", "leftovers", "sleep", "leftovers"]


def test_many_are_counted() -> None:
    pins = tuple(f"/sys/fs/bpf/{it}" for it in range(30))

    shown = leftovers.found(guest(FakeAgent({"leftovers": left(pins=pins)})))

    assert (len(shown), shown[-1]) == (21, "and 10 more")


def test_a_guest_that_is_gone_has_nothing_left() -> None:
    up = guest(FakeAgent({"leftovers": EOFError()}))

    leftovers.begin(guest(FakeAgent({"leftovers": EOFError()})))
    assert leftovers.found(up) == ()
    # Nobody asks it again.
    assert leftovers.found(up) == ()
