"""Programs of tests/data/programs, built with what the machine has."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.vm.conftest import DATA

PROGRAMS = DATA / "programs"


def go(folder: Path) -> Path:
    """Build a static test binary of Go, without a download; skip without Go."""
    _require("go")
    made = folder / "loader.test"
    subprocess.run(
        ["go", "test", "-c", "-o", made, "."],
        cwd=PROGRAMS / "gotest",
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOPROXY": "off"},
        check=True,
        capture_output=True,
    )
    return made


def rust(folder: Path) -> Path:
    """Build a test binary of Rust; skip without it."""
    _require("rustc")
    made = folder / "rust-tests"
    subprocess.run(
        ["rustc", "--test", "-o", made, PROGRAMS / "rust/tests.rs"],
        check=True,
        capture_output=True,
    )
    return made


def c(folder: Path) -> Path:
    """Build a program of C with a shared library of its own next to it."""
    library, made = folder / "lib/libanswer.so.1", folder / "tool"
    library.parent.mkdir()
    shared = ["-shared", "-fPIC", "-Wl,-soname,libanswer.so.1"]
    for words in (
        [*shared, "-o", library, PROGRAMS / "c/answer.c"],
        ["-o", made, PROGRAMS / "c/tool.c", library, "-Wl,-rpath,$ORIGIN/lib"],
    ):
        subprocess.run(["gcc", *map(str, words)], check=True, capture_output=True)
    return made


def _require(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not on the PATH")
