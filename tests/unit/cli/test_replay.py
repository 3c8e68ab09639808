"""`replay`: what is selected, and what is said before anything boots."""

from pathlib import Path

import pytest

from runner import cli
from tests.unit.replay.artifacts import files, folder_of, index, zip_of


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    return tmp_path


def test_only_what_failed_is_listed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zip_of(folder / "a.zip")
    assert cli.main(["replay", "../a.zip", "--list"]) == 0
    assert capsys.readouterr().out == "6.1 task::state: failed [poison_reachable]\n"


def test_all_lists_what_passed_too(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder_of(folder / "reports")
    assert cli.main(["replay", "../reports", "--all", "--list"]) == 0
    assert "5.10 task::state: passed" in capsys.readouterr().out


def test_kernels_that_are_compared_with_each_other_all_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = index()
    made["suites"][0]["together"] = ["state"]
    zip_of(folder / "a.zip", files(made))
    assert cli.main(["replay", "../a.zip", "--list"]) == 0
    assert capsys.readouterr().out == (
        "5.10 task::state: passed\n6.1 task::state: failed [poison_reachable]\n"
    )


def test_a_word_that_no_case_has_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zip_of(folder / "a.zip")
    assert cli.main(["replay", "../a.zip", "-k", "nope"]) == 2
    assert "no case matches -k" in capsys.readouterr().err


def test_what_can_not_be_replayed_is_named_with_its_reason(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = index()
    made["suites"][0]["missing"] = {"state": "its `root` is too large to be kept"}
    zip_of(folder / "a.zip", files(made))
    assert cli.main(["replay", "../a.zip"]) == 2
    said = capsys.readouterr().err
    assert "not replayed: task::state: its `root` is too large to be kept" in said
    assert "nothing of what failed there can be replayed" in said


def test_a_test_in_python_never_runs_here(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zip_of(folder / "a.zip", files(index(suites=[])))
    assert cli.main(["replay", "../a.zip"]) == 2
    assert (
        "not replayed: task::state: it is a test in Python" in capsys.readouterr().err
    )


def test_what_is_no_artifact_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["replay", "nothing.zip"]) == 2
    assert "nothing.zip" in capsys.readouterr().err
