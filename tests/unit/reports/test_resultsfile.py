import json
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.errors import InfrastructureError, UsageError
from runner.reports import resultsfile
from runner.reports.resultsfile import ResultsFileError
from runner.results import CaseResult, KernelRun, Mismatch, Outcome, RunResults

RESULTS = RunResults(
    runner="0.1.0",
    started="2026-01-02T03:04:05+00:00",
    duration=1.5,
    kernels=(KernelRun(id="6.1", accelerator="tcg", boots=(4.4, 0.4)),),
    cases=(
        CaseResult(
            kernel="6.1",
            suite="maps",
            case="hash",
            outcome=Outcome.FAILED,
            mismatches=(Mismatch(subject="map ß", expected="1", observed="2"),),
            # A byte that was no UTF-8, and what a console may hold.
            log="\udc80 \x00 \x1b[1m",
        ),
    ),
)


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "deep/er/results.json"
    resultsfile.write(RESULTS, path)
    assert resultsfile.read(path) == RESULTS
    assert [file.name for file in path.parent.iterdir()] == ["results.json"]


def test_results_are_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    resultsfile.write(RESULTS, path)
    assert path.stat().st_mode & 0o777 == 0o644


def test_results_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text("old")
    resultsfile.write(RESULTS, path)
    assert resultsfile.read(path) == RESULTS


def test_folder_that_can_not_be_made_is_infrastructure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InfrastructureError, match=r"results\.json can't be written"):
        resultsfile.write(RESULTS, tmp_path / "file/results.json")


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Let no file grow beyond ten bytes, which fails as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("full_disk")
def test_full_disk_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text("old")
    with pytest.raises(InfrastructureError, match="free some space"):
        resultsfile.write(RESULTS, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "is not a run"),
        (b"{}", "is not a run"),
        (b'{"schema_version": 2}', "has schema version 2; this program reads 1"),
        (b'{"schema_version": "1"}', "has schema version '1'"),
        (b'{"schema_version": 1}', "runner: Field required"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(content)
    with pytest.raises(ResultsFileError, match=message):
        resultsfile.read(path)


def test_unknown_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    data = json.loads(resultsfile.dump(RESULTS))
    data["cases"][0]["colour"] = "red"
    path.write_text(json.dumps(data))
    with pytest.raises(ResultsFileError, match=r"cases\.0\.colour"):
        resultsfile.read(path)


def test_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        resultsfile.read(tmp_path / "results.json")
