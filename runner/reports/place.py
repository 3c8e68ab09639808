"""Where reports go: whether a folder can be written, before anything boots."""

import contextlib
import tempfile
from pathlib import Path

from runner.errors import UsageError


def require_writable(folder: Path) -> None:
    """Check that reports can be written to a folder, and leave nothing behind.

    Folders that are missing are made for it and removed again. Raises UsageError.
    """
    made: list[Path] = []
    try:
        for path in reversed([folder, *folder.parents]):
            if not path.exists():
                path.mkdir()
                made.append(path)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"--reports {folder}: can't write there: {error.strerror or error}",
            hint="use another folder, or change its permissions",
        ) from error
    finally:
        # Another run may have put something there meanwhile.
        with contextlib.suppress(OSError):
            for path in reversed(made):
                path.rmdir()
