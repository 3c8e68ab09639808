"""Whether programs ran, on kernels that count all of their runs and on others."""

import json

import pytest
from pydantic import JsonValue

from runner.case import runcounts
from runner.deadline import Deadline
from runner.guest.agent import AgentSession
from runner.guest.replies import LoadedObject
from runner.suites.model import Case
from tests.unit.guest.doubles import ANSWERS, FakeAgent

CASE = Case.model_validate(
    {
        "name": "c",
        "object": "a.bpf.c",
        "expect": [{"map": "m", "key": 1, "equals": 42}],
    },
    strict=False,
)
LOADED = LoadedObject.model_validate({"handle": 1, **ANSWERS["load"]})


def answers(runs: list[int | None], value: bytes) -> AgentSession:
    """Return an agent that counts so, and has a map with this row."""
    programs: list[JsonValue] = [{"name": "p", "runs": it} for it in runs]
    rows: list[JsonValue] = [{"key": "AQ==", "value": value.decode()}]
    return AgentSession(
        FakeAgent(
            {
                "runs": {"programs": programs},
                "dump": {"rows": rows, "btf_key_type": 0, "btf_value_type": 0},
            }
        )
    )


@pytest.mark.parametrize(
    ("before", "after", "changed", "ran"),
    [
        ([3], [4], False, True),
        # A map that changes otherwise does not count where runs are counted.
        ([3], [3], True, False),
        # Programs that may sleep, on 5.10; and all programs before 5.1.
        ([None], [None], True, True),
        ([None], [None], False, False),
        # A program that may sleep, next to one that is counted.
        ([2, None], [2, None], True, True),
        ([2, None], [3, None], False, True),
        # The kernel counts it, as it turns out.
        ([None], [1], False, True),
        ([2, None], [2, 1], False, True),
    ],
)
def test_what_the_kernel_does_not_count_ran_if_a_map_changed(
    before: list[int | None], after: list[int | None], changed: bool, ran: bool
) -> None:
    first = runcounts.count(CASE, answers(before, b"AQ=="), LOADED)
    then = answers(after, b"Ag==" if changed else b"AQ==")

    assert runcounts.ran(CASE, then, LOADED, first) is ran


def test_a_run_of_another_program_is_none_of_those_that_extend_it() -> None:
    other = {"object": "b.bpf.c", "program": "dispatch"}
    trigger = [{"test_run": "dispatch"}, {"test_run": "p"}]
    keys = CASE.model_dump(exclude_unset=True)
    one, both = (
        Case.model_validate({**keys, "extends": other, "trigger": it}, strict=False)
        for it in (trigger[:1], trigger)
    )
    unseen = answers([None], b"AQ==")
    first = runcounts.count(one, unseen, LOADED)

    assert not runcounts.ran(one, unseen, LOADED, first)
    assert runcounts.ran(both, unseen, LOADED, first)


@pytest.mark.parametrize("changed", [True, False])
def test_without_a_map_in_the_case_each_one_tells(changed: bool) -> None:
    """An extension whose case looks at a value only."""
    case = Case.model_validate(
        {
            "name": "c",
            "object": "a.bpf.c",
            "extends": {"object": "b.bpf.c", "program": "dispatch"},
            "trigger": [{"test_run": "dispatch"}],
            "expect": [{"value": "${run.retval}", "equals": 4}],
        },
        strict=False,
    )
    first = runcounts.count(case, answers([None], b"AQ=="), LOADED)
    then = answers([None], b"Ag==" if changed else b"AQ==")

    assert runcounts.ran(case, then, LOADED, first) is changed


class TwoMaps(FakeAgent):
    """An agent whose map of maps stays as it is, while another map may change."""

    def __init__(self, value: str) -> None:
        super().__init__({"runs": {"programs": [{"name": "p", "runs": None}]}})
        self._value = value

    def receive_line(self, deadline: Deadline) -> bytes:
        request = self.requests[-1]
        if request["op"] != "dump":
            return super().receive_line(deadline)
        value = self._value if request["map"] == "other" else "AQ=="
        rows = [{"key": "AQ==", "value": value}]
        types = {"btf_key_type": 0, "btf_value_type": 0}
        return json.dumps(
            {"id": request["id"], "ok": True, "rows": rows, **types}
        ).encode()


def test_an_inner_map_may_be_any_map_of_the_object() -> None:
    keys = {"name": "c", "object": "a.bpf.c"}
    expect = [{"map": "m", "inner": 0, "key": 1, "equals": 42}]
    case = Case.model_validate({**keys, "expect": expect}, strict=False)
    other = LOADED.maps[0].model_copy(update={"name": "other"})
    loaded = LOADED.model_copy(update={"maps": (*LOADED.maps, other)})
    before, after = (AgentSession(TwoMaps(it)) for it in ("AQ==", "Ag=="))
    first = runcounts.count(case, before, loaded)

    assert runcounts.ran(case, after, loaded, first)
    assert not runcounts.ran(case, before, loaded, first)
    # One that the case does not look at says nothing.
    first = runcounts.count(CASE, before, loaded)
    assert not runcounts.ran(CASE, after, loaded, first)
