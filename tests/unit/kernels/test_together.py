"""Rows that are fetched at the same time, from servers that are slow or worse."""

import io
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from runner.errors import ArtifactError, UsageError
from runner.files.cache import Cache
from runner.kernels import fetch, hosts, together
from runner.kernels.artifact import Artifact
from runner.matrix.matrix import Kernel
from runner.text.progress import Lines, Progress, Terminal
from tests.unit.kernels.server import Answer, Server, serving
from tests.unit.kernels.slowservers import file_of, row

SIZE = 60_000


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def other() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def rows(server: Server, numbers: range, folder: Path) -> list[Kernel]:
    return [row(server, it, folder, size=SIZE) for it in numbers]


def outcomes(
    kernels: list[Kernel], cache: Cache, progress: Progress | None = None
) -> list[together.FetchedRow[Artifact]]:
    def get(kernel: Kernel, shown: Progress) -> Artifact:
        return fetch.obtain(kernel, cache, shown)

    return list(together.each(kernels, get, progress or Lines()))


def test_rows_come_at_once_and_no_server_is_asked_for_too_much(
    server: Server, cache: Cache, tmp_path: Path
) -> None:
    kernels = rows(server, range(8), tmp_path)
    server.rate = 600_000

    found = outcomes(kernels, cache)

    assert {it.result().release for it in found} == {
        f"{it.id}-1-amd64" for it in kernels
    }
    assert server.most_sending == hosts.MOST_CONNECTIONS
    # Whole, and the same for the next run.
    server.asked.clear()
    assert all(it.error is None for it in outcomes(kernels, cache))
    assert not server.asked


def test_a_slow_server_holds_up_its_own_rows_only(
    server: Server, other: Server, cache: Cache, tmp_path: Path
) -> None:
    slow = rows(server, range(8), tmp_path)
    quick = rows(other, range(8, 12), tmp_path)
    server.rate = 100_000

    ids = [it.kernel.id for it in outcomes([*slow, *quick], cache)]

    assert set(ids[:4]) == {it.id for it in quick}


def test_what_is_wrong_with_a_row_is_its_own_trouble(
    server: Server, cache: Cache, tmp_path: Path
) -> None:
    kernels = rows(server, range(4), tmp_path)
    lied, lost = file_of(server, 1), file_of(server, 2)
    body = server.answers[lied].body
    server.answers[lied] = Answer(body=body, length=len(body) + 5)
    del server.answers[lost]

    failed = {it.kernel.id: it.error for it in outcomes(kernels, cache) if it.error}

    assert failed.keys() == {"4.11.1", "4.11.2"}
    assert all(isinstance(it, ArtifactError) for it in failed.values())
    assert "5 more expected" in str(failed["4.11.1"])
    assert "does not exist (HTTP 404)" in str(failed["4.11.2"])


def test_nothing_half_is_left_when_nobody_wants_more(
    server: Server, cache: Cache, tmp_path: Path
) -> None:
    quick, *slow = rows(server, range(6), tmp_path)
    server.rate = SIZE // 2
    asked = threading.Event()

    def get(kernel: Kernel, progress: Progress) -> Artifact | None:
        if kernel is quick:
            # As Ctrl-C comes while the others are at work.
            assert asked.wait(10)
            raise UsageError("a mistake")
        with progress.task("before"):
            asked.set()
        return fetch.obtain(kernel, cache, progress)

    with (
        closing(together.each([quick, *slow], get, Lines())) as found,
        pytest.raises(UsageError),
    ):
        next(found).result()

    assert not [it for it in threading.enumerate() if it.name.startswith("fetch-")]
    assert not list(cache.folder("temporary").iterdir())
    assert not any(fetch.cached(it, cache) for it in slow)


def test_bars_of_all_rows_share_a_terminal(
    server: Server, cache: Cache, tmp_path: Path
) -> None:
    server.rate = 300_000
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100)

    found = outcomes(rows(server, range(5), tmp_path), cache, Terminal(console))

    assert not [it.error for it in found if it.error]
    for number in range(5):
        assert f"linux-image-4.11.{number}-1-amd64" in text.getvalue()
