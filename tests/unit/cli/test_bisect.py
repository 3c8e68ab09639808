"""`bisect` over a suite of small kernels, whose runs are made up."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runner import cli
from runner.bisect import boots
from runner.bisect.search import BootState
from runner.reports import resultsfile
from runner.results import CaseKey, Outcome
from tests.unit.kernels import conftest as kernels
from tests.unit.kernels.conftest import Suite
from tests.unit.kernels.packaging import make_package
from tests.unit.kernels.test_fetch_debian import kernel_files
from tests.unit.reports.runs import E, F, P, S, case, kernel, run

signer, suite = kernels.signer, kernels.suite
CLOUD = "cloud-amd64"
NUMBERS = range(10, 17)
SUITE = """\
name: task
description: A program that checks a task.
cases:
  - name: state
    command: [sh, -c, "exit 0"]
"""


@dataclass
class FakeRuns:
    """Runs of the main job: outcomes by the kernel's number."""

    first_bad: int
    odd: dict[int, list[Outcome]] = field(default_factory=dict)
    # The run that is interrupted, by its number.
    interrupted: int = -1
    words: list[Sequence[str]] = field(default_factory=list)

    @property
    def kernels(self) -> list[int]:
        """The numbers of the kernels, as they were run."""
        return [
            int(words[words.index("--kernels") + 1].split(".")[-1].partition("-")[0])
            for words in self.words
        ]

    def __call__(self, words: Sequence[str]) -> tuple[int, str]:
        if len(self.words) == self.interrupted:
            raise KeyboardInterrupt
        self.words.append(words)
        id_ = words[words.index("--kernels") + 1]
        number = self.kernels[-1]
        usual = F if number >= self.first_bad else P
        outcome = self.odd[number].pop(0) if self.odd.get(number) else usual
        folder = Path(words[words.index("--reports") + 1])
        folder.mkdir(parents=True)
        resultsfile.write(run(case(id_, outcome)), folder / "results.json")
        return 0, "printed"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("packages")
    found = []
    for number in NUMBERS:
        release = f"6.1.0-{number}-{CLOUD}"
        # The parts of 6.1.13 are missing.
        needs = f"linux-modules-{release}" if number == 13 else ""
        package = make_package(
            folder,
            f"linux-image-{release}",
            kernel_files(release),
            version=f"6.1.{number}-1",
            depends=needs,
        )
        found.append(package)
    return found


@pytest.fixture
def project(
    suite: Suite,
    made: list[Path],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A project with one case, and a row with seven versions."""
    suite.publish(*made)
    folder = suite.folder / "project"
    (folder / "task").mkdir(parents=True)
    (folder / "task/suite.yaml").write_text(SUITE)
    (folder / "matrix.yaml").write_text(
        "kernels:\n  - id: deb\n    btf: kernel\n    source:\n      type: debian\n"
        f"      suite: bookworm\n      package: linux-image-6.1.0-*-{CLOUD}\n"
        "  - id: mine\n    source: {type: path, image: none}\n"
    )
    monkeypatch.chdir(folder)
    # The same kernels in all tests: each is unpacked once.
    cache = tmp_path_factory.getbasetemp() / "kernels-of-bisect"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return folder


def bisected(
    monkeypatch: pytest.MonkeyPatch,
    runs: FakeRuns,
    *words: str,
    good: str = "deb@6.1.10-1",
    bad: str = "deb",
) -> int:
    monkeypatch.setattr(boots, "_finished", runs)
    ends = ("--good", good, "--bad", bad)
    return cli.main(["bisect", "task::state", *ends, *words])


def answer(project: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        (project / "reports/bisect/bisect.json").read_text()
    )
    return found


def test_first_bad_package_is_named_with_its_release_and_how_to_see_it_again(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = FakeRuns(first_bad=15)

    assert bisected(monkeypatch, runs) == 0

    said = capsys.readouterr().out
    assert "7 versions from deb@6.1.10-1 (good) to deb@6.1.16-1 (bad)" in said
    assert "the first bad version is deb@6.1.15-1: linux-image-6.1.0-15" in said
    assert f"uname -r 6.1.0-15-{CLOUD}" in said
    assert "the last good version is deb@6.1.14-1" in said
    assert "poison_reachable: there is no such field" in said
    assert "--kernels deb@6.1.14-1,deb@6.1.15-1 -k task::state" in said
    # Both ends, what halves the rest, and each side once more.
    assert runs.kernels[:2] == [10, 16]
    assert sorted(runs.kernels[-2:]) == [14, 15]
    assert len(runs.kernels) <= 2 + 3 + 2
    assert "-k" in runs.words[0]


def test_version_that_cannot_be_fetched_leaves_a_range(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = FakeRuns(first_bad=14)

    assert bisected(monkeypatch, runs) == 1

    found = answer(project)
    assert found["suspects"] == ["deb@6.1.13-1", "deb@6.1.14-1"]
    assert found["skipped"] == ["deb@6.1.13-1"]
    assert found["certain"] is False
    assert 13 not in runs.kernels
    said = capsys.readouterr().out
    assert "it may be any of these, because the others say nothing" in said
    assert f"no package linux-modules-6.1.0-13-{CLOUD}" in said


def test_kernel_that_does_not_come_up_and_a_gap_are_skipped(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = FakeRuns(first_bad=15, odd={14: [E], 15: [S]})

    assert bisected(monkeypatch, runs) == 1

    assert answer(project)["suspects"] == [
        *("deb@6.1.13-1", "deb@6.1.14-1", "deb@6.1.15-1", "deb@6.1.16-1"),
    ]


def test_boots_that_disagree_are_told_and_make_the_answer_doubtful(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = FakeRuns(first_bad=15, odd={15: [F, P]})

    assert bisected(monkeypatch, runs) == 1

    assert answer(project)["flaky"] == ["deb@6.1.15-1"]
    assert "warning: deb@6.1.15-1: bad once, and good once" in capsys.readouterr().out


def test_interrupted_search_goes_on_where_it_was(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = FakeRuns(first_bad=12, interrupted=3)
    assert bisected(monkeypatch, before) == 130
    assert "--resume goes on after the " in capsys.readouterr().err

    after = FakeRuns(first_bad=12)
    assert bisected(monkeypatch, after, "--resume") == 0

    found = answer(project)
    assert found["suspects"] == ["deb@6.1.12-1"]
    boots_ = found["boots"]
    assert isinstance(boots_, list)
    real = [it["kernel"] for it in boots_ if it["reports"]]
    # All runs of both, and none of them again but each side of the answer.
    assert len(real) == len(before.words) + len(after.words)
    assert not {10, 16} & {*after.kernels}


def test_newer_good_end_finds_the_version_that_fixed_it(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    odd = {number: [F] * 3 for number in range(10, 12)}
    runs = FakeRuns(first_bad=99, odd=odd)

    assert bisected(monkeypatch, runs, good="deb", bad="deb@6.1.10-1") == 0

    assert answer(project)["found"] == "fix"
    said = capsys.readouterr()
    assert "the first good version is deb@6.1.12-1" in said.out
    assert "--good deb@6.1.16-1 is newer than --bad deb@6.1.10-1" in said.err
    assert "swap them" in said.err


def test_search_that_was_interrupted_before_its_first_boot_begins_again(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = FakeRuns(first_bad=12, interrupted=0)
    assert bisected(monkeypatch, before) == 130
    assert "with or without --resume it begins again" in capsys.readouterr().err

    assert bisected(monkeypatch, FakeRuns(first_bad=12), "--resume") == 0
    assert answer(project)["suspects"] == ["deb@6.1.12-1"]


def test_json_stands_alone_on_standard_output(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bisected(monkeypatch, FakeRuns(first_bad=12), "--json") == 0
    assert json.loads(capsys.readouterr().out) == answer(project)


def test_only_named_versions_are_searched(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = FakeRuns(first_bad=12)
    words = ("--versions", "deb@6.1.11-1,deb@6.1.14-1")
    assert bisected(monkeypatch, runs, *words) == 0
    assert answer(project)["suspects"] == ["deb@6.1.14-1"]
    assert {*runs.kernels} <= {10, 11, 14, 16}


@pytest.mark.parametrize(
    ("first_bad", "said"),
    [
        (5, "--good deb@6.1.10-1: the case fails there: poison_reachable"),
        (99, "--bad deb@6.1.16-1: the case passes there"),
    ],
)
def test_end_that_is_not_what_was_said_is_a_mistake(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    first_bad: int,
    said: str,
) -> None:
    assert bisected(monkeypatch, FakeRuns(first_bad=first_bad)) == 2
    assert said in capsys.readouterr().err


def test_end_that_says_nothing_is_infrastructure(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = FakeRuns(first_bad=15, odd={16: [E]})
    assert bisected(monkeypatch, runs) == 3
    assert "--bad deb@6.1.16-1 says nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["task::stat"], "there are task::state"),
        (["nothing"], "is not SUITE::CASE"),
        (["stat"], "write it as reports print it, such as task::state"),
        (["task::state", "--good", "dab"], "did you mean 'deb'"),
        (["task::state", "--good", "deb@6.1.9-1"], "offers no version 6.1.9-1"),
        (["task::state", "--good", "deb"], "are the same version"),
        (["task::state", "--tries", "0"], "must be a positive number"),
        (["task::state", "--resume"], "--resume: there is no"),
        (["task::state", "--over", "deb", "--versions", "deb"], "don't work together"),
        (["task::state", "--bad", "mine"], "does not exist"),
    ],
)
def test_mistake_on_the_command_line_is_told_before_anything_is_booted(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    runs = FakeRuns(first_bad=15)
    monkeypatch.setattr(boots, "_finished", runs)
    ends = ["--good", "deb@6.1.10-1", "--bad", "deb"]
    assert cli.main(["bisect", words[0], *ends, *words[1:]]) == 2
    assert said in capsys.readouterr().err
    assert not runs.words


def test_run_that_refuses_its_command_line_ends_the_search(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(boots, "_finished", lambda _: (2, "error: no such thing"))
    ends = ["--good", "deb@6.1.10-1", "--bad", "deb"]
    assert cli.main(["bisect", "task::state", *ends]) == 2
    assert "error: no such thing" in capsys.readouterr().err


def test_kernel_without_the_case_says_why_it_says_nothing() -> None:
    results = run(kernels=(kernel("6.1", error="no answer on SSH"),))
    found = boots.of_results(results, CaseKey("6.1", "task", "state"))
    assert found.state is BootState.SKIP
    assert found.message == "no answer on SSH"
