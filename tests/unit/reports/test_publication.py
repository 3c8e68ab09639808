"""What a repository keeps of a release."""

import json
import re
from pathlib import Path

import pytest

from runner import cli
from runner.errors import ExitStatus
from runner.reports import resultsfile
from runner.reports.criteria import Criteria
from runner.reports.publication import published
from runner.reports.release import Release, facts
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


def test_a_release_is_published_and_serves_as_a_baseline(folder: Path) -> None:
    resultsfile.write(on_all(P, P, P), folder / "run/results.json")

    words = ["--release", "1.2", "--publish", "reports/1.2"]
    assert cli.main(["report", "run", *words]) == 0

    published = {it.name for it in (folder / "reports/1.2").iterdir()}
    assert published == {
        *("release.md", "release.html", "release.json"),
        *("matrix.svg", "results.json"),
    }
    text = (folder / "reports/1.2/release.md").read_text()
    assert text.startswith("# Kernel compatibility of `1.2`")
    gate = ["--baseline", "reports/1.2/results.json", "--gate", "regressions"]
    assert cli.main(["report", "run", *gate]) == 0


def test_nothing_that_is_published_has_a_path_of_the_machine(folder: Path) -> None:
    place = "/home/me/src/probe"
    failing = on_all(P, P, F)
    cases = tuple(
        it.model_copy(
            update={
                "message": f"refused at {place}/suites/task/task.bpf.c:41: no field",
                "log": f"; {place}/suites/task/task.bpf.c:41\n~/x/a.h /sys/fs/bpf",
                "cure": f"see {place}/suites/task/README.md",
                "console": f"{place}/init",
            }
        )
        for it in failing.cases
    )
    run = failing.model_copy(update={"cases": cases})
    resultsfile.write(run, folder / "run/results.json")

    words = ["--release", "1.2", "--publish", "out"]
    assert cli.main(["report", "run", *words]) == 0

    texts = {it.name: it.read_text() for it in (folder / "out").iterdir()}
    assert not [name for name, text in texts.items() if "/home" in text or "~/" in text]
    assert "refused at suites/task/task.bpf.c:41" in texts["release.md"]
    assert "/sys/fs/bpf" in texts["results.json"]
    assert [it.key for it in resultsfile.read(folder / "out/results.json").cases] == [
        it.key for it in cases
    ]


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
def test_our_own_release_reports_are_made_of_our_published_results(path: Path) -> None:
    for name in ("release.md", "release.html", "release.json"):
        text = (path.parent / name).read_text()
        assert not re.search(r"/(home|root|work|tmp|builds)/", text), name
    told = json.loads((path.parent / "release.json").read_text())
    again = facts(resultsfile.read(path), path.parent.name)
    assert again.model_copy(update={"since": None}) == Release.model_validate(
        {**told, "since": None}
    )


@pytest.mark.parametrize("path", OURS, ids=lambda it: it.parent.name)
def test_our_own_published_results_are_whole_and_compatible(path: Path) -> None:
    results = resultsfile.read(path)
    assert results.complete
    assert Criteria().report(results).status is ExitStatus.COMPATIBLE
    assert published(results) == results
