"""What a case on one kernel gives for the comparison with others, and with a record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from runner.case import run as session_case
from runner.case.attempt import CaseJob
from runner.results import Agreement, CaseResult, Outcome
from runner.suites.model import Case
from tests.unit.guest.doubles import FakeAgent, guest

AGREE: dict[str, JsonValue] = {"map": "m", "agree": True}
RECORD: dict[str, JsonValue] = {"map": "m", "record": "rows/m.yaml"}
RIGHT: dict[str, JsonValue] = {"map": "m", "key": 1, "equals": 42}
WRONG: dict[str, JsonValue] = {"map": "m", "key": 1, "equals": 7}
FILE = "case: s::c\nsubject: map m\nkernel: '6.1'\nrows:\n- {key: 1, value: %s}\n"


class Bench:
    """A suite's folder, and a guest in which its cases run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._object = folder / "a.o"
        self._object.write_bytes(b"object")

    def record(self, text: str) -> None:
        (self.folder / "rows").mkdir(exist_ok=True)
        (self.folder / "rows/m.yaml").write_text(text)

    def run(
        self,
        *expect: dict[str, JsonValue],
        update: bool = False,
        answers: Mapping[str, dict[str, JsonValue] | Exception] | None = None,
        **more: Any,
    ) -> CaseResult:
        case = Case.model_validate(
            {"name": "c", "object": "a.bpf.c", "expect": expect, **more}, strict=False
        )
        job = CaseJob(
            suite="s",
            case=case,
            object_path=self._object,
            shown_path="s/a.bpf.c",
            nodeid="s::c[6.1]",
            folder=self.folder,
            update=update,
        )
        return session_case.run(job, guest(FakeAgent(answers)))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def kept(result: CaseResult) -> Agreement:
    assert result.agreement is not None
    return result.agreement


def test_rows_wait_for_those_of_other_kernels(bench: Bench) -> None:
    result = bench.run(RIGHT, AGREE)

    # The rows count as checked when they have been compared.
    assert (result.outcome, result.checked) == (Outcome.PASSED, 1)
    (found,) = kept(result).found
    assert (found.expectation, found.subject) == (1, "map m")
    assert found.rows == ({"key": 1, "value": 42},)


def test_a_wrong_value_fails_at_once_and_the_rows_are_kept(bench: Bench) -> None:
    result = bench.run(WRONG, AGREE)

    assert result.failure_class == "wrong_value"
    assert len(kept(result).found) == 1


def test_a_map_that_the_object_lacks_fails_at_once(bench: Bench) -> None:
    result = bench.run({"map": "n", "agree": True})

    assert result.failure_class == "wrong_value"
    assert "no such map" in result.message


def test_an_inner_map_that_is_not_there_fails_at_once(bench: Bench) -> None:
    """The fake map is no map of maps: its types are those of a hash."""
    rows: dict[str, JsonValue] = {**AGREE, "inner": 1}
    shown: dict[str, JsonValue] = {**rows, "show": ["type"]}
    for expected in (rows, shown):
        result = bench.run(expected)

        assert result.failure_class == "wrong_value"
        (found,) = result.mismatches
        assert found.subject.startswith("map m, inner map 1")
        assert "no inner maps: it is of type hash" in found.observed


def test_a_program_that_never_ran_agrees_with_nobody(bench: Bench) -> None:
    idle: JsonValue = [{"name": "p", "runs": 0}]

    result = bench.run(AGREE, answers={"runs": {"programs": idle}})

    assert result.failure_class == "never_ran"


def test_the_guests_clock_is_asked_only_if_something_is_a_time(bench: Bench) -> None:
    uptime: dict[str, JsonValue] = {"text": "0.00 1.00\n", "truncated": False}

    result = bench.run(
        {**AGREE, "normalise": {"value": "time"}}, answers={"read": uptime}
    )

    assert kept(result).found[0].rows == ({"key": 1, "value": "${time}"},)
    unasked = bench.run(AGREE, answers={"read": AssertionError("nobody asks")})
    assert unasked.outcome is Outcome.PASSED


def test_a_declared_difference_is_left_to_the_comparison(bench: Bench) -> None:
    declared = {"class": "kernels_disagree", "reason": "it is new", "kernels": ">=6.0"}

    result = bench.run(AGREE, expect_failure=declared)

    assert result.outcome is Outcome.PASSED
    assert (kept(result).declared, kept(result).gap) == ("it is new", True)


def test_only_the_names_of_a_case_may_differ_between_parts(bench: Bench) -> None:
    same = {kept(bench.run(AGREE, description=it)).case_sha256 for it in "ab"}
    other = kept(bench.run({**AGREE, "ignore": ["key"]})).case_sha256

    assert len({*same, other}) == 2


# ---------------------------------------------------------------------- records


def test_without_a_record_the_case_fails_and_says_how_to_make_it(bench: Bench) -> None:
    result = bench.run(RECORD)

    assert result.failure_class == "record_missing"
    assert "there is no rows/m.yaml" in result.message
    assert "--update" in result.cure


def test_rows_as_recorded_pass_and_show_what_was_read(bench: Bench) -> None:
    bench.record(FILE % 42)

    result = bench.run(RECORD)

    assert (result.outcome, result.checked) == (Outcome.PASSED, 1)
    (match,) = result.matches
    assert match.expected == "as in rows/m.yaml"


def test_other_rows_than_recorded_fail(bench: Bench) -> None:
    bench.record(FILE % 43)

    result = bench.run(RECORD)

    assert result.failure_class == "record_differs"
    assert result.message == "map m key 1: expected 43, observed 42"


def test_a_damaged_record_is_the_suites_mistake(bench: Bench) -> None:
    bench.record("rows: [")

    result = bench.run(RECORD)

    assert result.failure_class == "suite_error"
    assert "rows/m.yaml:1: not YAML" in result.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("[]", "should be a mapping"),
        ("case: s::c\nsubject: map m\nkernel: a\n", "key 'rows' is missing"),
        (f"{FILE.partition('rows')[0]}rows: [{{value: {{}}}}]\n", "have no value"),
        (
            f"{FILE.partition('rows')[0]}rows: [{{value: '${{any}}'}}]\n",
            "have no value",
        ),
        (FILE.replace("s::c", "x::y") % 42, "recorded for x::y, and not for s::c"),
        (
            FILE.replace("map m", "map other") % 42,
            "recorded for map other, and not for map m",
        ),
    ],
)
def test_a_record_that_can_not_be_right_is_a_mistake_that_update_repairs(
    bench: Bench, text: str, said: str
) -> None:
    bench.record(text)

    result = bench.run(RECORD)

    assert result.failure_class == "suite_error"
    assert said in result.message
    assert "--update" in result.cure
    assert bench.run(RECORD, update=True).outcome is Outcome.PASSED


def test_a_record_holds_for_all_loaders_of_a_case_and_by_other_names_of_it(
    bench: Bench,
) -> None:
    for name in ("s::c[libbpf]", "s::old", "t::older", "folder::c"):
        bench.record(FILE.replace("s::c", name) % 42)

        result = bench.run(RECORD, was=["old", "t::older"])

        assert result.outcome is Outcome.PASSED


@pytest.mark.parametrize("update", [True, False])
@pytest.mark.parametrize("way", [AGREE, RECORD])
@pytest.mark.parametrize(
    "keys",
    [
        {"normalise": {"key": "any", "value": "any"}},
        {"ignore": ["key"], "normalise": {"value": "any"}},
    ],
)
def test_a_suite_that_leaves_nothing_to_compare_never_passes(
    bench: Bench, way: dict[str, JsonValue], keys: dict[str, JsonValue], update: bool
) -> None:
    bench.record(FILE % 42)

    result = bench.run(RIGHT, {**way, **keys}, update=update)

    assert result.failure_class == "suite_error"
    assert result.message == "map m: nothing is left to compare"
    assert "`ignore`" in result.cure


def test_an_update_keeps_the_rows_and_writes_nothing_yet(bench: Bench) -> None:
    bench.record(FILE % 43)

    result = bench.run(RECORD, update=True)

    assert (result.outcome, result.checked) == (Outcome.PASSED, 1)
    assert kept(result).found[0].file == "rows/m.yaml"
    assert (bench.folder / "rows/m.yaml").read_text() == FILE % 43


def test_an_update_hides_no_other_failure(bench: Bench) -> None:
    assert bench.run(WRONG, RECORD, update=True).failure_class == "wrong_value"


def test_a_kernel_that_is_declared_to_differ_is_not_recorded(bench: Bench) -> None:
    bench.record(FILE % 43)
    declared = {"class": "record_differs", "reason": "new", "kernels": ">=6.0"}

    result = bench.run(RECORD, update=True, expect_failure=declared)

    assert result.outcome is Outcome.SKIPPED
    assert not kept(result).found
