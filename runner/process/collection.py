"""Python's search for garbage that refers to itself."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
# How many do without it, and whether somebody searched before the first of them.
_without = 0
_before = True


@contextmanager
def uncollected() -> Iterator[None]:
    """Search no garbage meanwhile, in any thread.

    For work of seconds that makes a million objects and keeps them: Python would look
    through all of them again and again, and find nothing.
    """
    global _without, _before
    with _lock:
        if not _without:
            _before = gc.isenabled()
            gc.disable()
        _without += 1
    try:
        yield
    finally:
        with _lock:
            _without -= 1
            if not _without and _before:
                gc.enable()
