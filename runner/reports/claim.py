"""One run at a time writes into a folder of reports."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runner.errors import UsageError
from runner.reports.atomic import explained
from runner.reports.folder import make

# Holds the pid of who writes. The kernel frees it when that process ends, however.
LOCK = ".lock"


@contextmanager
def claimed(folder: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Keep other runs out of a folder of reports, which is made if need be.

    `note` is told of an earlier run that ended without finishing.
    Raises UsageError while another run writes there, and InfrastructureError when the
    folder can't be written.
    """
    make(folder)
    with explained(folder):
        file = _locked(folder)
    try:
        left = os.pread(file, 32, 0).decode(errors="replace").strip()
        if left:
            note(
                f"{folder}: an earlier run (pid {left}) ended without finishing; "
                "its reports are replaced"
            )
        with explained(folder):
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        # While it is locked: nobody else can have taken it. The folder may be gone.
        with suppress(OSError):
            (folder / LOCK).unlink()
        os.close(file)


def _locked(folder: Path) -> int:
    """Return the lock file's descriptor, once it is locked."""
    path = folder / LOCK
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who held it may have removed it since it was opened.
            if path.exists() and os.path.samestat(os.stat(path), os.fstat(file)):
                return file
            os.close(file)
        except BlockingIOError:
            holder = os.pread(file, 32, 0).decode(errors="replace").strip()
            os.close(file)
            raise UsageError(
                f"{folder} is in use by the run with pid {holder}",
                hint="wait until it ends, use another folder with --reports, or give "
                "each run a folder of its own with --reports-unique",
            ) from None
        except BaseException:
            os.close(file)
            raise
