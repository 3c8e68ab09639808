"""matrix.lock: what the sources of a matrix were resolved to, file by file."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, SerializeAsAny

from runner.arch import DEFAULT
from runner.errors import UsageError
from runner.files import modelfile, yamltext
from runner.files.cache import Cache
from runner.kernels.btf import PinnedBtf
from runner.kernels.fetch import PinnedKernel
from runner.kernels.sources import providers
from runner.kernels.sources.source import FOREVER, Collected, Item, Pin, Workplace
from runner.matrix.matrix import BaseSource, Kernel, Matrix

_HEADER = "# Made by `python -m runner lock`; runs with --locked accept nothing else.\n"


class Locked(BaseModel):
    """One source of a row, as it was resolved."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # The source as the matrix has it; another one is not what was locked.
    source: dict[str, JsonValue]
    pin: Pin
    # The row's architecture.
    arch: str = DEFAULT
    # What the row's BTF was made of, besides the files of `pin`.
    btf: tuple[Item, ...] = ()


class Lock(BaseModel):
    """A whole lock file.

    `folder` is its own and the matrix's, absolute. What lies below it is written
    relative to it, so that a lock is the same on every machine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # By the row's id.
    kernels: dict[str, Locked] = {}

    def of_source(
        self, kernel: Kernel, source: BaseSource, folder: Path
    ) -> Locked | None:
        """Return what a row's source was resolved to, if it still is that source."""
        locked = self.kernels.get(kernel.id)
        if locked is None or locked.arch != kernel.arch:
            return None
        if locked.source != described(source, folder):
            return None
        return locked

    def of(self, ids: Collection[str]) -> "Lock":
        """Return a lock of some rows."""
        kept = {id_: it for id_, it in self.kernels.items() if id_ in ids}
        return Lock(kernels=kept)

    def with_pinned(self, kernel: Kernel, pinned: PinnedKernel, folder: Path) -> "Lock":
        """Return a lock in which a row is pinned again."""
        locked = Locked.model_validate(
            {
                "source": described(pinned.source, folder),
                "arch": kernel.arch,
                "pin": _portable(pinned.pin.model_dump(mode="json"), folder),
                "btf": [
                    _portable(item.model_dump(mode="json"), folder)
                    for item in pinned.btf
                ],
            }
        )
        return Lock(kernels={**self.kernels, kernel.id: locked})


class PinnedSource(BaseSource):
    """A source that stands for the files of a lock, and for nothing else."""

    source: SerializeAsAny[BaseSource]
    pin: Pin

    @property
    def shown(self) -> str:
        """Return the source that was locked."""
        return self.source.shown

    @property
    def release(self) -> str:
        """What the source that was locked says."""
        return self.source.release

    @property
    def trusted(self) -> tuple[str | Path, ...]:
        """What the source that was locked says: the files are checked as ever."""
        return self.source.trusted


class _PinnedProvider:
    """The provider of pinned sources: the pin is known, the rest is as ever."""

    def resolve(self, source: PinnedSource, cache: Cache) -> Pin:
        """Return the pin."""
        return source.pin

    def collect(self, pin: Pin, source: PinnedSource, work: Workplace) -> Collected:
        """Get the pinned files as the source's own provider does."""
        work = replace(work, locked=True)
        return providers.of(source.source).collect(pin, source.source, work)


providers.register(PinnedSource, _PinnedProvider(), FOREVER)


def path_of(matrix: Path) -> Path:
    """Return where a matrix's lock lies: matrix.lock next to matrix.yaml."""
    return matrix.parent / f"{matrix.stem}.lock"


def folder_of(matrix: Path) -> Path:
    """Return the folder that a matrix's paths are relative to."""
    return matrix.absolute().parent


def read(path: Path) -> Lock:
    """Return a lock; an empty one when there is no file. Raises UsageError."""
    if not path.exists():
        return Lock()
    return modelfile.load(path, Lock)[0]


def text(lock: Lock) -> str:
    """Return a lock file's text: the same for the same lock."""
    data = lock.model_dump(mode="json", exclude_defaults=True)
    return _HEADER + yamltext.text(data, width=10_000, sort_keys=True)


def applied(
    matrix: Matrix,
    lock: Lock,
    folder: Path,
    *,
    strict: bool,
    free: Collection[str] = (),
) -> Matrix:
    """Return a matrix, which lies in a folder, whose rows represent what is locked.

    Only sources that can't move are bound, if not `strict`: a snapshot of Debian's
    archive is, a suite of it is not. If `strict`, all are, and so is their BTF; those
    that neither a lock nor the matrix itself pins are dropped. Rows whose ids are
    `free` stay as they are.
    """
    if not strict and lock == Lock():
        return matrix
    rows = (
        kernel if kernel.id in free else _applied(kernel, lock, folder, strict=strict)
        for kernel in matrix.kernels
    )
    return matrix.model_copy(update={"kernels": tuple(rows)})


def _applied(kernel: Kernel, lock: Lock, folder: Path, *, strict: bool) -> Kernel:
    sources: list[BaseSource] = []
    files: tuple[Item, ...] = ()
    for source in kernel.sources:
        locked = lock.of_source(kernel, source, folder)
        if locked is not None and (strict or providers.freshness(source) == FOREVER):
            sources.append(PinnedSource(source=source, pin=locked.pin))
            files = locked.btf
        elif not strict or source.tells_checksums:
            sources.append(source)
    # A row that a strict lock leaves nothing of is refused when it is selected.
    bound = kernel.with_source(tuple(sources or kernel.sources))
    if not strict:
        return bound
    pinned = PinnedBtf(setting=kernel.btf, items=files)
    return bound.model_copy(update={"btf": pinned})


def require(kernels: Sequence[Kernel], path: Path) -> None:
    """Refuse kernels that could be another one tomorrow.

    `kernels` are rows to which a lock was applied strictly. Raises UsageError.
    """
    loose = [kernel.id for kernel in kernels if not _is_bound(kernel)]
    if loose:
        raise UsageError(
            f"--locked: {path} does not pin {', '.join(loose)} as in the matrix",
            hint=f"python -m runner lock --kernels {','.join(loose)}",
        )


def _is_bound(kernel: Kernel) -> bool:
    return all(
        isinstance(source, PinnedSource) or source.tells_checksums
        for source in kernel.sources
    )


def described(source: BaseSource, folder: Path) -> dict[str, JsonValue]:
    """Return a source as a matrix file of a folder has it."""
    data = source.model_dump(mode="json", exclude_defaults=True)
    return {key: _portable(value, folder) for key, value in data.items()}


def _portable(value: JsonValue, folder: Path) -> JsonValue:
    """Return data in which paths are as a matrix file has them.

    LocalPath of runner.matrix made them absolute.
    """
    match value:
        case str():
            for place, written in ((folder, ""), (Path.home(), "~/")):
                if value.startswith(f"{place}/"):
                    return f"{written}{value.removeprefix(f'{place}/')}"
            return value
        case list():
            return [_portable(item, folder) for item in value]
        case dict():
            return {key: _portable(item, folder) for key, item in value.items()}
        case _:
            return value
