"""Two runs never write into one folder of reports."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.errors import InfrastructureError, UsageError
from runner.reports.claim import LOCK, claimed

HOLD = """\
import sys, time
from pathlib import Path
from runner.reports.claim import claimed
with claimed(Path(sys.argv[1]), print):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_refused_and_told_who_writes(tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(UsageError, match=f"in use by the run with pid {other.pid}"),
            claimed(tmp_path, print),
        ):
            pass
        other.kill()
    notes: list[str] = []
    with claimed(tmp_path, notes.append):
        pass
    assert f"pid {other.pid}" in notes[0]


def test_a_finished_run_leaves_no_lock(tmp_path: Path) -> None:
    with claimed(tmp_path / "r", pytest.fail):
        assert (tmp_path / "r" / LOCK).read_text() == f"{os.getpid()}\n"
    assert {it.name for it in (tmp_path / "r").iterdir()} == {".gitignore"}


def test_a_folder_that_is_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "r").touch()
    with pytest.raises(InfrastructureError, match="can't be written"):
        claimed(tmp_path / "r", print).__enter__()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / LOCK).symlink_to(tmp_path / "mine")
    with pytest.raises(InfrastructureError):
        claimed(tmp_path, print).__enter__()
    assert (tmp_path / "mine").read_text() == "mine"
