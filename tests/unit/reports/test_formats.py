"""The table of formats, and that an earlier run's files are all cleared."""

from pathlib import Path

import pytest

from runner import reports
from runner.errors import InfrastructureError, UsageError
from runner.reports import formats, pictures
from runner.reports.criteria import Report
from runner.reports.release import facts
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
    # What replaces it is written before the others are removed.
    assert {it.name for it in tmp_path.rglob("*")} == {"mine.txt", "results.json"}


def test_results_come_first() -> None:
    assert formats.FORMATS[0].pattern == reports.RESULTS


def test_a_report_that_cannot_be_written_does_not_keep_others_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise KeyError("a fault")

    # A file where a folder must be.
    (tmp_path / "5.10").write_text("")
    monkeypatch.setattr(pictures, "badge", broken)
    with pytest.raises(InfrastructureError, match=r"5.10/junit.xml can't be written"):
        reports.write(REPORT, tmp_path)
    assert {"results.json", "report.html", "summary.md"} < files_in(tmp_path)
    (tmp_path / "5.10").unlink()
    with pytest.raises(InfrastructureError, match=r"badge.svg.*KeyError: 'a fault'"):
        reports.write(REPORT, tmp_path)


def test_release_notes_only_for_a_release(tmp_path: Path) -> None:
    reports.write(Report(results=RESULTS), tmp_path)
    assert not [it for it in files_in(tmp_path) if it.startswith("release")]


@pytest.mark.parametrize("names", [["sarif,json"], ["json", "sarif"], ["json, sarif"]])
def test_formats_are_chosen_by_name(names: list[str]) -> None:
    assert [it.name for it in formats.chosen(names)] == ["json", "sarif"]


@pytest.mark.parametrize("name", ["pdf", "", "sarif,", "SARIF"])
def test_another_format_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="there is no such format") as caught:
        formats.chosen([name])
    assert "markdown" in caught.value.hint
