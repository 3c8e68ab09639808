"""Files that must be regular: a pipe never gives an end, nor does /dev/zero."""

import errno
import io
import os
import stat
from pathlib import Path


def opened(path: Path) -> io.BufferedReader:
    """Open a regular file for reading, or what a link to one names.

    Raises OSError, with EINVAL for what is none, and never waits.
    """
    # Whoever opens a pipe to read from it waits for somebody who writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, "this is not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read(path: Path) -> bytes:
    """Return what is in a regular file. Raises as `opened` does."""
    with opened(path) as stream:
        return stream.read()
