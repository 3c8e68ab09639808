"""matrix.lock: sources that stand for the same files today and later."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner import artifacts, cli
from runner.artifacts import lock, rows
from runner.artifacts.cache import Cache
from runner.artifacts.lock import Lock, PinnedSource
from runner.artifacts.rows import Choice
from runner.artifacts.source import Item, Pin
from runner.errors import ArtifactError, UsageError
from runner.matrix import DebianSource, Kernel, Matrix
from tests.unit.artifacts.packaging import make_package
from tests.unit.artifacts.server import Server, serving
from tests.unit.artifacts.silent import Silent
from tests.unit.artifacts.test_remote_sources import FILES, PACKAGE, publish, snapshot

SUITE = DebianSource(type="debian", suite="sid")
ROW = Kernel(id="sid", source=SUITE)
PIN = Pin(
    provider="debian",
    version="7.0",
    origin="sid linux-image-7.0",
    items=(Item(name="linux-image-7.0", location="linux-image-7.0=7.0-1", sha256="a"),),
)
LOCKED = Lock().with_pin(ROW, SUITE, PIN)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def matrix(*kernels: Kernel) -> Matrix:
    return Matrix(kernels=kernels)


def only(applied: Matrix) -> tuple[object, ...]:
    (kernel,) = applied.kernels
    return kernel.sources


def test_a_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "matrix.lock"
    path.write_text(lock.text(LOCKED))

    assert lock.read(path) == LOCKED


def test_no_file_is_an_empty_lock(tmp_path: Path) -> None:
    assert lock.read(tmp_path / "matrix.lock") == Lock()


def test_a_lock_with_a_mistake_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "matrix.lock"
    path.write_text("kernels:\n  sid:\n    pim: {}\n")

    with pytest.raises(UsageError, match=r"matrix\.lock:3: .*pim"):
        lock.read(path)


def test_a_lock_lies_beside_its_matrix() -> None:
    assert lock.path_of(Path("ci/kernels.yaml")) == Path("ci/kernels.lock")


def test_a_strict_lock_binds_every_row() -> None:
    applied = lock.applied(matrix(ROW), LOCKED, strict=True)

    assert only(applied) == (PinnedSource(source=SUITE, pin=PIN),)
    lock.require(applied.kernels, Path("matrix.lock"))


def test_a_suite_moves_on_without_a_strict_lock() -> None:
    assert only(lock.applied(matrix(ROW), LOCKED, strict=False)) == (SUITE,)


@pytest.mark.parametrize("known", [Lock(), LOCKED])
def test_what_is_not_locked_as_it_is_now_is_refused(known: Lock) -> None:
    changed = ROW.model_copy(
        update={"source": DebianSource(type="debian", suite="trixie")}
    )
    applied = lock.applied(matrix(changed), known, strict=True)

    with pytest.raises(UsageError, match="does not pin sid") as caught:
        lock.require(applied.kernels, Path("matrix.lock"))
    assert caught.value.hint == "python -m runner lock --kernels sid"


def test_a_row_keeps_its_pinned_source_only() -> None:
    row = Kernel(id="sid", source=(DebianSource(type="debian", suite="trixie"), SUITE))

    assert only(lock.applied(matrix(row), LOCKED, strict=True)) == (
        PinnedSource(source=SUITE, pin=PIN),
    )


def test_a_snapshots_sha256_is_locked_and_looked_at(
    server: Server, tmp_path: Path
) -> None:
    package = make_package(tmp_path, PACKAGE, FILES, version="4.11.6-1")
    publish(server, package)
    source = snapshot(server)
    row = Kernel(id="4.11", source=source, btf="kernel")
    first = Cache(tmp_path / "first")
    artifacts.obtain(row, first, Silent())
    pinned = artifacts.pinned(row, first)
    assert pinned is not None

    (item,) = pinned[1].items
    assert item.sha256 == hashlib.sha256(package.read_bytes()).hexdigest()

    # A lock binds it at once, and another file of the same SHA-1 is refused.
    forged = item.model_copy(update={"sha256": "0" * 64})
    pin = pinned[1].model_copy(update={"items": (forged,)})
    (bound,) = lock.applied(
        matrix(row), Lock().with_pin(row, source, pin), strict=False
    ).kernels
    with pytest.raises(ArtifactError, match="is another file: sha256"):
        artifacts.obtain(bound, Cache(tmp_path / "second"), Silent())


def test_a_locked_kernel_in_the_cache_is_not_fetched_again(
    server: Server, tmp_path: Path
) -> None:
    publish(server, make_package(tmp_path, PACKAGE, FILES, version="4.11.6-1"))
    row = Kernel(id="4.11", source=snapshot(server), btf="kernel")
    cache = Cache(tmp_path / "cache")
    found = artifacts.obtain(row, cache, Silent())
    pinned = artifacts.pinned(row, cache)
    assert pinned is not None
    (bound,) = lock.applied(
        matrix(row), Lock().with_pin(row, *pinned), strict=True
    ).kernels
    server.asked.clear()

    assert artifacts.obtain(bound, cache, Silent()) == found
    assert not server.asked


def test_the_command_pins_and_a_locked_choice_takes_the_pin(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publish(server, make_package(tmp_path, PACKAGE, FILES, version="4.11.6-1"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "matrix.yaml"
    file.write_text(
        "kernels:\n"
        "- id: '4.11'\n"
        "  btf: kernel\n"
        f"  source: {{type: snapshot, package: {PACKAGE}, version: 4.11.6-1, "
        f"url: '{server.url}'}}\n"
        "- {id: gone, source: {type: unavailable, reason: it is gone}}\n"
    )
    choice = Choice(matrix=file, selectors=("4.11",), locked=True)
    with pytest.raises(UsageError, match=r"--locked: .* does not pin 4\.11"):
        rows.choose(choice, Cache())

    assert cli.main(["lock", "--matrix", str(file)]) == 0

    said = capsys.readouterr().out
    assert f"4.11: snapshot {PACKAGE} 4.11.6-1" in said
    assert "gone: not pinned: it is gone" in said
    (kernel,) = rows.choose(choice, Cache()).kernels
    assert isinstance(kernel.source, tuple)
    assert kernel.sources[0].shown == f"snapshot {PACKAGE} 4.11.6-1"
