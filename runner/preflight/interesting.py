"""The fewest kernels whose boots show all that others would."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

from runner.preflight import check
from runner.preflight.check import Result
from runner.preflight.cover import smallest_cover
from runner.preflight.targets import BtfSource


def representatives(
    objects: Sequence[Path],
    kernels: Sequence[str],
    sources: Sequence[BtfSource],
    index: Path,
    engine: Path,
) -> dict[str, tuple[str, ...]]:
    """Return which kernels to boot, each with those that it represents.

    `kernels` are the names of all; what is not among the sources can't be predicted,
    and represents itself. Raises RunnerError for an object that can't be used.
    """
    results = check.check(
        objects, sources, index, workers=check.processors(), engine=engine
    )
    return grouped(kernels, {it.source.name: it for it in results})


def grouped(
    kernels: Sequence[str], results: Mapping[str, Result]
) -> dict[str, tuple[str, ...]]:
    """Return the fewest kernels that show what every object does on any of them.

    Each with those that it represents; what several show together is with all of them.
    Objects do not meet in a guest, so that their predictions count one by one.
    """
    shapes = [_shapes(name, results.get(name)) for name in kernels]
    chosen = smallest_cover(shapes)
    behind: dict[int, list[str]] = {number: [] for number in chosen}
    for number, name in enumerate(kernels):
        if number not in behind:
            shown = [shapes[number] & shapes[other] for other in chosen]
            for at in smallest_cover(shown):
                behind[chosen[at]].append(name)
    return {kernels[number]: tuple(them) for number, them in behind.items()}


def _shapes(name: str, result: Result | None) -> frozenset[Hashable]:
    if result is None or result.error or not result.predictions:
        return frozenset([name])
    return frozenset((number, it.shape) for number, it in enumerate(result.predictions))
