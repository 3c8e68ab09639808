"""What users wait for: a first verdict on objects in a folder, and one after a save."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from runner.bpf import compile as compile_
from runner.errors import RunnerError
from runner.files.shipped import ROOT

_OBJECT = ROOT / "tests/data/suites/hostile/fine.bpf.c"
_EXAMPLE = ROOT / "docs/example/execsnoop.bpf.c"
_WAITING = "waiting for a save"
_AFTER = " s after the save"


@dataclass(frozen=True, kw_only=True)
class FirstVerdict:
    """The way from an empty folder with objects to a verdict."""

    # Seconds of `init` and the run together, and of the run alone.
    whole: float
    alone: float


def first(kernels: str) -> FirstVerdict:
    """Measure it, on kernels of the built-in matrix that are in the cache.

    Raises RunnerError when a command fails.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        for source in (_OBJECT, _EXAMPLE):
            built = folder / source.name.replace(".bpf.c", ".bpf.o")
            argv = compile_.command(source, built)
            subprocess.run(argv, cwd=source.parent, check=True)
        started = time.monotonic()
        _run(folder, "init", "--ci", "none")
        ready = time.monotonic()
        _run(folder, "--kernels", kernels)
        ended = time.monotonic()
    return FirstVerdict(whole=ended - started, alone=ended - ready)


def _run(folder: Path, *words: str) -> None:
    argv = [*_program(), *words]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RunnerError(
            f"{' '.join(words)} ended with {done.returncode}",
            hint=done.stdout + done.stderr,
        )


def _program() -> list[str]:
    # Installed, so that it runs in any folder.
    return [sys.executable, "-P", "-m", "runner"]


@contextmanager
def watched(kernel: str) -> Iterator["WatchedSource"]:
    """Watch the example, from when a guest waits for a save.

    Raises RunnerError when `watch` ends.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / _EXAMPLE.name
        source.write_text(_EXAMPLE.read_text())
        _run(folder, "init", "--ci", "none")
        argv = [*_program(), "watch", "--kernels", kernel]
        with subprocess.Popen(
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield WatchedSource(source, process)
            finally:
                process.terminate()


class WatchedSource:
    """A source that `watch` runs anew after each save."""

    def __init__(self, source: Path, process: "subprocess.Popen[str]") -> None:
        self._source = source
        self._process = process
        self._wait_for(_WAITING)

    def save(self) -> float:
        """Change the source; return the seconds until its verdict is printed."""
        with self._source.open("a") as file:
            file.write("/* saved */\n")
        saved = time.monotonic()
        self._wait_for(_AFTER)
        took = time.monotonic() - saved
        self._wait_for(_WAITING)
        return took

    def _wait_for(self, words: str) -> None:
        assert self._process.stdout is not None
        printed = []
        for line in self._process.stdout:
            printed.append(line)
            if words in line:
                return
        raise RunnerError("watch ended", hint="".join(printed[-20:]))
