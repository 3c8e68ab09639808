"""The fewest kernels whose boots show all that others would."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from runner.preflight import check
from runner.preflight.check import Result
from runner.preflight.targets import Source


def representatives(
    objects: Sequence[Path],
    kernels: Sequence[str],
    sources: Sequence[Source],
    index: Path,
) -> dict[str, tuple[str, ...]]:
    """Return which kernels to boot, each with those that it stands for.

    `kernels` are the names of all; what is not among the sources can't be predicted,
    and stands for itself. Raises RunnerError for an object that can't be used.
    """
    results = check.check(objects, sources, index, workers=check.processors())
    return grouped(kernels, {it.source.name: it for it in results})


def grouped(
    kernels: Iterable[str], results: Mapping[str, Result]
) -> dict[str, tuple[str, ...]]:
    """Return the first kernel of each class, with the others of it."""
    classes: dict[object, list[str]] = {}
    for name in kernels:
        result = results.get(name)
        shape: object = name
        if result is not None and not result.error:
            shape = tuple(it.shape for it in result.predictions)
        classes.setdefault(shape, []).append(name)
    return {first: tuple(others) for first, *others in classes.values()}
