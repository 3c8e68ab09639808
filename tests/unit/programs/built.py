"""Programs that the tests build."""

import shutil
import subprocess
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[2] / "data/programs/c"

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")


def gcc(*words: str | Path) -> None:
    """Compile and link."""
    subprocess.run(["gcc", *map(str, words)], check=True, capture_output=True)
