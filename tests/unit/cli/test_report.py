"""`report` on files, as runs leave them."""

import json
import os
from pathlib import Path

import pytest

from runner import cli
from runner.reports import resultsfile
from runner.results import Shard
from tests.unit.reports.runs import E, F, P, case, kernel, on_all, run

OLD = on_all(P, P, P)
NEW = on_all(P, P, F)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an earlier run and one that has a regression."""
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"):
        monkeypatch.delenv(name, raising=False)
    resultsfile.write(OLD, tmp_path / "old.json")
    resultsfile.write(NEW, tmp_path / "new/results.json")
    return tmp_path


def report(*words: str) -> int:
    return cli.main(["report", *words])


BASELINE = ("--baseline", "old.json")


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ([], 0),
        (["--gate", "all"], 1),
        ([*BASELINE], 0),
        ([*BASELINE, "--gate", "all"], 1),
        ([*BASELINE, "--gate", "regressions"], 1),
        (["--baseline", "new/results.json", "--gate", "regressions"], 0),
        (["--gate", "regressions"], 2),
        (["--baseline", "none.json"], 2),
        (["--format", "pdf"], 2),
    ],
)
def test_exit_status(words: list[str], status: int) -> None:
    assert report("new", *words) == status


@pytest.mark.parametrize("name", ["new", "new/results.json"])
def test_reports_are_written_beside_the_results(name: str, folder: Path) -> None:
    assert report(name, *BASELINE, "--release", "v1.2") == 0
    assert sorted(it.name for it in (folder / "new").iterdir()) == [
        *("5.10", "6.1", "6.12", "badge.svg", "matrix.svg"),
        *("release.html", "release.json", "release.md", "report.html"),
        *("results.json", "results.sarif", "summary.md"),
    ]
    assert resultsfile.read(folder / "new/results.json") == NEW.model_copy(
        update={"release": "v1.2"}
    )


def test_the_last_line_says_what_of_a_release_was_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report("new", "--release", "v1.2", "--out", "site")
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "release report: release.html, release.json, release.md in site"


def test_only_some_formats_elsewhere(folder: Path) -> None:
    assert report("new", "--format", "sarif,markdown", "--out", "site") == 0
    names = sorted(it.name for it in (folder / "site").iterdir())
    assert names == [".gitignore", "results.sarif", "summary.md"]


def test_the_regression_is_on_its_kernel_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report("new", *BASELINE)
    said = capsys.readouterr().out
    assert "✗ 6.12 (regression): task::state" in said
    assert "why: [poison_reachable] there is no such field" in said
    assert "do:  guard it" in said
    assert "Compared with the run of 2026-01-02T03:04:05+00:00: 1 regression" in said


def test_what_the_gate_lets_pass_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    known = ("--baseline", "new/results.json", "--gate", "regressions")
    assert report("new", *known) == 0
    said = capsys.readouterr().out
    assert "incompatible: 2 passed, 1 failed; passes the gate for regressions" in said


def test_quiet_leaves_failures_and_the_verdict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert report("new", "--quiet") == 0
    said = capsys.readouterr().out
    assert "6.12: task::state" in said
    assert "incompatible" in said
    assert "release" not in said


def test_json_is_alone_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert report("new", *BASELINE, "--gate", "regressions", "--json") == 1
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found["status"] == 1
    assert found["compatible_range"] == "5.10 – 6.1"  # noqa: RUF001
    assert found["comparison"]["regressions"] == [
        {"kernel": "6.12", "suite": "task", "case": "state"}
    ]
    assert "task::state" in said.err


def test_json_has_what_fails_the_gate(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = run(case("6.1", P), case("6.1", P, "gone"), case("6.12", P))
    resultsfile.write(before, folder / "before.json")
    after = run(case("6.1", P), case("6.1", F, "young"))
    resultsfile.write(after, folder / "after/results.json")
    words = ("after", "--baseline", "before.json", "--gate", "regressions", "--json")

    assert report(*words) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["allow_vanished"]) == (1, False)
    assert [it["case"] for it in found["comparison"]["vanished"]] == ["gone"]
    assert [it["case"] for it in found["comparison"]["new_failures"]] == ["young"]
    assert found["comparison"]["not_run"] == ["6.12"]

    assert report(*words, "--allow-vanished") == 1
    assert report(*words, "--allow-new-failures") == 1
    capsys.readouterr()
    assert report(*words, "--allow-vanished", "--allow-new-failures") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["allow_vanished"], found["allow_new_failures"]) == (True, True)


def test_a_baseline_that_was_stopped_is_a_mistake(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resultsfile.write(run(case("6.1", P), complete=False), folder / "part.json")
    assert report("new", "--baseline", "part.json") == 2
    assert "it has 1 case" in capsys.readouterr().err


@pytest.mark.parametrize("which", ["results", "baseline"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is not JSON"),
        (b"\x89PNG\r\n", "is not JSON"),
        (b'{"schema_version": 1, "runner": "0.1', "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "is not a run"),
        (b'{"version": "2.1.0", "runs": []}', "is not a run"),
        (b'{"schema_version": 2}', "has schema version 2"),
        (b'{"schema_version": "x"}', "has schema version 'x'"),
        (b'{"schema_version": 1}', "runner: Field required"),
        (b'{"schema_version": 1, "runner": "", "started": "", "duration": NaN}', "dur"),
        (b'{"schema_version":1,"runner":"","started":"","duration":1e999}', "duration"),
    ],
)
def test_what_holds_no_run_is_told(
    which: str,
    content: bytes,
    told: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "bad.json").write_bytes(content)
    words = ["bad.json"] if which == "results" else ["new", "--baseline", "bad.json"]
    assert report(*words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: bad.json")
    assert told in said
    # Nothing was written.
    assert [it.name for it in (folder / "new").iterdir()] == ["results.json"]


@pytest.mark.parametrize("path", ["/dev/null", "nowhere", "nowhere/results.json", "."])
def test_a_place_without_results_is_told(path: str) -> None:
    assert report(path) == 2
    assert report("new", "--baseline", path) == 2


def test_a_newer_runner_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "newer.json").write_text('{"schema_version": 7}')
    assert report("newer.json") == 2
    assert "update this one" in capsys.readouterr().err


def test_a_kernel_s_id_is_no_path(folder: Path) -> None:
    resultsfile.write(run(case("../../evil", F)), folder / "bad.json")
    assert report("bad.json", "--out", "site") == 2
    assert not (folder / "site").exists()


def test_parts_are_merged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index, id_ in enumerate(("5.10", "6.1"), 1):
        shard = Shard(index=index, count=2, planned=("5.10", "6.1"), own=(id_,))
        resultsfile.write(run(case(id_, P), shard=shard), folder / f"{index}.json")
    assert report("1.json", "2.json") == 2
    assert "give a folder with --out" in capsys.readouterr().err
    assert report("1.json", "--out", "a", "--gate", "all") == 0
    assert report("1.json", "2.json", "--out", "b", "--gate", "all") == 0
    merged = resultsfile.read(folder / "b/results.json")
    assert [it.id for it in merged.kernels] == ["5.10", "6.1"]


def test_kernels_that_are_not_required_never_fail(folder: Path) -> None:
    kernels = (kernel("6.1"), kernel("sid", required=False, error="no answer"))
    results = run(case("6.1", P), case("sid", E), kernels=kernels)
    resultsfile.write(results, folder / "optional.json")
    assert report("optional.json", "--gate", "all", "--out", "site") == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_can_t_be_written_is_infrastructure(folder: Path) -> None:
    (folder / "site").mkdir(mode=0o500)
    assert report("new", "--out", "site") == 3


def test_a_file_where_the_folder_should_be_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "site").write_text("")
    assert report("new", "--out", "site") == 3
    assert "can't be written" in capsys.readouterr().err


def test_a_workflow_is_told(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(folder / "output"))
    assert report("new", *BASELINE, "--gate", "regressions") == 1

    lines = capsys.readouterr().out.splitlines()
    # What objects say is between these two, where nothing is a command.
    token = lines[0].removeprefix("::stop-commands::")
    end = lines.index(f"::{token}::")
    assert [it.split(",")[0] for it in lines[end + 1 :]] == [
        "::error file=suites/task/task.bpf.c"
    ]
    assert "**regression** on `6.12`" in (folder / "summary").read_text()
    assert "regressions=1\n" in (folder / "output").read_text()


@pytest.mark.parametrize("used", [0, 1024 * 1024 - 5000, 1024 * 1024 - 10, 2**20])
def test_a_step_s_summary_stays_below_its_limit(
    used: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "summary"
    path.write_bytes(b"x" * used)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    cases = (case(f"6.{it}", F, f"c{it}", log="y\n" * 5000) for it in range(300))
    resultsfile.write(run(*cases), folder / "big/results.json")
    assert report("big") == 0
    assert path.stat().st_size <= 1024 * 1024


def test_help_has_formats_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        report("--help")
    said = capsys.readouterr().out
    assert "examples:" in said
    assert "results.sarif" in said
