"""Recorded outputs of test programs, and what readers make of bytes.

tests/tools/record_programs.py records them from tests/data/programs.
"""

from pathlib import Path

from runner.harness.model import Reader
from runner.harness.tests import State

FOLDER = Path(__file__).resolve().parents[2] / "data/programs/recorded"

PASSED, FAILED, SKIPPED = State.PASSED, State.FAILED, State.SKIPPED
RUNNING, PAUSED = State.RUNNING, State.PAUSED


def read(
    reader: Reader, data: bytes, *, step: int = 0, file: str | None = None
) -> None:
    """Give a reader an output, in pieces of `step` bytes."""
    step = step or max(1, len(data))
    for at in range(0, len(data), step):
        reader.feed("stdout", data[at : at + step])
    reader.close(file)


def states(reader: Reader) -> dict[str, State]:
    """Return how each test ended."""
    return {it.name: it.state for it in reader.tests}
