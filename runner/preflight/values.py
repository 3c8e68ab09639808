"""The values that dataflow follows, and the sets of them that a place may hold.

Sets are ordered: a set is below another one that holds all of its values, and MANY is
above all. Joining two gives the least one above both, whichever comes first.
"""

from collections.abc import Iterable
from enum import IntEnum, auto
from typing import NamedTuple

from runner.preflight.references import Address

# Values that a register or slot may have before it counts as MANY, and how many of them
# may be of one origin, or numbers: loops that count or step through memory end soon.
_MOST_VALUES = 8
_MOST_OFFSETS = 2
# Reads behind each other that are told apart: a->b->c->d.
_DEEPEST = 6
_MASK = (1 << 64) - 1


class OriginKind(IntEnum):
    """What a value comes from."""

    # The first argument of a program.
    CONTEXT = auto()
    # What a helper or kfunc returned.
    CALL = auto()
    # What a helper gives a function that it calls back: a struct (`name`).
    GIVEN = auto()
    # What was read from memory: by an instruction, or by a helper that copies.
    LOADED = auto()
    # The frame pointer of a function.
    FRAME = auto()
    # A variable of the kernel, by its `name`.
    EXTERN = auto()
    # A map, or a variable of the object, that holds pointers to the kernel's structs.
    HOLDER = auto()
    # The address of a function of the object, which begins `at` this instruction.
    FUNCTION = auto()
    # Something that says nothing of what it points to. All such pointers are one value,
    # until a relocation says which struct it is.
    UNTYPED = auto()


# Tuples, because hundreds of thousands are made, compared and looked for.
class ValueOrigin(NamedTuple):
    """Where a value comes from."""

    kind: OriginKind
    # The instruction that made it; of contexts and frames the function's first.
    at: Address
    # The number of the helper, or the name of the kfunc, variable or struct.
    helper: int = 0
    name: str = ""
    # The address that was read, or the argument that decides what a call returns.
    base: "Value | None" = None
    # Bytes that were read; 0 where that is not known.
    size: int = 0


class Value(NamedTuple):
    """What a register or a slot of the stack may hold."""

    # None for a number.
    origin: ValueOrigin | None
    # Bytes from the origin, or the number, as the object has it.
    offset: int
    # The instructions with CO-RE relocations that `offset` was made of.
    relocations: tuple[Address, ...] = ()

    @property
    def needs(self) -> frozenset[Address]:
        """Return the instructions without which it does not exist."""
        found = set(self.relocations)
        value: Value | None = self
        while value and value.origin:
            if value.origin.kind is not OriginKind.UNTYPED:
                found.add(value.origin.at)
            value = value.origin.base
            found.update(value.relocations if value else ())
        return frozenset(found)

    @property
    def is_untyped(self) -> bool:
        """Whether it is a pointer that nothing is known of."""
        origin = self.origin
        is_untyped = origin is not None and origin.kind is OriginKind.UNTYPED
        return is_untyped and not self.relocations

    @property
    def is_known(self) -> bool:
        """Whether it may decide what a call returns."""
        origin = self.origin
        if origin is None:
            return bool(self.relocations)
        return origin.kind is not OriginKind.FRAME and not self.is_untyped

    def moved(self, by: int, relocations: tuple[Address, ...] = ()) -> "Value":
        """Return it some bytes further on."""
        if (not by or self.is_untyped) and not relocations:
            return self
        both = self.relocations
        if self.is_untyped:
            origin = ValueOrigin(OriginKind.UNTYPED, relocations[-1])
            return Value(origin, by, relocations)
        if relocations:
            both = tuple(dict.fromkeys((*both, *relocations)))
        return Value(self.origin, self.offset + by, both)


# All pointers that nothing is known of; it is made nowhere.
_NOWHERE = (-1, -1)
UNTYPED = Value(ValueOrigin(OriginKind.UNTYPED, _NOWHERE), 0)

# None is any value that nobody knows.
Values = frozenset[Value | None]
UNKNOWN: Values = frozenset({None})
POINTER: Values = frozenset({UNTYPED})
# More values than are told apart. No place holds less than one, so the empty set stands
# for that: what is done with each value of a set then makes MANY of MANY.
MANY: Values = frozenset()


def bounded(values: Values) -> Values:
    """Return a set, or MANY in place of one that is too large."""
    if len(values) <= _MOST_OFFSETS:
        return values
    if len(values) > _MOST_VALUES:
        return MANY
    counts: dict[ValueOrigin | None, int] = {}
    for it in values:
        if it is not None:
            count = counts.get(it.origin, 0) + 1
            if count > _MOST_OFFSETS:
                return MANY
            counts[it.origin] = count
    return values


def joined(a: Values, b: Values) -> Values:
    """Return what may be in a place that holds one or the other."""
    if a is b:
        return a
    if not a or not b:
        return MANY
    return a if b <= a else bounded(a | b)


def in_order(values: Iterable[Value | None]) -> list[Value]:
    """Return the known ones of some values, in the same order in each process."""
    known = [it for it in values if it is not None]
    if len(known) > 1:
        known.sort(key=_sort_key)
    return known


def _sort_key(value: Value) -> tuple[object, ...]:
    origin = value.origin
    if origin is None:
        return 0, value.offset, value.relocations
    base = () if origin.base is None else _sort_key(origin.base)
    kind, called = origin.kind.value, (origin.helper, origin.name)
    made = kind, origin.at, called, origin.size, base
    return 1, value.offset, value.relocations, made


def without_numbers(values: Values) -> Values:
    """Return a set whose numbers nobody knows, but for those that are relocated."""
    for it in values:
        if it is not None and it.origin is None and not it.relocations:
            break
    else:
        return values
    return frozenset(
        None if it is None or (it.origin is None and not it.relocations) else it
        for it in values
    )


def only_numbers(values: Values, mask: int) -> Values:
    """Return what is left of a set in a narrower register: parts of numbers."""
    return frozenset(
        Value(None, it.offset & mask, it.relocations)
        if it is not None and it.origin is None
        else None
        for it in values
    )


def sums(left: Values, right: Values, *, minus: bool) -> Values:
    """Return what comes of adding each two values, or of taking one away."""
    if len(left) == len(right) == 1:
        (a,), (b,) = left, right
        if a is UNTYPED and b is not None and not (b.origin or b.relocations):
            return left
        return frozenset((_sum(a, b, minus=minus),))
    return bounded(frozenset(_sum(a, b, minus=minus) for a in left for b in right))


def _sum(a: Value | None, b: Value | None, *, minus: bool) -> Value | None:
    if a is None or b is None:
        return None
    if a.origin is None and b.origin is None:
        # What is added to numbers counts something. Nobody asks how much, and loops
        # would be followed once for each count.
        return None
    if b.origin is None:
        # A relocated number that is taken away would have to be counted backwards.
        if minus and b.relocations:
            return None
        return a.moved(
            -_signed(b.offset) if minus else _signed(b.offset), b.relocations
        )
    if a.origin is None and not minus:
        return b.moved(_signed(a.offset), a.relocations)
    return None


def _signed(number: int) -> int:
    number &= _MASK
    return number - (1 << 64) if number >> 63 else number


def number(values: Values) -> int | None:
    """Return the number that values are, if they are all the same one."""
    if len(values) != 1:
        return None
    (value,) = values
    return value.offset if value is not None and value.origin is None else None


def read(at: Address, address: Value, size: int) -> Value | None:
    """Return what a read gives, from an address whose origin is known."""
    if address.is_untyped:
        return UNTYPED
    if _is_far(at, address):
        return None
    return Value(ValueOrigin(OriginKind.LOADED, at, base=address, size=size), 0)


def result(at: Address, helper: int, name: str, argument: Value | None) -> Value:
    """Return what a call gives that one of its arguments decides."""
    is_known = argument is not None and argument.is_known
    if argument is None or not is_known or _is_far(at, argument):
        return UNTYPED
    origin = ValueOrigin(OriginKind.CALL, at, helper, name, argument)
    return Value(origin, 0)


def _is_far(at: Address, value: Value) -> bool:
    """Tell whether a value is made of too many others, or of this place's own."""
    depth, origin = 0, value.origin
    while origin and origin.base:
        depth += 1
        # A loop that walks a list reads at the same place again and again.
        if origin.at == at or depth > _DEEPEST:
            return True
        origin = origin.base.origin
    return False


def part(value: Value | None, offset: int, size: int) -> Value | None:
    """Return some bytes of what was read at once."""
    if value and value.is_untyped:
        return UNTYPED
    origin = value.origin if value and not value.offset else None
    if origin is None or origin.kind is not OriginKind.LOADED or origin.base is None:
        return None
    base = origin.base.moved(offset)
    return Value(ValueOrigin(OriginKind.LOADED, origin.at, base=base, size=size), 0)


def is_elsewhere(value: Value | None) -> bool:
    """Tell whether it points to memory that is not a function's stack.

    Pointers that nothing is known of do not count.
    """
    if value is None or value.origin is None:
        return False
    own = (OriginKind.FRAME, OriginKind.FUNCTION)
    return value.origin.kind not in own and not value.is_untyped
