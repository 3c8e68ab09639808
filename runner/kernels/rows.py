"""The rows of a matrix that a command is about, as its command line has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.files.cache import Cache
from runner.kernels import fetch, lock
from runner.matrix import environment, exact, overrides, selectors
from runner.matrix import matrix as matrix_
from runner.matrix.matrix import Kernel, Matrix


@dataclass(frozen=True, kw_only=True)
class KernelChoice:
    """What a command line says about kernels."""

    matrix: Path
    selectors: tuple[str, ...]
    # ID=PATH: rows whose kernel comes from a path.
    overrides: tuple[str, ...] = ()
    # Take nothing but what matrix.lock pins.
    locked: bool = False
    # KEY=VALUE: what the guests of all rows are like.
    guest: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ChosenKernels:
    """A matrix, and the rows of it that were chosen."""

    matrix: Matrix
    kernels: tuple[Kernel, ...]


def choose(choice: KernelChoice, cache: Cache) -> ChosenKernels:
    """Read matrix and lock, and select.

    Raises UsageError for what is wrong with either file, an override or a selector, and
    for a kernel that --locked asks for and the lock does not pin.
    """
    wanted = environment.parse(choice.guest)
    path = lock.path_of(choice.matrix)
    # What the command line names is meant as it is.
    named = overrides.ids(choice.overrides)
    rows = exact.apply(matrix_.load(choice.matrix), choice.selectors)
    matrix = lock.applied(
        overrides.apply(rows, choice.overrides),
        lock.read(path),
        lock.folder_of(choice.matrix),
        strict=choice.locked,
        free=named,
    )
    kernels = selectors.select(
        matrix, choice.selectors, lambda kernel: fetch.version_of(kernel, cache)
    )
    if choice.locked:
        lock.require([kernel for kernel in kernels if kernel.id not in named], path)
    return ChosenKernels(
        matrix=matrix, kernels=tuple(it.within(wanted) for it in kernels)
    )


def selectors_of(
    selectors: Sequence[str] | None, overrides_: Sequence[str], default: str
) -> tuple[str, ...]:
    """Return which kernels are meant: those of overrides, when nothing else says."""
    return tuple(overrides.selection(selectors, overrides_, default))
