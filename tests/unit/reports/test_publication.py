"""What a repository keeps of a release."""

from pathlib import Path

import pytest

from runner import cli
from runner.errors import ExitStatus
from runner.reports import resultsfile
from runner.reports.criteria import Criteria
from runner.reports.publication import published
from runner.results import Outcome
from tests.unit.reports.runs import F, P, on_all

OURS = sorted((Path(__file__).resolve().parents[3] / "reports").glob("*/results.json"))
OURS = [it for it in OURS if it.parent.name != "latest"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_logs_of_passed_cases_and_paths_of_the_machine_are_not_published() -> None:
    run = on_all(P, P, F)
    kernels = tuple(
        it.model_copy(update={"qemu_command": "qemu -initrd /home/me/initrd"})
        for it in run.kernels
    )
    cases = tuple(it.model_copy(update={"log": "libbpf: …"}) for it in run.cases)
    results = published(run.model_copy(update={"kernels": kernels, "cases": cases}))

    assert not any(it.qemu_command for it in results.kernels)
    assert {it.outcome for it in results.cases if it.log} == {Outcome.FAILED}
    assert [it.key for it in results.cases] == [it.key for it in run.cases]


def test_three_files_are_published_and_serve_as_a_baseline(folder: Path) -> None:
    resultsfile.write(on_all(P, P, P), folder / "run/results.json")

    words = ["--release", "1.2", "--publish", "reports/1.2"]
    assert cli.main(["report", "run", *words]) == 0

    published = {it.name for it in (folder / "reports/1.2").iterdir()}
    assert published == {"compatibility.md", "matrix.svg", "results.json"}
    text = (folder / "reports/1.2/compatibility.md").read_text()
    assert text.startswith("## Compatibility of `1.2`")
    gate = ["--baseline", "reports/1.2/results.json", "--gate", "regressions"]
    assert cli.main(["report", "run", *gate]) == 0


@pytest.mark.parametrize(
    "words",
    [[], ["--release", "1", "--out", "x"], ["--release", "1", "--format", "html"]],
)
def test_publishing_needs_a_release_and_nothing_else(
    words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resultsfile.write(on_all(P, P, P), folder / "run/results.json")
    assert cli.main(["report", "run", "--publish", "reports/1.2", *words]) == 2
    assert "--publish goes with --release NAME" in capsys.readouterr().err


@pytest.mark.parametrize("path", OURS, ids=lambda it: it.parent.name)
def test_our_own_published_results_are_whole_and_compatible(path: Path) -> None:
    results = resultsfile.read(path)
    assert results.complete
    assert Criteria().report(results).status is ExitStatus.COMPATIBLE
    assert published(results) == results
