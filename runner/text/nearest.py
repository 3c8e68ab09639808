"""What a mistyped word was meant to be."""

import difflib
import itertools
import re
from collections.abc import Collection, Iterable

# Names have parts: kernel.kptr_restrict, net/core.
_PARTS = re.compile(r"[./_-]")
# How alike two names are without the parts that both begin or end with.
_REST = 0.5


def nearest(
    word: str, known: Iterable[str], most: int = 1, *, cutoff: float = 0.6
) -> list[str]:
    """Return the known words that resemble one, the nearest first.

    The nearest is one that differs in case only. Parts that two names share are not
    enough: kernel.nosuch is not near kernel.arch.
    """
    words = list(known)
    same = [it for it in words if it.casefold() == word.casefold()]
    others = difflib.get_close_matches(word, words, max(len(words), 1), cutoff)
    others = [it for it in others if _differ_little(word, it)]
    return list(dict.fromkeys((*same, *others)))[:most]


def _differ_little(word: str, known: str) -> bool:
    mine, other = _PARTS.split(word), _PARTS.split(known)
    # Once from the front, and once from the back.
    for _ in range(2):
        pairs = zip(mine, other, strict=False)
        same = sum(1 for _ in itertools.takewhile(lambda it: it[0] == it[1], pairs))
        mine, other = mine[same:][::-1], other[same:][::-1]
    one, two = " ".join(mine), " ".join(other)
    # A part more is no other name, nor is a single letter.
    if not one or not two or max(len(one), len(two)) == 1:
        return True
    return difflib.SequenceMatcher(None, two, one).ratio() >= _REST


def did_you_mean(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return "did you mean 'btf'?", or nothing when no known word is near."""
    near = nearest(word, known, cutoff=cutoff)
    return f"did you mean {near[0]!r}?" if near else ""


def near(
    word: str,
    known: Collection[str],
    otherwise: str | None = None,
    *,
    cutoff: float = 0.6,
) -> str:
    """Return "; did you mean 'btf'?", or `otherwise`: by default, what is known."""
    if otherwise is None:
        otherwise = f"there are {', '.join(known)}" if known else ""
    words = did_you_mean(word, known, cutoff=cutoff) or otherwise
    return f"; {words}" if words else ""
