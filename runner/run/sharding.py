"""Spreading kernels over machines, so that each of them finds the same parts alone.

Machines do not talk to each other: what decides is the selection, in the matrix's
order, and the seconds of one earlier run that all of them are given. What a single
machine remembers of its own runs must not count.
"""

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from runner.errors import UsageError
from runner.results import RunResults

# Seconds that a kernel can take; a file that was edited may say anything.
_MOST = 1e9
_PART = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One of several parts of a run."""

    # From 1 on.
    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what "2/3" means. Raises UsageError."""
        found = _PART.fullmatch(text)
        if found is None or int(found[1]) > int(found[2]):
            raise UsageError(
                f"--shard {text}: must be K/N, with K from 1 to N",
                hint="for example --shard 1/3, 2/3 and 3/3 on three machines",
            )
        return cls(index=int(found[1]), count=int(found[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def partition(
    kernels: Sequence[str],
    count: int,
    seconds: Mapping[str, float],
    architectures: Mapping[str, str] = MappingProxyType({}),
) -> tuple[tuple[str, ...], ...]:
    """Return the kernels of each of `count` parts, about equally long.

    `architectures` are those of the kernels, by their ids. If there are enough parts,
    none has kernels of two: a machine suits one, under KVM. The longest goes first,
    each to the part that has least so far. Kernels whose seconds are not known count as
    the mean of those that are. Each part keeps the order of `kernels`; parts are empty
    when there are more of them than kernels.
    """
    weights = _weights(kernels, seconds)
    groups: dict[str, list[str]] = {}
    for kernel in kernels:
        groups.setdefault(architectures.get(kernel, ""), []).append(kernel)
    if len(groups) < 2 or count < len(groups):
        return _spread(kernels, count, weights)
    shares = _shares(list(groups.values()), count, weights)
    return tuple(
        part
        for own, share in zip(groups.values(), shares, strict=True)
        for part in _spread(own, share, weights)
    )


def _shares(
    groups: Sequence[Sequence[str]], count: int, weights: Mapping[str, float]
) -> list[int]:
    """Return how many of `count` parts each group of kernels gets, one at least.

    The next one goes to the group whose parts are the longest so far.
    """
    shares = [1] * len(groups)
    loads = [sum(weights[kernel] for kernel in group) for group in groups]
    for _ in range(count - len(groups)):
        # What has a part for each of its kernels needs no more.
        longest = max(
            range(len(groups)),
            key=lambda it: (shares[it] < len(groups[it]), loads[it] / shares[it]),
        )
        shares[longest] += 1
    return shares


def _spread(
    kernels: Sequence[str], count: int, weights: Mapping[str, float]
) -> tuple[tuple[str, ...], ...]:
    loads = [0.0] * count
    parts: list[list[str]] = [[] for _ in range(count)]
    # sorted() keeps the order of equals, and index() finds the first of equals.
    for kernel in sorted(kernels, key=weights.__getitem__, reverse=True):
        lightest = loads.index(min(loads))
        loads[lightest] += weights[kernel]
        parts[lightest].append(kernel)
    order = {kernel: number for number, kernel in enumerate(kernels)}
    return tuple(tuple(sorted(part, key=order.__getitem__)) for part in parts)


def _weights(
    kernels: Sequence[str], seconds: Mapping[str, float]
) -> Mapping[str, float]:
    # Whole milliseconds: sums of floats would depend on the order.
    known = {
        id_: max(1, round(it * 1000)) for id_, it in seconds.items() if 0 <= it <= _MOST
    }
    wanted = [known[id_] for id_ in kernels if id_ in known]
    usual = statistics.fmean(wanted) if wanted else 1
    return {id_: known.get(id_, round(usual)) for id_ in kernels}


def seconds_of(results: RunResults) -> dict[str, float]:
    """Return how long each kernel of a run took, less those that never came up."""
    found = {
        kernel.id: sum(kernel.boots) + sum(kernel.restores)
        for kernel in results.kernels
        if not kernel.error
    }
    for case in results.cases:
        if case.kernel in found:
            found[case.kernel] += case.duration
    return {id_: it for id_, it in found.items() if 0 <= it <= _MOST}


def total(kernels: Iterable[str], seconds: Mapping[str, float]) -> float | None:
    """Return how long kernels take together; None when that is not known."""
    wanted = list(kernels)
    if not all(id_ in seconds for id_ in wanted):
        return None
    return sum(seconds[id_] for id_ in wanted)
