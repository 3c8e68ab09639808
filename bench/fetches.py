"""Rows that no cache has, from servers that give each connection so much."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from runner.files.cache import Cache
from runner.kernels import fetch, hosts, together
from runner.kernels.artifact import Artifact
from runner.matrix.matrix import Kernel
from runner.text.progress import Hidden, Progress
from tests.unit.kernels.server import serving
from tests.unit.kernels.slowservers import row

# Bytes a second of each connection, and of each package.
_RATE = 1 << 20
_SIZE = 1 << 20
# Rows of the first server, and of the second one.
_ROWS = (28, 12)


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """How long it took, and how long the slowest server takes to send all of its."""

    seconds: float
    at_least: float


def fetched() -> Fetched:
    """Fetch all rows. Raises what is wrong with one."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving() as first,
        serving() as second,
    ):
        made = Path(folder)
        kernels = [
            row(server, number, made, size=_SIZE)
            for server, numbers in (
                (first, range(_ROWS[0])),
                (second, range(_ROWS[0], sum(_ROWS))),
            )
            for number in numbers
        ]
        first.rate = second.rate = _RATE
        cache = Cache(made / "cache")

        def get(kernel: Kernel, progress: Progress) -> Artifact:
            return fetch.obtain(kernel, cache, progress)

        started = time.perf_counter()
        for outcome in together.each(kernels, get, Hidden()):
            outcome.result()
        seconds = time.perf_counter() - started
    sent = max(_ROWS) * _SIZE
    return Fetched(seconds=seconds, at_least=sent / (_RATE * hosts.MOST_CONNECTIONS))
