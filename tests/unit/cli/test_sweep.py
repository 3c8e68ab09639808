"""`sweep` over a suite of small kernels, whose run is made up."""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runner import cli
from runner.cli import run as run_
from runner.reports import resultsfile
from tests.unit.cli import test_bisect
from tests.unit.reports.runs import F, P, case, run

signer, suite = test_bisect.signer, test_bisect.suite
made, project = test_bisect.made, test_bisect.project


@dataclass
class FakeMainJob:
    """A run of the main job, in which the case fails on some kernels."""

    bad: tuple[str, ...] = ()
    kernels: list[str] = field(default_factory=list)

    def __call__(
        self,
        arguments: argparse.Namespace,
        make: Callable[[argparse.Namespace], list[Path]],
    ) -> int:
        self.kernels = arguments.kernels[0].split(",")
        cases = [case(it, F if it in self.bad else P) for it in self.kernels]
        resultsfile.write(run(*cases), arguments.reports / "results.json")
        return 1 if self.bad else 0


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> FakeMainJob:
    fake = FakeMainJob()
    monkeypatch.setattr(run_, "carry_out", fake)
    return fake


def swept(project: Path, *words: str) -> dict[str, dict[str, object]]:
    cli.main(["sweep", "deb", *words])
    found = json.loads((project / "reports/sweep/sweep.json").read_text())
    return {it["version"]: it for it in found["versions"]}


def test_only_the_ends_of_versions_that_are_alike_are_booted(
    project: Path, job: FakeMainJob, capsys: pytest.CaptureFixture[str]
) -> None:
    found = swept(project, "--since", "6.1.10")
    assert job.kernels == ["deb@6.1.10-1", "deb@6.1.16-1"]
    assert [it["verdict"] for it in found.values()] == [
        *(["works"] * 3),
        "unknown",
        *(["works"] * 3),
    ]
    assert found["6.1.12-1"]["by"] == "deb@6.1.10-1"
    assert "linux-modules-6.1.0-13" in str(found["6.1.13-1"]["unavailable"])
    said = capsys.readouterr().out
    assert "Debian: 6.1.10-1 – 6.1.12-1 work, 6.1.13-1 is not known" in said  # noqa: RUF001
    assert "7 versions, 2 booted" in said


def test_ends_that_disagree_leave_what_is_between_to_bisect(
    project: Path, job: FakeMainJob, capsys: pytest.CaptureFixture[str]
) -> None:
    job.bad = ("deb@6.1.16-1",)
    found = swept(project, "--since", "6.1.14")
    assert [it["verdict"] for it in found.values()] == ["works", "unknown", "fails"]
    assert "use bisect" in " ".join(capsys.readouterr().out.split())
    assert found["6.1.16-1"]["failures"]


@pytest.mark.parametrize(
    ("words", "versions"),
    [
        (["--since", "6.1.11-1", "--until", "6.1.12-1"], ["11", "12"]),
        (["--since", "6.1.15"], ["15", "16"]),
        (["--since", "6.1", "--until", "6.1.11"], ["10", "11"]),
        (["--since", "5.10", "--until", "6.1.10"], ["10"]),
    ],
)
def test_versions_are_named_as_packages_or_by_upstreams_numbers(
    project: Path, job: FakeMainJob, words: list[str], versions: list[str]
) -> None:
    found = swept(project, *words)
    assert list(found) == [f"6.1.{it}-1" for it in versions]


def test_all_versions_are_booted_if_asked(project: Path, job: FakeMainJob) -> None:
    swept(project, "--since", "6.1.14", "--boot", "all")
    assert job.kernels == ["deb@6.1.14-1", "deb@6.1.15-1", "deb@6.1.16-1"]


def test_json_stands_alone_and_markdown_is_next_to_it(
    project: Path, job: FakeMainJob, capsys: pytest.CaptureFixture[str]
) -> None:
    found = swept(project, "--since", "6.1.14", "--json")
    printed = json.loads(capsys.readouterr().out)
    assert {it["version"]: it for it in printed["versions"]} == found
    text = (project / "reports/sweep/sweep.md").read_text()
    assert "| `6.1.14-1` |" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["deb@6.1.10-1", "--since", "6.1"], "sweep takes a row, not one version"),
        (["mine", "--since", "6.1"], "its source can't list versions: path"),
        (["dab", "--since", "6.1"], "did you mean 'deb'"),
        (["deb", "--since", "6.2"], "version from 6.2 to 6.1.16-1, which a run of"),
        (
            ["deb", "--since", "6.1.14", "--until", "6.1.11-1"],
            "--since 6.1.14 is newer than --until 6.1.11-1",
        ),
        (["deb", "--since", "six"], "--since six: is not a version"),
        (["deb", "--since", "6.1", "-k", "nothing"], "no case matches -k 'nothing'"),
        (["deb", "--since", "6.1", "-k", "and and"], "-k 'and and'"),
    ],
)
def test_mistake_is_told_before_anything_is_booted(
    project: Path,
    job: FakeMainJob,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    assert cli.main(["sweep", *words]) == 2
    assert said in capsys.readouterr().err
    assert not job.kernels
