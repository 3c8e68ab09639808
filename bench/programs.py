"""Programs in a guest: `exec`, and a large file on its way."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runner.errors import RunnerError
from runner.files.shipped import ROOT
from runner.guest import guest
from runner.guest.guest import Origin
from runner.guest.life import Life, Starts
from runner.reports import resultsfile

# MiB.
LARGE = 60
SUBTESTS = Path(__file__).with_name("subtests")


def true(kernel: str) -> float:
    """Return the seconds that `exec -- /bin/true` takes, from command to exit.

    Raises RunnerError when it is not green.
    """
    with tempfile.TemporaryDirectory() as folder:
        words = ["exec", "--kernels", kernel, "--reports", folder, "--", "/bin/true"]
        started = time.monotonic()
        _run([sys.executable, "-m", "runner", *words])
        return time.monotonic() - started


@dataclass(frozen=True, kw_only=True)
class TestRun:
    """A test binary on several kernels, in seconds."""

    # From command to exit.
    whole: float
    # What the binary says of its tests, summed over the kernels.
    tests: float


def subtests(kernels: str) -> TestRun:
    """Run a binary of `go test -c` with 50 subtests, each a case of its own.

    Raises RunnerError when it is not green, or can't be built.
    """
    with tempfile.TemporaryDirectory() as folder:
        binary, reports = Path(folder) / "subtests.test", Path(folder) / "reports"
        _run(
            ["go", "test", "-C", SUBTESTS, "-c", "-o", binary, "."],
            # For the kernels; the source knows this architecture only.
            environment={"CGO_ENABLED": "0", "GOARCH": "amd64"},
        )
        words = ["exec", "--kernels", kernels, "--results", "gotest", "--reports"]
        started = time.monotonic()
        _run([sys.executable, "-m", "runner", *words, reports, "--", binary])
        whole = time.monotonic() - started
        cases = resultsfile.read(reports / "results.json").cases
    tests = [it.duration for it in cases if it.case.endswith("::TestMaps")]
    return TestRun(whole=whole, tests=sum(tests))


def _run(
    words: Sequence[str | Path], environment: Mapping[str, str] | None = None
) -> None:
    done = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RunnerError(
            f"{words[0]} ended with {done.returncode}", hint=done.stdout + done.stderr
        )


def copied(of: Origin) -> float:
    """Return the seconds in which a large file gets into a restored guest."""
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large"
        large.write_bytes(os.urandom(LARGE << 20))
        console, life = Path(folder) / "console.log", Life(Starts(kernel=of.kernel.id))
        with guest.start(of, console, life) as up:
            started = time.monotonic()
            up.put(large, PurePosixPath("/run/files/large"))
            return time.monotonic() - started
