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

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.error: OSError | None = None

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """Write, or pretend to."""
        try:
            return super().write(data) or 0
        except OSError as error:
            self.error = error
            return len(memoryview(data).cast("B"))


def concluded(run: Callable[[], int]) -> int:
    """Run the program with lenient streams, and return its exit status.

    A program that succeeded has not when its output is lost.
    """
    sys.stdin = sys.stdin or os.fdopen(0, encoding="utf-8", closefd=False)
    output = _Lenient(1)
    sys.stdout = _text(output, sys.stdout)
    sys.stderr = _text(_Lenient(2), sys.stderr)
    try:
        status = run()
    except SystemExit as exited:
        # argparse's way out.
        status = exited.code if isinstance(exited.code, int) else bool(exited.code)
    sys.stdout.flush()
    if isinstance(output.error, BrokenPipeError):
        # What read the output has enough; as shells report it.
        return status or 128 + signal.SIGPIPE
    if output.error is not None:
        print(
            f"error: standard output can't be written: {output.error.strerror}",
            file=sys.stderr,
        )
        return status or ExitStatus.INFRASTRUCTURE
    return status


def nobody_reads() -> bool:
    """Whether the other end of the pipe that standard output goes to is closed."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return isinstance(raw, _Lenient) and isinstance(raw.error, BrokenPipeError)


def _text(raw: _Lenient, before: TextIO | None) -> TextIO:
    """Return a text stream like the one that Python made, if it made one."""
    encoding = before.encoding if before is not None else "utf-8"
    write_through = getattr(before, "write_through", False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),  # type: ignore[type-var]
        encoding=encoding,
        # A name that the encoding does not know must not end a run.
        errors="backslashreplace",
        # With PYTHONUNBUFFERED, Python's own streams write through to the descriptor,
        # and so do not say that they are line buffered.
        line_buffering=write_through or getattr(before, "line_buffering", True),
        write_through=write_through,
    )
