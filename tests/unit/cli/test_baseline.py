"""`baseline`: which run of which branch counts, asked over HTTP."""

from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest

from runner import cli
from runner.cli import baseline
from runner.reports import resultsfile
from tests import github
from tests.github import FakeGitHub, artifact
from tests.unit.reports.runs import P, on_all

RESULTS = on_all(P, P, P)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_REPOSITORY", "GITHUB_OUTPUT", "CI_API_V4_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(baseline, "_TRIES", (0.01, 0.01, 0))
    resultsfile.write(RESULTS, tmp_path / "good/results.json")
    return tmp_path


def serve(folder: Path, **values: Any) -> Any:
    good = github.zipped(folder / "good")
    given = {
        "artifacts": [artifact(1, 7)],
        "runs": {7: ("success", "push")},
        "zips": dict.fromkeys(range(10), good),
        "statuses": [],
        "asked": [],
        **values,
    }
    return github.server(type("Repository", (FakeGitHub,), given))


def ask(address: str, monkeypatch: pytest.MonkeyPatch, token: str = "t") -> int:
    monkeypatch.setenv("GITHUB_REPOSITORY", "me/it")
    monkeypatch.setenv("GITHUB_API_URL", address)
    monkeypatch.setenv("GH_TOKEN", token)
    return cli.main(["baseline", "--branch", "trunk", "--out", "b/results.json"])


def test_the_newest_good_run_of_the_branch_counts(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = [
        {**artifact(5, 5), "expired": True},
        artifact(4, 14, head_branch="topic"),
        artifact(3, 13, head_repository_id=2),
        artifact(2, 12),
        artifact(6, 16),
        artifact(1, 11),
    ]
    runs = {
        12: ("failure", "push"),
        16: ("success", "pull_request"),
        11: ("success", "schedule"),
    }
    with serve(folder, artifacts=found, runs=runs) as address:
        assert ask(address, monkeypatch) == 0
    assert "artifact kernel-matrix of run 11 of trunk" in capsys.readouterr().out
    assert resultsfile.read(folder / "b/results.json") == RESULTS


def test_a_branch_without_a_good_run_has_none(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serve(folder, runs={7: ("failure", "push")}) as address:
        assert ask(address, monkeypatch) == 0
    assert "all failures are new" in capsys.readouterr().out
    assert not (folder / "b").exists()


def test_a_server_that_is_overloaded_is_asked_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(folder, statuses=[503, 429]) as address:
        assert ask(address, monkeypatch) == 0
    assert (folder / "b/results.json").exists()


@pytest.mark.parametrize(
    ("values", "token", "words"),
    [
        ({}, "wrong", "403"),
        ({"statuses": [500, 500, 500]}, "t", "500"),
        ({"zips": {1: b"not a zip"}}, "t", "no results.json in it"),
    ],
)
def test_what_the_api_refuses_is_told_without_the_token(
    values: dict[str, Any],
    token: str,
    words: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serve(folder, **values) as address:
        assert ask(address, monkeypatch, token) == 3
    said = capsys.readouterr().err
    assert words in said
    assert ("actions: read" in said) is (words != "no results.json in it")
    assert "Bearer" not in said


def test_nobody_who_answers_is_an_infrastructure_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask("http://127.0.0.1:9", monkeypatch) == 3
    assert "can't be asked" in capsys.readouterr().err


def test_outside_of_ci_it_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["baseline", "--out", "x"]) == 2
    assert "--baseline FILE" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "a/b", "a.b", "../x"])
def test_a_name_that_no_artifact_has_is_a_mistake(name: str) -> None:
    assert cli.main(["baseline", "--name", name, "--out", "x"]) == 2


class FakeGitLab(BaseHTTPRequestHandler):
    """Has the artifact of one job on one branch."""

    data: ClassVar[bytes] = b""
    path_of_file = (
        "/api/v4/projects/3/jobs/artifacts/release%2F1/raw/reports/all/results.json"
        "?job=kernel-matrix"
    )

    def do_GET(self) -> None:
        """Answer a request."""
        known = self.path == self.path_of_file and self.headers["JOB-TOKEN"] == "j"
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(self.data if known else b"")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize(("branch", "there"), [("release/1", True), ("main", False)])
def test_gitlab_is_asked_as_well(
    branch: str, there: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = (folder / "good/results.json").read_bytes()
    with github.server(type("Project", (FakeGitLab,), {"data": data})) as address:
        monkeypatch.setenv("CI_API_V4_URL", f"{address}/api/v4")
        monkeypatch.setenv("CI_PROJECT_ID", "3")
        monkeypatch.setenv("CI_JOB_TOKEN", "j")
        assert cli.main(["baseline", "--branch", branch, "--out", "b.json"]) == 0
    assert (folder / "b.json").exists() is there
