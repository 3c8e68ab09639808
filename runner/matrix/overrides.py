"""A matrix for one run: rows whose kernel comes from a path on the command line."""

from collections.abc import Sequence
from pathlib import Path

from runner.errors import UsageError
from runner.matrix.matrix import Matrix, PathSource
from runner.text.nearest import near


def selection(
    selectors: Sequence[str] | None, overrides: Sequence[str], default: str
) -> list[str]:
    """Return which kernels are meant: those of overrides, when nothing else says."""
    if selectors:
        return list(selectors)
    return ids(overrides) or [default]


def ids(overrides: Sequence[str]) -> list[str]:
    """Return the ids of the rows that have another source."""
    return [word.partition("=")[0] for word in overrides]


def apply(rows: Matrix, overrides: Sequence[str]) -> Matrix:
    """Return the matrix with the kernels of some rows taken from paths.

    Raises UsageError for an id that the matrix lacks and a path that is not there.
    """
    sources = dict(_parse(rows, word) for word in overrides)
    if not sources:
        return rows
    return rows.model_copy(
        update={
            "kernels": tuple(
                kernel.with_source(sources[kernel.id])
                if kernel.id in sources
                else kernel
                for kernel in rows.kernels
            )
        }
    )


def _parse(rows: Matrix, word: str) -> tuple[str, PathSource]:
    id_, equals, text = word.partition("=")
    if not equals or not id_ or not text:
        raise UsageError(
            f"--kernel {word!r} is not ID=PATH",
            hint="for example: --kernel 4.4=linux-4.4/arch/x86/boot/bzImage",
        )
    known = [kernel.id for kernel in rows.kernels]
    if id_ not in known:
        raise UsageError(
            f"--kernel {word}: the matrix has no kernel {id_!r}"
            f"{near(id_, known, '', cutoff=0.5)}",
            hint=f"the matrix has {', '.join(known)}",
        )
    path = Path(text).expanduser().absolute()
    if not path.exists():
        raise UsageError(
            f"--kernel {word}: {path} does not exist",
            hint="PATH must be a bzImage, a folder that contains one, a .deb or an "
            ".rpm",
        )
    return id_, PathSource(type="path", image=path)
