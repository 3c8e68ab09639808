"""Recorded outputs of test programs, and what readers make of bytes.

tests/tools/record_programs.py records them from tests/data/programs.
"""

from pathlib import Path

from runner.harness.model import Reader
from runner.harness.tests import HarnessState

FOLDER = Path(__file__).resolve().parents[2] / "data/programs/recorded"

PASSED, FAILED, SKIPPED = HarnessState.PASSED, HarnessState.FAILED, HarnessState.SKIPPED
RUNNING, PAUSED = HarnessState.RUNNING, HarnessState.PAUSED


def read(
    reader: Reader, data: bytes, *, step: int = 0, file: str | None = None
) -> None:
    """Give a reader an output, in pieces of `step` bytes."""
    step = step or max(1, len(data))
    for at in range(0, len(data), step):
        reader.feed("stdout", data[at : at + step])
    reader.close(file)


def states(reader: Reader) -> dict[str, HarnessState]:
    """Return how each test ended."""
    return {it.name: it.state for it in reader.tests}
