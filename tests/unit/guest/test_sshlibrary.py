"""paramiko as it is used here: its waits do not depend on the time of day."""

import threading
import time
from pathlib import Path

import pytest

from runner.guest.sshlibrary import WAITING, paramiko

# They write when files were changed, or run a command that is the connection; neither
# is used here.
NOT_WAITING = {"proxy", "sftp_attr", "sftp_client", "sftp_file"}


def test_a_clock_that_is_set_forward_ends_no_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipe = paramiko.buffered_pipe.BufferedPipe()
    right = time.time
    # Each time that it is asked, an hour is over.
    hours = iter(range(1000))
    monkeypatch.setattr(time, "time", lambda: right() + 3600 * next(hours))
    sender = threading.Timer(0.1, pipe.feed, [b"late"])
    sender.start()

    assert pipe.read(4, timeout=20) == b"late"  # type: ignore[comparison-overlap]

    sender.join()


def test_all_of_its_modules_that_wait_are_known() -> None:
    (folder,) = paramiko.__path__
    found = {
        path.stem
        for path in Path(folder).glob("*.py")
        if "time.time()" in path.read_text()
    }

    assert found - NOT_WAITING == set(WAITING)
