"""The programs that the runner starts on this machine, and their environment."""

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from runner.deadline import Deadline
from runner.errors import RunnerError

# All that they are given. Others change what programs make: C_INCLUDE_PATH and
# CCC_OVERRIDE_OPTIONS what clang compiles, MAKEFLAGS and CFLAGS what make builds,
# QEMU_AUDIO_DRV and LD_PRELOAD what runs in QEMU.
_KEPT = ("HOME", "PATH", "LD_LIBRARY_PATH")
# Settings of ccache, which may be what PATH calls clang or gcc. It changes no output.
_KEPT_PREFIX = "CCACHE_"
_TEMPORARY = "TMPDIR"
# Seconds between two words on how far a program is, and for one to end its children.
_BETWEEN_WORDS = 10.0
_GRACE = 5.0


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a program; its messages are in English."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or name.startswith(_KEPT_PREFIX)
    }
    if _TEMPORARY in os.environ:
        # Another one where that folder is missing.
        kept[_TEMPORARY] = tempfile.gettempdir()
    return {**kept, "LC_ALL": "C", **more}


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    error: type[RunnerError],
    hint: str,
    slow_hint: str = "",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, and return its status and what it printed.

    Raises `error` when it is not installed, which `hint` helps with, or does not end in
    time, where `slow_hint` does.
    """
    name = Path(argv[0]).name
    try:
        return subprocess.run(
            argv,
            env=environment() if env is None else env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
        )
    except FileNotFoundError as missing:
        raise error(f"{name} is not installed", hint=hint) from missing
    except OSError as refused:
        raise error(f"can't run {name}: {refused.strerror}") from refused
    except subprocess.TimeoutExpired as late:
        words = f"{name} timed out after {timeout:.0f} s"
        raise error(words, hint=slow_hint) from late


def words_of(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a program that failed printed, on one line."""
    return " ".join((done.stderr or done.stdout).split()) or "it printed nothing"


def run_logged(
    argv: Sequence[str],
    log: Path,
    *,
    timeout: float,
    cwd: Path,
    env: Mapping[str, str],
    tell: Callable[[], None] = lambda: None,
) -> int:
    """Run a program whose output goes to a log, and return its exit status.

    `tell` is called each 10 s. Whatever ends the wait ends the program's children, too.
    Raises TimeoutError.
    """
    with log.open("a") as output:
        output.write(f"+ {shlex.join(argv)}\n")
        output.flush()
        with subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A group of its own, so that Ctrl-C or a timeout ends its children.
            process_group=0,
        ) as process:
            try:
                return _wait(process, Deadline.after(timeout), tell)
            except BaseException:
                _end(process)
                raise


def _wait(
    process: subprocess.Popen[bytes], deadline: Deadline, tell: Callable[[], None]
) -> int:
    while not deadline.expired:
        try:
            return process.wait(min(_BETWEEN_WORDS, deadline.remaining()))
        except subprocess.TimeoutExpired:
            tell()
    raise TimeoutError


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and all of its children."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return
