"""Standard output and error of the program: what can't be written ends no run."""

import io
import os
import signal
import sys
from collections.abc import Callable
from typing import TextIO

from runner.errors import ExitStatus


class _Lenient(io.FileIO):
    """A descriptor that keeps the error of a write that failed, and goes on."""

    def __init__(self, descriptor: int, *, tolerate_nobody: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        # Whether it matters that the other end of a pipe is closed.
        self._tolerate_nobody = tolerate_nobody
        self.error: OSError | None = None

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """Write, or pretend to."""
        try:
            return super().write(data) or 0
        except OSError as error:
            if isinstance(error, BrokenPipeError) and not self._tolerate_nobody:
                raise
            self.error = error
            return len(memoryview(data).cast("B"))


def concluded(run: Callable[[], int]) -> int:
    """Run the program with lenient streams, and return its exit status.

    A program that succeeded has not when its output is lost.
    """
    sys.stdin = sys.stdin or os.fdopen(0, encoding="utf-8", closefd=False)
    output = _Lenient(1, tolerate_nobody=False)
    sys.stdout = _text(output, sys.stdout)
    sys.stderr = _text(_Lenient(2, tolerate_nobody=True), sys.stderr)
    try:
        status = run()
    except SystemExit as exited:
        # argparse's way out.
        status = exited.code if isinstance(exited.code, int) else bool(exited.code)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Else Python would fail to flush it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return status or 128 + signal.SIGPIPE
    if output.error is not None:
        print(
            f"error: standard output can't be written: {output.error.strerror}",
            file=sys.stderr,
        )
        return status or ExitStatus.INFRASTRUCTURE
    return status


def _text(raw: _Lenient, before: TextIO | None) -> TextIO:
    """Return a text stream like the one that Python made, if it made one."""
    encoding = before.encoding if before is not None else "utf-8"
    return io.TextIOWrapper(
        io.BufferedWriter(raw),  # type: ignore[type-var]
        encoding=encoding,
        # A name that the encoding does not know must not end a run.
        errors="backslashreplace",
        line_buffering=getattr(before, "line_buffering", True),
        write_through=getattr(before, "write_through", False),
    )
