"""What a mistyped word was meant to be."""

import difflib
from collections.abc import Collection, Iterable


def nearest(
    word: str, known: Iterable[str], most: int = 1, *, cutoff: float = 0.6
) -> list[str]:
    """Return the known words that resemble one, the nearest first.

    The nearest is one that differs in case only.
    """
    words = list(known)
    same = [it for it in words if it.casefold() == word.casefold()]
    others = difflib.get_close_matches(word, words, most, cutoff)
    return list(dict.fromkeys((*same, *others)))[:most]


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
