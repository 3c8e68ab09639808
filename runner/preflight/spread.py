"""On which kernels a finding is true, and from which one on."""

from collections.abc import Iterable
from dataclasses import dataclass

from runner.preflight.model import Finding, Prediction
from runner.preflight.targets import BtfSource

# More kernels than this are counted.
_MOST_NAMES = 4


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A finding with the kernels where it is true."""

    finding: Finding
    sources: tuple[BtfSource, ...]
    # "all kernels", "from 6.12 on", "5.10, 6.1".
    words: str


def spread_of(pairs: Iterable[tuple[BtfSource, Prediction]]) -> list[Spread]:
    """Return each finding once, with its kernels by their age.

    Its reason is that of the first kernel: later ones may have something else again.
    """
    known = list(pairs)
    order = sorted(
        {source.name: source for source, _ in known}.values(),
        key=lambda it: (it.version is None, it.version.filled() if it.version else ()),
    )
    rank = {source.name: number for number, source in enumerate(order)}
    found: dict[object, list[tuple[BtfSource, Finding]]] = {}
    for source, prediction in sorted(known, key=lambda it: rank[it[0].name]):
        for finding in prediction.findings:
            key = finding.name, finding.effect, finding.place, finding.reason
            found.setdefault(key, []).append((source, finding))
    return [
        Spread(
            finding=some[0][1],
            sources=tuple(source for source, _ in some),
            words=_words([rank[source.name] for source, _ in some], order),
        )
        for some in found.values()
    ]


def _words(ranks: list[int], order: list[BtfSource]) -> str:
    names = [order[it].name for it in ranks]
    if len(order) > 1 and len(ranks) == len(order):
        return "all kernels"
    if len(ranks) > 1 and ranks == list(range(ranks[0], len(order))):
        return f"from {names[0]} on"
    if len(names) <= _MOST_NAMES:
        return ", ".join(names)
    return f"{names[0]} … {names[-1]} ({len(names)} kernels)"
