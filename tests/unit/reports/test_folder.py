import subprocess
from pathlib import Path

import pytest

from runner.errors import InfrastructureError
from runner.reports import folder


def test_git_does_not_see_the_reports_of_a_run(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    reports = tmp_path / "reports/latest"

    folder.make(reports)

    (reports / "runner.log").write_text("a log")
    status = subprocess.run(
        ["git", "-C", tmp_path, "status", "--porcelain"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert status.stdout == ""


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    folder.make(tmp_path)

    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InfrastructureError, match="reports can't be written"):
        folder.make(tmp_path / "file/reports")
