"""Python's search for garbage that refers to itself."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
# How many do without it.
_without = 0


@contextmanager
def uncollected() -> Iterator[None]:
    """Search no garbage meanwhile, in any thread.

    For work of seconds that makes a million objects and keeps them: Python would look
    through all of them again and again, and find nothing.
    """
    global _without
    with _lock:
        if not _without and not gc.isenabled():
            # Somebody else decided that for the whole process.
            _without = 1
        _without += 1
        gc.disable()
    try:
        yield
    finally:
        with _lock:
            _without -= 1
            if not _without:
                gc.enable()
