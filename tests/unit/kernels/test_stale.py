"""Which rows moved on since they were locked, for any source."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from runner.errors import ArtifactError
from runner.files.cache import Cache, sha256_of
from runner.kernels import stale
from runner.kernels.fetch import PinnedKernel
from runner.kernels.lock import Lock
from runner.kernels.sources import providers
from runner.kernels.sources.source import (
    FOREVER,
    WEEK,
    Collected,
    Item,
    Pin,
    Workplace,
)
from runner.kernels.stale import LockedState
from runner.matrix.matrix import (
    BaseBtf,
    BaseSource,
    DebugPackageBtf,
    FileBtf,
    Kernel,
    MinBtf,
    UnavailableSource,
)
from tests.unit.kernels.conftest import Suite

FOLDER = Path("/somewhere")


class MovingSource(BaseSource):
    """A source of any type."""

    SHOWN = "moving {0.name}"

    type: Literal["moving"] = "moving"
    name: str = "a"
    pinned: bool = False

    @property
    def tells_checksums(self) -> bool:
        return self.pinned


@dataclass
class Moving:
    """Its provider, which has what a test says."""

    has: dict[str, str] = field(default_factory=dict)

    def resolve(self, source: MovingSource, cache: Cache) -> Pin:
        if source.name not in self.has:
            raise ArtifactError(f"{source.name} is gone")
        return pin(self.has[source.name])

    def collect(self, pin: Pin, source: MovingSource, work: Workplace) -> Collected:
        raise AssertionError("nothing may be fetched")


def pin(version: str) -> Pin:
    return Pin(
        provider="moving",
        origin=f"kernel {version}",
        items=(Item(name="kernel", location=f"{version}.rpm", sha256=version),),
    )


@pytest.fixture
def moving() -> Iterator[Moving]:
    provider = Moving()
    providers.register(MovingSource, provider, WEEK)
    yield provider
    del providers.PROVIDERS[MovingSource]


def row(*sources: BaseSource) -> Kernel:
    keys: dict[str, Any] = {"id": "x", "source": sources}
    return Kernel.model_construct(**keys)


def locked(source: BaseSource, version: str) -> Lock:
    pinned = PinnedKernel(source=source, pin=pin(version), btf=())
    return Lock().with_pinned(row(source), pinned, FOLDER)


def compared(kernel: Kernel, lock: Lock, tmp_path: Path) -> LockedState:
    return stale.compare(kernel, lock, FOLDER, Cache(tmp_path))


def test_row_whose_source_has_the_locked_files_is_current(
    moving: Moving, tmp_path: Path
) -> None:
    moving.has["a"] = "1"
    source = MovingSource()

    assert compared(row(source), locked(source, "1"), tmp_path) == LockedState(
        id="x", state="current", locked="kernel 1", now="kernel 1"
    )


def test_row_whose_source_has_other_files_is_stale(
    moving: Moving, tmp_path: Path
) -> None:
    moving.has["a"] = "2"
    source = MovingSource()

    assert compared(row(source), locked(source, "1"), tmp_path) == LockedState(
        id="x", state="stale", locked="kernel 1", now="kernel 2"
    )


def test_source_that_is_locked_is_the_one_that_is_asked(
    moving: Moving, tmp_path: Path
) -> None:
    moving.has |= {"a": "9", "b": "1"}
    second = MovingSource(name="b")

    found = compared(row(MovingSource(), second), locked(second, "1"), tmp_path)

    assert found.state == "current"


def test_source_that_can_not_be_asked_is_unknown(
    moving: Moving, tmp_path: Path
) -> None:
    source = MovingSource()

    found = compared(row(source), locked(source, "1"), tmp_path)

    assert (found.state, found.reason) == ("unknown", "a is gone")
    assert found.locked == "kernel 1"


def test_source_that_can_not_move_is_not_asked(moving: Moving, tmp_path: Path) -> None:
    providers.register(MovingSource, moving, FOREVER)
    source = MovingSource()

    assert compared(row(source), locked(source, "1"), tmp_path).state == "current"


def test_row_that_differs_from_the_lock_is_unlocked(
    moving: Moving, tmp_path: Path
) -> None:
    known = locked(MovingSource(name="b"), "1")

    assert compared(row(MovingSource()), known, tmp_path).state == "unlocked"


# ----------------------------------------------------------------------- what BTF is of


def with_btf(setting: BaseBtf, source: BaseSource) -> Kernel:
    keys: dict[str, Any] = {"id": "x", "source": (source,), "btf": setting}
    return Kernel.model_construct(**keys)


def locked_with(kernel: Kernel, *items: Item) -> Lock:
    pinned = PinnedKernel(source=kernel.sources[0], pin=pin("1"), btf=items)
    return Lock().with_pinned(kernel, pinned, FOLDER)


@pytest.mark.parametrize("is_reduced", [False, True])
def test_row_whose_file_of_btf_is_another_is_stale(
    is_reduced: bool, moving: Moving, tmp_path: Path
) -> None:
    moving.has["a"] = "1"
    path = tmp_path / "x.btf"
    path.write_bytes(b"one")
    whole = FileBtf(type="file", path=path)
    reduced = MinBtf(type="min", objects=(tmp_path,), of=whole)
    kernel = with_btf(reduced if is_reduced else whole, MovingSource())
    item = Item(name="file", location=str(path), sha256=sha256_of(path))
    known = locked_with(kernel, item)

    before = compared(kernel, known, tmp_path / "cache")
    path.write_bytes(b"two")
    after = compared(kernel, known, tmp_path / "cache")
    path.unlink()
    gone = compared(kernel, known, tmp_path / "cache")

    assert before.state == "current"
    assert (after.state, after.reason) == ("stale", "other files now: file")
    assert (gone.state, gone.reason) == ("unknown", f"{path} does not exist")


def test_row_whose_debug_package_moved_on_is_stale(
    moving: Moving, suite: Suite, tmp_path: Path
) -> None:
    moving.has["a"] = "1"
    name = "linux-image-6.1.0-50-amd64-dbg"
    suite.publish(suite.package(name, version="6.1.50-1"))
    setting = DebugPackageBtf(type="debug-package", suite="bookworm")
    kernel = with_btf(setting, MovingSource())
    cache = tmp_path / "cache"
    (package,) = suite.open().describe([name])
    known = locked_with(kernel, package.item)

    before = compared(kernel, known, cache)
    suite.publish(suite.package(name, version="6.1.50-2"))
    after = compared(kernel, known, cache)
    suite.publish(suite.package("other"))
    gone = compared(kernel, known, cache)

    assert before.state == "current"
    assert (after.state, after.reason) == ("stale", f"other files now: {name}")
    assert (gone.state, gone.reason) == ("unknown", f"bookworm has no package {name}")


def test_btf_of_a_kernel_that_moved_on_is_not_asked_for(
    moving: Moving, tmp_path: Path
) -> None:
    moving.has["a"] = "2"
    setting = FileBtf(type="file", path=tmp_path / "gone.btf")
    kernel = with_btf(setting, MovingSource())
    known = locked_with(kernel, Item(name="file", location="gone.btf", sha256="1"))

    found = compared(kernel, known, tmp_path / "cache")

    assert (found.state, found.now, found.reason) == ("stale", "kernel 2", "")


def test_row_that_has_its_checksums_is_pinned(moving: Moving, tmp_path: Path) -> None:
    found = compared(row(MovingSource(pinned=True)), Lock(), tmp_path)

    assert (found.state, found.locked) == ("pinned", "moving a")


def test_row_that_no_source_provides_is_unavailable(tmp_path: Path) -> None:
    source = UnavailableSource(type="unavailable", reason="not yet")

    found = compared(row(source), Lock(), tmp_path)

    assert (found.state, found.reason) == ("unavailable", "not yet")
