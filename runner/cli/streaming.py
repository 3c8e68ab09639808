"""What programs print in their guests, as it comes, with the kernel's name in front."""

import threading
from collections.abc import Callable

from runner.harness.lines import LineSplitter
from runner.reports.text import clean

# Bytes of a kernel's output that are shown; files have all of it.
_MOST_SHOWN = 1 << 20


class Streams:
    """Turns pieces of output into lines to print; safe for several threads."""

    def __init__(self, show: Callable[[str], None]) -> None:
        """`show` prints a line."""
        self._show = show
        self._lock = threading.Lock()
        # By kernel, stream, and the thread that has the guest.
        self._lines: dict[tuple[str, str, int], LineSplitter] = {}
        # Bytes of each kernel that were shown.
        self._shown: dict[str, int] = {}

    def feed(self, kernel: str, stream: str, data: bytes) -> None:
        """Take a piece of a kernel's output."""
        with self._lock:
            if self._shown.get(kernel, 0) > _MOST_SHOWN:
                return
            key = kernel, stream, threading.get_ident()
            if key not in self._lines:
                self._lines[key] = LineSplitter(lambda line: self._print(kernel, line))
            self._lines[key].feed(data)

    def close(self, kernel: str) -> None:
        """Show what a kernel's programs left without an end of line."""
        with self._lock:
            for key in [it for it in self._lines if it[0] == kernel]:
                self._lines.pop(key).close()

    def _print(self, kernel: str, line: bytes) -> None:
        before = self._shown.get(kernel, 0)
        if before > _MOST_SHOWN:
            return
        self._shown[kernel] = before + len(line)
        # ^V is how Go's tests mark their lines.
        text = clean(line.replace(b"\x16", b"").decode("utf-8", "replace")).rstrip()
        self._show(f"{kernel:>8} | {text}")
        if self._shown[kernel] > _MOST_SHOWN:
            self._show(f"{kernel:>8} | [… more is in the folder of reports …]")
