"""What a workflow is told of a run."""

from pathlib import Path

import pytest

from runner import cli
from runner.cli import github_output
from runner.reports import markdown, resultsfile
from runner.results import CaseResult, KernelRun, Outcome, RunResults
from tests.workflow import outputs_of


def write(path: Path, outcome: Outcome) -> None:
    results = RunResults(
        runner="0.1.0",
        started="2026-01-02T03:04:05+00:00",
        duration=1.0,
        kernels=tuple(KernelRun(id=id_, release=f"{id_}.1") for id_ in ("5.10", "6.1")),
        cases=tuple(
            CaseResult(
                kernel=kernel,
                suite="task",
                case="state",
                outcome=Outcome.PASSED if kernel == "5.10" else outcome,
                message=""
                if outcome is Outcome.PASSED
                else "no such field\n::error::x",
                source_path="suites/task/task.bpf.c",
                source="task.bpf.c:12",
            )
            for kernel in ("5.10", "6.1")
        ),
    )
    resultsfile.write(results, path / "results.json")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A step's folder, with the files that a workflow names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(github_output.OUTPUT, str(tmp_path / "output"))
    monkeypatch.setenv(github_output.SUMMARY, str(tmp_path / "summary"))
    write(tmp_path / "old", Outcome.PASSED)
    write(tmp_path / "new", Outcome.FAILED)
    return tmp_path


def told(folder: Path) -> dict[str, str]:
    return outputs_of((folder / "output").read_text())


def test_outputs_count_and_state_the_range(folder: Path) -> None:
    assert cli.main(["github", "new"]) == 0

    assert told(folder) == {
        "complete": "true",
        "passed": "1",
        "failed": "1",
        "errors": "0",
        "regressions": "",
        "compatible-range": "5.10",
    }


def test_a_baseline_tells_regressions(folder: Path) -> None:
    assert cli.main(["github", "new", "--baseline", "old/results.json"]) == 0
    assert told(folder)["regressions"] == "1"


def test_what_works_on_all_kernels_is_a_range(folder: Path) -> None:
    assert cli.main(["github", "old"]) == 0
    assert told(folder)["compatible-range"] == "5.10 – 6.1"  # noqa: RUF001


def test_the_annotation_is_at_the_line_of_the_source(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["github", "new"]) == 0

    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("::error file=suites/task/task.bpf.c,line=12,")


def test_page_and_comment_show_the_summary(folder: Path) -> None:
    assert cli.main(["github", "new"]) == 0

    for name in ("summary", "new/comment.md"):
        assert "no such field" in (folder / name).read_text()
    assert (folder / "new/comment.md").read_text().startswith(markdown.MARKER)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("new", 0),
        ("new --gate all", 1),
        ("old --gate all", 0),
        ("new --gate regressions --baseline old/results.json", 1),
        ("new --gate regressions --baseline new/results.json", 0),
        ("new --gate all --baseline new/results.json", 1),
        # A first run: all its failures are new.
        ("new --gate regressions", 1),
        ("old --gate regressions", 0),
        ("new --gate regressions --allow-new-failures", 0),
        ("new --gate all --allow-new-failures", 1),
    ],
)
def test_the_gate_is_the_exit_status(words: str, status: int) -> None:
    assert cli.main(["github", *words.split()]) == status


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none"], "none/results.json can't be read"),
        (["new", "--baseline", "none.json"], "none.json can't be read"),
    ],
)
def test_a_mistake_is_status_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["github", *words]) == 2
    assert message in capsys.readouterr().err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["github", "--help"])

    assert "python -m runner github reports/latest" in capsys.readouterr().out
