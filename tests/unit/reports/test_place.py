"""A reports folder that can't be written is a mistake, told before anything boots."""

import os
from pathlib import Path

import pytest

from runner.errors import ExitStatus, UsageError
from runner.reports.place import require_writable


@pytest.mark.parametrize("path", ["file", "file/latest", "file/some/latest"])
def test_a_file_in_the_way_is_a_mistake(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageError) as raised:
        require_writable(tmp_path / path)

    assert raised.value.exit_status is ExitStatus.USAGE
    assert "Not a directory" in raised.value.message


def test_a_place_that_takes_no_folders_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="/proc/x: can't write there"):
        require_writable(Path("/proc/x"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_a_mistake(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(UsageError, match="Permission denied"):
        require_writable(tmp_path / "latest")


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    require_writable(tmp_path / "some/latest")

    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest/results.json").touch()

    require_writable(tmp_path / "latest")

    assert (tmp_path / "latest/results.json").exists()
