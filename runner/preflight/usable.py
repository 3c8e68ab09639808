"""Tell objects that can be checked from those that can't, before any kernel is read."""

from collections.abc import Sequence
from pathlib import Path

from runner.bpf.object import read_whole
from runner.errors import InfrastructureError, RunnerError, file_errors
from runner.preflight.engine import Engine
from runner.preflight.predict import PredictedObject


def unusable(objects: Sequence[Path], engine_path: Path) -> dict[Path, RunnerError]:
    """Return the objects that can't be checked, and why.

    One that breaks the engine costs itself alone. Raises InfrastructureError for a file
    that can't be read.
    """
    found: dict[Path, RunnerError] = {}
    with Engine(engine_path) as engine:
        for path in objects:
            with file_errors(InfrastructureError, path):
                data = path.read_bytes()
            try:
                PredictedObject(read_whole(data, path), engine)
            except RunnerError as error:
                found[path] = error
    return found
