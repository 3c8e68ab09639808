"""Cases whose programs of BPF LSM are attached, and never called."""

from pathlib import Path

import pytest
from pydantic import JsonValue

from runner.case import run as session_case
from runner.case.attempt import CaseJob
from runner.results import CaseResult, Outcome
from runner.suites.model import Case
from tests.unit.guest.doubles import ANSWERS, FakeAgent, guest

RIGHT: dict[str, JsonValue] = {"map": "m", "key": 1, "equals": 42}
WRONG: dict[str, JsonValue] = {"map": "m", "key": 1, "equals": 7}


def outcome(
    folder: Path, modules: str, expected: dict[str, JsonValue], runs: int = 1
) -> CaseResult:
    path = folder / "a.o"
    path.write_bytes(b"object")
    loaded = ANSWERS["load"]["programs"]
    assert isinstance(loaded, list)
    assert isinstance(loaded[0], dict)
    answers: dict[str, dict[str, JsonValue] | Exception] = {
        "load": {**ANSWERS["load"], "programs": [{**loaded[0], "type": "lsm"}]},
        "read": {"text": modules, "truncated": False},
    }
    if not runs:
        answers["runs"] = {"programs": [{"name": "p", "runs": 0}]}
    case = Case.model_validate(
        {"name": "c", "object": "a.bpf.c", "expect": [expected]}, strict=False
    )
    job = CaseJob(
        suite="s",
        case=case,
        object_path=path,
        shown_path="s/a.bpf.c",
        nodeid="s::c[6.1]",
        folder=folder,
    )
    return session_case.run(job, guest(FakeAgent(answers)))


def test_a_hook_that_is_never_called_is_told_as_that(tmp_path: Path) -> None:
    found = outcome(tmp_path, "lockdown,yama\n", WRONG)
    assert found.failure_class == "lsm_not_called"
    assert found.message.startswith(
        "p: attached, never called: bpf is not among this kernel's LSMs (lockdown,yama)"
    )
    assert "expected 7" in found.message
    assert "guest: {lsm: [..., bpf]}" in found.cure
    assert found.mismatches


def test_so_it_is_where_nothing_ran_at_all(tmp_path: Path) -> None:
    found = outcome(tmp_path, "yama", RIGHT, runs=0)
    assert found.failure_class == "lsm_not_called"


@pytest.mark.parametrize("expected", [RIGHT, WRONG])
def test_with_bpf_its_values_count(
    tmp_path: Path, expected: dict[str, JsonValue]
) -> None:
    found = outcome(tmp_path, "yama,bpf", expected)
    assert found.failure_class == ("wrong_value" if expected is WRONG else "")


def test_a_case_that_does_not_depend_on_it_passes(tmp_path: Path) -> None:
    assert outcome(tmp_path, "yama", RIGHT).outcome is Outcome.PASSED
