"""The fewest sets that cover everything: exact, by branch and bound."""

from collections.abc import Hashable, Sequence

# How often a set is looked at, at most: seconds. What takes more is as good as what was
# found till then.
_PATIENCE = 20_000_000


def smallest_cover(sets: Sequence[frozenset[Hashable]]) -> list[int]:
    """Return which sets cover what they all hold, the fewest, the earliest of equals.

    Hundreds of sets that overlap in every way are given up in time: then it may have a
    few too many, and still lacks nothing.
    """
    numbers: dict[Hashable, int] = {}
    for each in sets:
        for element in each:
            numbers.setdefault(element, len(numbers))
    masks = [sum(1 << numbers[it] for it in each) for each in sets]
    return sorted(_Search(masks, (1 << len(numbers)) - 1).best)


class _Search:
    """One search; sets are bits."""

    def __init__(self, masks: Sequence[int], everything: int) -> None:
        self._masks = masks
        # Branches, each of which looks at every set for everything that is missing.
        self._patience = _PATIENCE // (1 + len(masks) * everything.bit_length())
        self.best = self._greedy(everything)
        self._branch((), everything)

    def _greedy(self, missing: int) -> tuple[int, ...]:
        chosen: list[int] = []
        while missing:
            chosen.append(self._by_gain(missing)[0])
            missing &= ~self._masks[chosen[-1]]
        return tuple(chosen)

    def _by_gain(self, missing: int, among: int = -1) -> list[int]:
        """Return the sets that hold one of `among`, those first that add most."""
        holders = [n for n, it in enumerate(self._masks) if it & missing & among]
        return sorted(holders, key=lambda n: -(self._masks[n] & missing).bit_count())

    def _branch(self, chosen: tuple[int, ...], missing: int) -> None:
        if not missing:
            if len(chosen) < len(self.best):
                self.best = chosen
            return
        self._patience -= 1
        most = max((it & missing).bit_count() for it in self._masks)
        least = -(-missing.bit_count() // most)
        if self._patience < 0 or len(chosen) + least >= len(self.best):
            return
        # Of what is missing, that which the fewest sets hold: often only one.
        rarest = min(_bits(missing), key=self._holders)
        for number in self._by_gain(missing, rarest):
            self._branch((*chosen, number), missing & ~self._masks[number])

    def _holders(self, bit: int) -> int:
        return sum(1 for it in self._masks if it & bit)


def _bits(mask: int) -> list[int]:
    return [1 << place for place in range(mask.bit_length()) if mask >> place & 1]
