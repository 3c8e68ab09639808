"""Roots for guests: a small one, and one of Debian with bpftrace and bcc."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from filelock import FileLock

from runner.files.cache import Cache
from runner.kernels.sources import debian as suites

SUITE = "bookworm"
PACKAGES = "bpftrace,bpfcc-tools"
# Seconds for which a root is used again.
_FRESH = 7 * 24 * 3600.0
_APPLETS = (
    "cat",
    "echo",
    "id",
    "ls",
    "mkdir",
    "rm",
    "sh",
    "sha256sum",
    "stat",
    "touch",
)


def small(folder: Path) -> Path:
    """Make a root of busybox, in which /etc is an absolute link."""
    (folder / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", folder / "bin")
    for name in _APPLETS:
        (folder / "bin" / name).symlink_to("/bin/busybox")
    (folder / "settings").mkdir()
    (folder / "etc").symlink_to("/settings")
    (folder / "settings/hello").write_text("hello\n")
    (folder / "settings/passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
    # Larger than a part of it.
    (folder / "large").write_bytes(os.urandom(5 << 20))
    os.link(folder / "large", folder / "linked")
    return folder


def debian() -> Path:
    """Return a tar of Debian with bpftrace and bcc, made once a week.

    Skips without mmdebstrap.
    """
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not installed")
    made = Cache().folder("test-roots") / f"{SUITE}-{PACKAGES}.tar"
    with FileLock(made.with_suffix(".lock")):
        if made.exists() and time.time() - made.stat().st_mtime < _FRESH:
            return made
        partial = made.with_suffix(".part.tar")
        # The machine's own mirror.
        words = ["--variant=minbase", f"--include={PACKAGES}", SUITE]
        subprocess.run(
            ["mmdebstrap", "-q", *words, partial, suites.mirror()],
            check=True,
            timeout=900,
        )
        partial.rename(made)
    return made
