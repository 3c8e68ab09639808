"""matrix.lock: sources that stand for the same files today and later."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner import cli
from runner.errors import ArtifactError, UsageError
from runner.files.cache import Cache
from runner.kernels import fetch, lock, rows
from runner.kernels.artifact import Artifact
from runner.kernels.fetch import PinnedKernel
from runner.kernels.lock import Lock, PinnedSource
from runner.kernels.rows import KernelChoice
from runner.kernels.sources.source import Item, Pin
from runner.matrix import matrix as matrix_
from runner.matrix.matrix import DebianSource, Kernel, KernelOrgSource, Matrix
from tests.unit.kernels.images import bzimage
from tests.unit.kernels.packaging import make_package
from tests.unit.kernels.server import Server, serving
from tests.unit.kernels.silent import Silent
from tests.unit.kernels.snapshotarchive import publish
from tests.unit.kernels.test_remote_sources import FILES, PACKAGE, snapshot

SUITE = DebianSource(type="debian", suite="sid")
ROW = Kernel(id="sid", source=SUITE)
PIN = Pin(
    provider="debian",
    version="7.0",
    origin="sid linux-image-7.0",
    items=(Item(name="linux-image-7.0", location="linux-image-7.0=7.0-1", sha256="a"),),
)
# Of the matrix.
FOLDER = Path("/home/someone/project")
LOCKED = Lock().with_pinned(ROW, PinnedKernel(source=SUITE, pin=PIN, btf=()), FOLDER)


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
    applied = lock.applied(matrix(ROW), LOCKED, FOLDER, strict=True)

    assert only(applied) == (PinnedSource(source=SUITE, pin=PIN),)
    lock.require(applied.kernels, Path("matrix.lock"))


def test_a_suite_moves_on_without_a_strict_lock() -> None:
    assert only(lock.applied(matrix(ROW), LOCKED, FOLDER, strict=False)) == (SUITE,)


@pytest.mark.parametrize("known", [Lock(), LOCKED])
def test_what_is_not_locked_as_it_is_now_is_refused(known: Lock) -> None:
    changed = ROW.model_copy(
        update={"source": DebianSource(type="debian", suite="trixie")}
    )
    applied = lock.applied(matrix(changed), known, FOLDER, strict=True)

    with pytest.raises(UsageError, match="does not pin sid") as caught:
        lock.require(applied.kernels, Path("matrix.lock"))
    assert caught.value.hint == "python -m runner lock --kernels sid"


def test_a_row_keeps_its_pinned_source_only() -> None:
    row = Kernel(id="sid", source=(DebianSource(type="debian", suite="trixie"), SUITE))

    assert only(lock.applied(matrix(row), LOCKED, FOLDER, strict=True)) == (
        PinnedSource(source=SUITE, pin=PIN),
    )


def test_what_the_matrix_itself_pins_needs_no_lock() -> None:
    release = KernelOrgSource(type="kernel-org", version="5.5", sha256="a" * 64)
    row = Kernel(id="5.5", source=(SUITE, release))

    applied = lock.applied(matrix(row), Lock(), FOLDER, strict=True)

    assert only(applied) == (release,)
    lock.require(applied.kernels, Path("matrix.lock"))


def test_every_kernel_of_the_shipped_matrix_is_pinned() -> None:
    top = Path(__file__).resolve().parents[3]
    known = lock.read(top / "matrix.lock")

    applied = lock.applied(matrix_.load(top / "matrix.yaml"), known, top, strict=True)

    lock.require(applied.kernels, top / "matrix.lock")


TARBALL = KernelOrgSource(
    type="kernel-org", version="5.10", tarball=f"{FOLDER}/../tars/linux-5.10.tar.xz"
)


@pytest.mark.parametrize(
    ("path", "written"),
    [
        (f"{FOLDER}/linux.tar.xz", "linux.tar.xz"),
        (f"{FOLDER}/../tars/linux.tar.xz", "../tars/linux.tar.xz"),
        (f"{Path.home()}/linux.tar.xz", "~/linux.tar.xz"),
        # It is so in the matrix.
        ("/usr/src/linux.tar.xz", "/usr/src/linux.tar.xz"),
        (f"{FOLDER}s/linux.tar.xz", f"{FOLDER}s/linux.tar.xz"),
    ],
)
def test_a_path_is_locked_as_the_matrix_has_it(path: str, written: str) -> None:
    source = TARBALL.model_copy(update={"tarball": path})
    row = Kernel(id="5.10", source=source)
    pin = PIN.model_copy(
        update={
            "origin": path,
            "items": (Item(name="tarball", location=path, sha256="a" * 64),),
        }
    )

    known = Lock().with_pinned(
        row, PinnedKernel(source=source, pin=pin, btf=()), FOLDER
    )

    locked = known.kernels["5.10"]
    assert locked.source["tarball"] == written
    assert locked.pin.origin == locked.pin.items[0].location == written
    assert known.of_source(row, source, FOLDER) == locked


def test_a_lock_holds_on_another_machine() -> None:
    row = Kernel(id="5.10", source=TARBALL)
    known = Lock().with_pinned(
        row, PinnedKernel(source=TARBALL, pin=PIN, btf=()), FOLDER
    )
    elsewhere = Path("/builds/42/project")
    moved = TARBALL.model_copy(
        update={"tarball": f"{elsewhere}/../tars/linux-5.10.tar.xz"}
    )
    there = row.model_copy(update={"source": moved})

    locked = known.of_source(there, moved, elsewhere)
    assert locked is not None
    assert locked.pin == PIN
    lock.require(
        lock.applied(matrix(there), known, elsewhere, strict=True).kernels,
        Path("matrix.lock"),
    )


class Disk:
    """A matrix whose only kernel lies beside it, and the command line."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "matrix.yaml"
        self.image = folder / "linux/bzImage"
        self.image.parent.mkdir()
        self.write("6.1.0-first")
        self.file.write_text(
            "kernels:\n- {id: mine, source: {type: path, image: linux}, btf: kernel}\n"
        )

    def write(self, release: str) -> None:
        self.image.write_bytes(bzimage(release))

    def choose(self, *overrides: str) -> Kernel:
        choice = KernelChoice(
            matrix=self.file, selectors=("mine",), overrides=overrides, locked=True
        )
        (kernel,) = rows.choose(choice, Cache()).kernels
        return kernel

    def obtain(self) -> Artifact:
        return fetch.obtain(self.choose(), Cache(), Silent())


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Disk(tmp_path)


def test_a_kernel_on_the_disk_is_locked_too(disk: Disk) -> None:
    with pytest.raises(UsageError, match="does not pin mine"):
        disk.choose()

    assert cli.main(["lock", "--matrix", str(disk.file)]) == 0

    assert str(disk.file.parent) not in disk.file.with_suffix(".lock").read_text()
    assert disk.obtain().release == "6.1.0-first"


def test_a_locked_kernel_that_changed_on_the_disk_is_refused(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["lock", "--matrix", str(disk.file)]) == 0
    disk.write("6.1.0-second")

    # Its first content is in the cache.
    assert disk.obtain().release == "6.1.0-first"
    monkeypatch.setenv("XDG_CACHE_HOME", str(disk.file.parent / "another"))
    with pytest.raises(ArtifactError, match=r"these files differ: image\n") as caught:
        disk.obtain()
    assert "python -m runner lock" in caught.value.hint


def test_a_kernel_of_the_command_line_needs_no_lock(disk: Disk) -> None:
    assert disk.choose(f"mine={disk.image}").sources[0].shown == f"path {disk.image}"


def test_a_snapshots_sha256_is_locked_and_looked_at(
    server: Server, tmp_path: Path
) -> None:
    package = make_package(tmp_path, PACKAGE, FILES, version="4.11.6-1")
    publish(server, package)
    source = snapshot(server)
    row = Kernel(id="4.11", source=source, btf="kernel")
    first = Cache(tmp_path / "first")
    fetch.obtain(row, first, Silent())
    pinned = fetch.pinned(row, first)
    assert pinned is not None

    (item,) = pinned.pin.items
    assert item.sha256 == hashlib.sha256(package.read_bytes()).hexdigest()

    # A lock binds it at once, and another file of the same SHA-1 is refused.
    forged = item.model_copy(update={"sha256": "0" * 64})
    pin = pinned.pin.model_copy(update={"items": (forged,)})
    known = Lock().with_pinned(row, replace(pinned, pin=pin), FOLDER)
    (bound,) = lock.applied(matrix(row), known, FOLDER, strict=False).kernels
    with pytest.raises(ArtifactError, match="is another file: sha256"):
        fetch.obtain(bound, Cache(tmp_path / "second"), Silent())


def test_a_locked_kernel_in_the_cache_is_not_fetched_again(
    server: Server, tmp_path: Path
) -> None:
    publish(server, make_package(tmp_path, PACKAGE, FILES, version="4.11.6-1"))
    row = Kernel(id="4.11", source=snapshot(server), btf="kernel")
    cache = Cache(tmp_path / "cache")
    found = fetch.obtain(row, cache, Silent())
    pinned = fetch.pinned(row, cache)
    assert pinned is not None
    (bound,) = lock.applied(
        matrix(row), Lock().with_pinned(row, pinned, FOLDER), FOLDER, strict=True
    ).kernels
    server.asked.clear()

    assert fetch.obtain(bound, cache, Silent()) == found
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
    choice = KernelChoice(matrix=file, selectors=("4.11",), locked=True)
    with pytest.raises(UsageError, match=r"--locked: .* does not pin 4\.11"):
        rows.choose(choice, Cache())

    assert cli.main(["lock", "--matrix", str(file)]) == 0

    said = capsys.readouterr().out
    assert f"4.11: snapshot {PACKAGE} 4.11.6-1" in said
    assert "gone: not pinned: it is gone" in said
    (kernel,) = rows.choose(choice, Cache()).kernels
    assert isinstance(kernel.source, tuple)
    assert kernel.sources[0].shown == f"snapshot {PACKAGE} 4.11.6-1"
