"""`merge` on folders, as machines leave them."""

from pathlib import Path

import pytest
from lxml import etree

from runner import cli
from runner.cli import merge as merge_
from runner.errors import ExitStatus
from runner.reports import merging, resultsfile
from runner.reports.criteria import Report
from runner.reports.merging import FoundRun
from runner.results import CaseResult, KernelRun, Outcome, RunResults, Shard
from tests.scaling import grows

PLANNED = ("5.10", "6.1")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reports of two machines below shards/."""
    monkeypatch.chdir(tmp_path)
    for index, id_ in enumerate(PLANNED, 1):
        write(tmp_path / f"shards/{index}", index, 2, PLANNED, [id_])
        own = tmp_path / f"shards/{index}/{id_}"
        own.mkdir()
        (own / "junit.xml").write_text(f"<testsuites name='{id_}'/>")
        (own / "console.log").write_text(f"Linux version {id_}\n")
    return tmp_path


def write(
    folder: Path,
    index: int,
    count: int,
    planned: tuple[str, ...],
    own: list[str],
    cases: int = 1,
) -> None:
    results = RunResults(
        runner="0.1.0",
        started="2026-01-02T03:04:05+00:00",
        duration=1.0,
        kernels=tuple(KernelRun(id=id_, release=id_) for id_ in own),
        cases=tuple(
            CaseResult(
                kernel=id_,
                suite=f"s{number % 5}",
                case=f"c{number}",
                outcome=Outcome.PASSED if number else Outcome.FAILED,
                log="libbpf: loaded\n" * 20,
            )
            for id_ in own
            for number in range(cases)
        ),
        shard=Shard(index=index, count=count, planned=planned, own=tuple(own)),
    )
    resultsfile.write(results, folder / "results.json")


def merge(*words: str) -> int:
    return cli.main(["merge", *words])


@pytest.mark.parametrize("words", [["shards"], ["shards/2", "shards/1"]])
def test_a_folder_of_folders_or_each_of_them(
    words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # What it found is not what its exit status is about.
    assert merge(*words, "--out", "all") == 0

    assert "incompatible: 2 failed; 2 kernels" in capsys.readouterr().out
    merged = resultsfile.read(folder / "all/results.json")
    assert [kernel.id for kernel in merged.kernels] == [*PLANNED]
    assert merged.shard is None
    for id_ in PLANNED:
        own = folder / "all" / id_
        assert (own / "console.log").read_text() == f"Linux version {id_}\n"
        assert etree.parse(own / "junit.xml").getroot().get("name") == id_


def test_a_missing_machine_has_its_junit_all_the_same(folder: Path) -> None:
    assert merge("shards/1", "--out", "all") == 2
    assert not (folder / "all").exists()
    assert merge("shards/1", "--out", "all", "--allow-missing") == 0

    tree = etree.parse(folder / "all/6.1/junit.xml")
    # It did not come up, and its case did not run.
    assert tree.getroot().get("errors") == "2"


def test_an_earlier_merge_is_replaced(folder: Path) -> None:
    (folder / "all/4.4").mkdir(parents=True)
    (folder / "all/4.4/junit.xml").write_text("<testsuites/>")
    (folder / "all/mine.txt").write_text("mine")

    assert merge("shards", "--out", "all") == 0
    left = {path.name for path in (folder / "all").iterdir()}
    assert {*PLANNED, "mine.txt", "results.json", "summary.md"} <= left
    assert "4.4" not in left


@pytest.mark.parametrize("out", ["shards", "shards/1", "shards/../shards"])
def test_what_is_merged_is_not_overwritten(
    out: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert merge("shards", "--out", out) == 2
    assert "would be overwritten" in capsys.readouterr().err
    assert (folder / "shards/1/5.10/junit.xml").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["none"], "none: there is no results.json in it"),
        (["shards", "shards/1"], "shard 1/2 is given twice"),
        (["broken"], "is not JSON"),
        (["shards/1"], "shard 2 of 2 is missing"),
    ],
)
def test_a_mistake_is_status_2(
    words: list[str], told: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken").mkdir()
    (folder / "broken/results.json").write_text("{")

    assert merge(*words, "--out", "all") == 2
    assert told in capsys.readouterr().err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        merge("--help")

    assert "python -m runner merge shards/1 shards/2" in capsys.readouterr().out


def test_merging_takes_as_many_times_longer_as_there_are_kernels(folder: Path) -> None:
    for count in (50, 500):
        planned = tuple(f"6.{number}" for number in range(count))
        for index in range(1, 11):
            own = [*planned[index - 1 :: 10]]
            write(folder / f"{count}/{index}", index, 10, planned, own, cases=50)

    def merged(count: int) -> None:
        parts = [
            FoundRun(folder=path, results=resultsfile.read(path / "results.json"))
            for path in sorted((folder / f"{count}").iterdir())
        ]
        report = Report(results=merging.merge(parts))
        merge_.write(report, parts, folder / f"all-{count}")

    # Ten, and a hundred if each kernel looked at each other one.
    assert grows(merged, small=50, times=10) < 25
    assert len(resultsfile.read(folder / "all-500/results.json").cases) == 25_000


def test_a_gate_judges_what_was_merged() -> None:
    assert merge("shards", "--out", "a") == ExitStatus.COMPATIBLE
    assert merge("shards", "--out", "b", "--gate", "all") == ExitStatus.INCOMPATIBLE


def test_a_gate_for_regressions_needs_its_baseline() -> None:
    words = ("shards", "--out", "c", "--gate", "regressions")
    assert merge(*words) == ExitStatus.USAGE
    baseline = ("--baseline", "shards/1/results.json")
    # Of the other shard's kernel, the failure is new.
    assert merge(*words, *baseline) == (ExitStatus.INCOMPATIBLE)
