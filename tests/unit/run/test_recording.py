"""`--update`: files of recorded rows are written whole, or not at all and told."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import JsonValue

from runner.errors import ExitStatus, UsageError
from runner.kernels.rows import KernelChoice
from runner.results import (
    Agreement,
    CaseResult,
    Outcome,
    PlannedCase,
    RunResults,
    exit_status,
)
from runner.run import recording
from runner.run.recording import Update
from runner.run.settings import Settings
from runner.run.sharding import Part
from runner.suites import recordfile
from runner.suites.checks import leaves, normal
from runner.suites.checks.normal import NormalRows
from runner.suites.comparable import RecordExpectation
from runner.suites.recordfile import RecordFile
from tests.unit.reports.runs import kernel, run

FILE = "rows/m.yaml"
WANTED = RecordExpectation.model_validate({"map": "m", "record": FILE})


def gave(on: str, *values: JsonValue, **more: Any) -> CaseResult:
    rows = NormalRows(rows=[{"key": 0, "value": it} for it in values])
    found = normal.found(WANTED, rows, expectation=0, file=FILE)
    return CaseResult(
        **{
            "kernel": on,
            "suite": "task",
            "case": "state",
            "outcome": Outcome.PASSED,
            "checked": 1,
            "agreement": Agreement(found=(found,)),
            **more,
        }
    )


class Folder:
    """A suite's folder, in which records are written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path / FILE

    def update(self, *cases: CaseResult, **more: Any) -> tuple[RunResults, Update]:
        done = recording.update(run(*cases, **more), lambda _: self.path)
        (only,) = done.updates
        return done.results, only

    @property
    def rows(self) -> list[JsonValue]:
        found = recordfile.read(self.file)
        assert found is not None
        return [*found.rows]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path)


def test_a_new_record_has_the_rows_and_says_from_where(folder: Folder) -> None:
    results, update = folder.update(gave("6.1", 1, 2))

    assert folder.rows == [{"key": 0, "value": 1}, {"key": 0, "value": 2}]
    assert "kernel: 6.1 (6.1.7-amd64)" in folder.file.read_text()
    assert next(update.lines()) == "new: rows/m.yaml: 2 rows from 6.1; review it"
    assert exit_status(results) is ExitStatus.COMPATIBLE


def test_a_changed_record_shows_what_changed(folder: Folder) -> None:
    folder.update(gave("6.1", 1, 2))

    _, update = folder.update(gave("6.1", 1, 3))

    assert update.state == "changed"
    assert [it for it in update.diff if it[0] in "+-"] == ["-  value: 2", "+  value: 3"]
    assert folder.rows[1] == {"key": 0, "value": 3}


def test_the_same_rows_of_another_kernel_leave_the_file_alone(folder: Folder) -> None:
    folder.update(gave("6.1", 1))
    before = folder.file.read_bytes()

    _, update = folder.update(gave("6.12", 1), gave("sid", 1))

    assert (update.state, update.diff) == ("unchanged", ())
    assert "6.12 and sid" in update.why
    assert folder.file.read_bytes() == before


def test_kernels_that_disagree_write_nothing_and_fail(folder: Folder) -> None:
    folder.update(gave("6.1", 1))

    results, update = folder.update(gave("6.1", 1), gave("6.12", 2))

    assert update.state == "not written"
    assert "6.1; 6.12" in update.why
    assert "--update --kernels 6.1" in update.cure
    assert results.cases[0].cure == update.cure
    assert folder.rows == [{"key": 0, "value": 1}]
    assert {it.failure_class for it in results.cases} == {"kernels_disagree"}
    assert exit_status(results) is ExitStatus.INCOMPATIBLE


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.ERROR])
def test_a_case_that_does_not_pass_somewhere_writes_nothing(
    folder: Folder, outcome: Outcome
) -> None:
    bad = gave("6.12", 1, outcome=outcome, failure_class="wrong_value", agreement=None)

    results, update = folder.update(gave("6.1", 1), bad)

    assert "did not pass on 6.12 (wrong_value)" in update.why
    assert not folder.file.exists()
    # What failed is still what failed.
    assert results.cases[1] == bad
    assert exit_status(results) is ExitStatus.INCOMPATIBLE


def test_a_stopped_run_writes_nothing(folder: Folder) -> None:
    planned = (PlannedCase(suite="task", case="state", kernels=("6.1", "6.12")),)
    kernels = (kernel("6.1"), kernel("6.12"))

    _, update = folder.update(gave("6.1", 1), planned=planned, kernels=kernels)

    assert "6.12 (did not run)" in update.why
    assert not folder.file.exists()


def test_a_declared_gap_does_not_keep_others_from_being_written(
    folder: Folder,
) -> None:
    gap = gave("5.10", outcome=Outcome.SKIPPED, agreement=None)

    _, update = folder.update(gap, gave("6.1", 1))

    assert update.state == "new"


def test_no_rows_and_too_many_are_not_recorded(folder: Folder) -> None:
    cases = (((), "holds nothing"), ((*range(600),), "100 rows more than"))
    for values, why in cases:
        results, update = folder.update(gave("6.1", *values))

        assert update.state == "not written"
        assert why in update.why
        assert results.cases[0].failure_class == "record_missing"
    assert not folder.file.exists()


@pytest.mark.parametrize(
    ("keys", "cure"),
    [
        ({"map": "m"}, "add a trigger that makes the program fill map m"),
        ({"value": "${command.stdout}"}, "something that ${command.stdout} shows"),
    ],
)
def test_what_to_do_about_nothing_is_not_to_update_again(
    folder: Folder, keys: dict[str, JsonValue], cure: str
) -> None:
    wanted = RecordExpectation.model_validate({**keys, "record": FILE})
    nothing: list[list[JsonValue]] = [[], [{"value": {}}], [{"value": []}]]
    for rows in nothing:
        made = NormalRows(rows=rows)
        found = normal.found(wanted, made, expectation=0, file=FILE)

        results, update = folder.update(
            gave("6.1", agreement=Agreement(found=(found,)))
        )

        assert not folder.file.exists()
        assert f"{wanted.subject} holds nothing to record" in update.why
        (case,) = results.cases
        assert cure in case.cure
        assert cure in [*update.lines()][1]
        assert "--update" not in case.cure
        assert ("`rows: []`" in case.cure) == ("map" in keys)


def test_a_file_that_no_run_would_read_is_not_written(folder: Folder) -> None:
    deep: JsonValue = [0] * 9000
    for _ in range(60):
        deep = [deep]

    _, update = folder.update(gave("6.1", deep))

    assert update.why == "it would be larger than 1 MiB"
    assert not folder.file.exists()


def test_a_link_is_not_followed(folder: Folder, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    folder.file.parent.mkdir()
    folder.file.symlink_to(elsewhere)

    _, update = folder.update(gave("6.1", 1))

    assert "a link" in update.why
    assert elsewhere.read_text() == "mine"


def test_a_folder_that_is_a_link_to_elsewhere_is_not_followed(
    folder: Folder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    folder.file.parent.symlink_to(elsewhere)

    _, update = folder.update(gave("6.1", 1))

    assert "leads out of the suite's folder" in update.why
    assert not [*elsewhere.iterdir()]


def test_what_can_not_be_written_leaves_what_was_there(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.update(gave("6.1", 1))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("runner.files.whole.os.replace", full)
    results, update = folder.update(gave("6.1", 2))

    assert "No space left on device" in update.why
    assert folder.rows == [{"key": 0, "value": 1}]
    assert [it.name for it in folder.file.parent.iterdir()] == ["m.yaml"]
    assert results.cases[0].outcome is Outcome.FAILED


def settings(tmp_path: Path, **more: Any) -> Settings:
    choice = KernelChoice(matrix=Path("m.yaml"), selectors=("6.1",))
    return Settings(kernels=choice, reports=tmp_path, **{"update": True, **more})


@pytest.mark.parametrize("ci", [{}, {"CI": ""}, {"CI": "false"}])
def test_outside_of_ci_records_may_be_written(
    tmp_path: Path, ci: Mapping[str, str]
) -> None:
    recording.refuse_unreviewed(settings(tmp_path), ci)
    recording.refuse_unreviewed(settings(tmp_path, update=False), {"CI": "1"})


def test_what_nobody_can_review_is_not_recorded(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not work in CI"):
        recording.refuse_unreviewed(settings(tmp_path), {"CI": "true"})
    part = settings(tmp_path, part=Part(index=1, count=2))
    with pytest.raises(UsageError, match="does not work with --shard"):
        recording.refuse_unreviewed(part, {})


VALUES = st.recursive(
    st.one_of(
        st.integers(-(1 << 63), (1 << 64) - 1),
        st.booleans(),
        st.text(),
        st.sampled_from(["yes", "0x1f", "5.10", "2026-01-01", "=", "~", "${a.b}", ""]),
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["yes", "a", "0"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@example(rows=["\x85 \u2028 \u2029 \ufeff"])
@given(rows=st.lists(VALUES, min_size=1, max_size=4).filter(leaves.has_compared))
def test_what_is_written_is_read_as_it_was(
    rows: list[JsonValue], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "record.yaml"
    file = RecordFile(case="a::b", subject="map m", kernel="6.1", rows=tuple(rows))
    path.write_text(recordfile.text(file))

    found = recordfile.read(path)

    assert found is not None
    assert normal.canonical([*found.rows]) == normal.canonical(rows)


def test_a_damaged_record_is_told_by_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("case: a::b\nsubject: map m\nkernel: '6.1'\nrow:\n- {key: 1}\n")

    with pytest.raises(UsageError, match=r"m\.yaml:4: row: unknown key 'row'"):
        recordfile.read(path)
