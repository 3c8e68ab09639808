"""The table of formats, and that an earlier run's files are all cleared."""

from pathlib import Path

import pytest

from runner import reports
from runner.errors import InfrastructureError, UsageError
from runner.reports import formats
from runner.reports.release import facts
from runner.reports.terms import Report
from tests.unit.reports.runs import F, P, on_all

RESULTS = on_all(P, P, F)
REPORT = Report(results=RESULTS, release=facts(RESULTS, "v1"))


def files_in(folder: Path) -> set[str]:
    return {str(it.relative_to(folder)) for it in folder.rglob("*") if it.is_file()}


@pytest.mark.parametrize("format_", formats.FORMATS, ids=lambda it: it.name)
def test_each_writes_what_it_says(format_: formats.Format, tmp_path: Path) -> None:
    reports.write(REPORT, tmp_path, formats=[format_])
    assert files_in(tmp_path)
    assert all(Path(it).match(format_.pattern) for it in files_in(tmp_path))


def test_all_that_is_written_is_cleared(tmp_path: Path) -> None:
    reports.write(REPORT, tmp_path)
    (tmp_path / "mine.txt").write_text("mine")
    reports.clear(tmp_path)
    assert [it.name for it in tmp_path.rglob("*")] == ["mine.txt"]


def test_results_are_there_when_nothing_else_can_be_written(tmp_path: Path) -> None:
    # A file where a folder must be: JUnit's can't be written.
    (tmp_path / "5.10").write_text("")
    with pytest.raises(InfrastructureError):
        reports.write(REPORT, tmp_path)
    assert files_in(tmp_path) == {"5.10", reports.RESULTS}


def test_release_notes_only_for_a_release(tmp_path: Path) -> None:
    reports.write(Report(results=RESULTS), tmp_path)
    assert "release.md" not in files_in(tmp_path)


@pytest.mark.parametrize("names", [["sarif,json"], ["json", "sarif"], ["json, sarif"]])
def test_formats_are_chosen_by_name(names: list[str]) -> None:
    assert [it.name for it in formats.chosen(names)] == ["json", "sarif"]


@pytest.mark.parametrize("name", ["pdf", "", "sarif,", "SARIF"])
def test_another_format_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="there is no such format") as caught:
        formats.chosen([name])
    assert "markdown" in caught.value.hint
