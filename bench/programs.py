"""Programs in a guest: `exec`, and a large file on its way."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path, PurePosixPath

from runner.errors import RunnerError
from runner.guest import guest
from runner.guest.guest import Origin
from runner.guest.host import ROOT
from runner.guest.life import Life, Starts

# MiB.
LARGE = 60


def true(kernel: str) -> float:
    """Return the seconds that `exec -- /bin/true` takes, from command to exit.

    Raises RunnerError when it is not green.
    """
    with tempfile.TemporaryDirectory() as folder:
        words = ["exec", "--kernels", kernel, "--reports", folder, "--", "/bin/true"]
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "runner", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        seconds = time.monotonic() - started
    if done.returncode != 0:
        raise RunnerError(f"exec ended with {done.returncode}", hint=done.stdout)
    return seconds


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
