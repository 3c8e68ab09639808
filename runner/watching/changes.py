"""Notices saves of files, by looking at them again and again.

The files are few and known. So looking is cheap, needs no library, and works where
nothing is told of changes: on network file systems and in folders that a container
shares with its host. Editors that save by renaming, by truncating and writing, or file
by file all look alike.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

# Seconds between two looks, and for which nothing may change until a save is over.
_LOOK = 0.03
_SETTLED = 0.06
# Seconds that a file which is gone or empty may take to come back.
_PATIENCE = 1.0

# What changes with each save: inode, size and time; None for a file that is not there.
_Stamp = tuple[int, int, int] | None


class ChangedFiles:
    """Files of which changes are noticed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stamps: dict[Path, _Stamp] = {}
        self._contents: dict[Path, str | None] = {}

    def watch(self, files: Iterable[Path]) -> None:
        """Watch these files from now on, and no others.

        A file that was watched before counts as changed if it has changed since.
        """
        wanted = dict.fromkeys(files)
        self._stamps = {it: self._stamps.get(it, _stamp(it)) for it in wanted}
        self._contents = {it: self._contents.get(it, _content(it)) for it in wanted}

    def wait(self, wake: Callable[[float], bool]) -> list[Path]:
        """Wait for a save, and return the files that have other contents.

        `wake` waits for some seconds, and says whether to stop: nothing is returned
        then.
        """
        while True:
            if wake(_LOOK):
                return []
            if self._look():
                self._settle(wake)
                changed = self._changed()
                if changed:
                    return changed

    def _look(self) -> bool:
        """Look at all files; return whether one is not as it was."""
        found: Mapping[Path, _Stamp] = {it: _stamp(it) for it in self._stamps}
        is_other = found != self._stamps
        self._stamps = dict(found)
        return is_other

    def _settle(self, wake: Callable[[float], bool]) -> None:
        """Wait until nothing changes for a moment, and nothing is half written."""
        began = last = self._clock()
        while True:
            now = self._clock()
            half = any(it is None or it[1] == 0 for it in self._unlike())
            if now - last >= (_PATIENCE if half else _SETTLED):
                return
            if now - began > 10 * _PATIENCE or wake(_LOOK):
                return
            if self._look():
                last = self._clock()

    def _unlike(self) -> list[_Stamp]:
        """Return how the files look that had contents, and may have lost them."""
        return [self._stamps[it] for it, known in self._contents.items() if known]

    def _changed(self) -> list[Path]:
        found = {it: _content(it) for it in self._contents}
        changed = [it for it, content in found.items() if content != self._contents[it]]
        self._contents = found
        return changed


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _content(path: Path) -> str | None:
    """Return a hash of a file's content; None for one that is not there, or empty."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return hashlib.sha256(data).hexdigest() if data else None
