"""What the registers and the stack of a function may hold at one place of its code."""

from runner.preflight.values import MANY, UNKNOWN, Values, bounded, joined, part

# Where bytes of the stack are, from the frame pointer, and how many.
Slot = tuple[int, int]


class FlowState:
    """Registers, and slots of a function's own stack.

    A slot is what was written at once. At most one of two slots that overlap holds what
    was written last, the other one holds UNKNOWN; after a branch it may be either.
    """

    __slots__ = ("_owns", "_rest", "_slots", "registers")

    def __init__(self, registers: list[Values]) -> None:
        """Begin with registers, and with a stack that nothing was written to."""
        self.registers = registers
        self._slots: dict[Slot, Values] = {}
        # What all other slots hold.
        self._rest = UNKNOWN
        # Whether no other state has the same dictionary.
        self._owns = True

    def copy(self) -> "FlowState":
        """Return another one; the stack is copied when one of both is written to."""
        other = FlowState(self.registers.copy())
        other._slots, other._rest = self._slots, self._rest
        self._owns = other._owns = False
        return other

    def join(self, other: "FlowState") -> bool:
        """Take in another; tell whether that changed anything."""
        changed = False
        registers = self.registers
        for number, values in enumerate(other.registers):
            known = registers[number]
            # MANY is above all.
            if values is not known and known:
                both = joined(known, values)
                if both is not known and both != known:
                    registers[number], changed = both, True
        return self._join_stack(other) or changed

    def _join_stack(self, other: "FlowState") -> bool:
        if self._slots is other._slots and self._rest is other._rest:
            return False
        rest = joined(self._rest, other._rest)
        # Most slots are the same in both.
        differ = {slot for slot, _ in other._slots.items() - self._slots.items()}
        differ |= self._slots.keys() - other._slots.keys()
        if rest != self._rest or rest != other._rest:
            differ |= self._slots.keys()
        changes = {}
        for slot in differ:
            ours = self._slots.get(slot, self._rest)
            both = joined(ours, other._slots.get(slot, other._rest))
            if both != ours:
                changes[slot] = both
        if not changes and rest == self._rest:
            return False
        slots = {**self._slots, **changes}
        # What is as the rest is not kept.
        self._slots = {slot: it for slot, it in slots.items() if it != rest}
        self._rest, self._owns = rest, True
        return True

    # ------------------------------------------------------------ the stack

    def load(self, offset: int, size: int) -> Values:
        """Return what is in some bytes of the stack."""
        exact = self._slots.get((offset, size), self._rest)
        if None not in exact:
            return exact
        found, is_unknown = set(exact), True
        for (start, length), values in self._slots.items():
            covers = start <= offset and offset + size <= start + length
            if not covers or (start, length) == (offset, size):
                continue
            if not values:
                return MANY
            parts = {part(it, offset - start, size) for it in values}
            is_unknown = is_unknown and None in parts
            found |= parts
        if not is_unknown:
            found.discard(None)
        return bounded(frozenset(found))

    def store(self, offset: int, size: int, values: Values, *, sure: bool) -> None:
        """Write values; unless `sure`, it may be elsewhere that they are written."""
        slots = self._own()
        slot = offset, size
        for other in [
            it
            for it in slots
            if it[0] < offset + size and offset < it[0] + it[1] and it != slot
        ]:
            if sure:
                del slots[other]
            else:
                slots[other] = joined(slots[other], UNKNOWN)
        if not sure:
            values = joined(slots.get(slot, self._rest), values)
        if values == self._rest:
            slots.pop(slot, None)
        else:
            slots[slot] = values

    def store_anywhere(self, values: Values) -> None:
        """Write values nobody knows where to."""
        self._rest = joined(self._rest, values)
        both = joined(values, UNKNOWN)
        self._slots = {slot: joined(it, both) for slot, it in self._slots.items()}
        self._owns = True

    def doubt(self, offset: int | None) -> None:
        """Say that what is behind an offset, or anywhere, may be something else now."""
        slots = self._own()
        for slot, values in slots.items():
            if offset is None or slot[0] + slot[1] > offset:
                slots[slot] = joined(values, UNKNOWN)

    def _own(self) -> dict[Slot, Values]:
        if not self._owns:
            self._slots, self._owns = self._slots.copy(), True
        return self._slots
