"""Bytes of a map, or of a record, as the values that bpftool makes of them.

Values have bpftool's own oddities: each is described where it is copied. Checked
against bpftool 7.1.
"""

import string
from collections.abc import Callable, Mapping

from pydantic import JsonValue

from runner.bpf.bpftool import UNSUPPORTED, with_inner_members
from runner.bpf.btf import Btf, BtfError, Type
from runner.bpf.kinds import Kind

# What BTF says of an integer: BTF_INT_SIGNED and the like.
SIGNED, CHAR, BOOL = 1, 2, 4
_POINTER_SIZE = 8
_QUALIFIERS = (Kind.VOLATILE, Kind.CONST, Kind.RESTRICT)
_PRINTABLE = frozenset(string.printable) - frozenset("\t\n\r\x0b\x0c")
_MOST_VALUES = 1_000_000


class GivenUpError(Exception):
    """bpftool stops here, and closes what is open; `value` is what it has so far."""

    def __init__(self, value: JsonValue) -> None:
        super().__init__(value)
        self.value = value


class Formatter:
    """Makes values of bytes, by the types of an object."""

    def __init__(self, btf: Btf) -> None:
        self._btf = btf
        # How many more values may be made: types within types can be many.
        self._left = _MOST_VALUES
        self._formatters: Mapping[Kind, Callable[[Type, bytes, int], JsonValue]] = {
            Kind.INT: self._integer,
            Kind.PTR: lambda type_, data, bit: self._unsigned(data[:_POINTER_SIZE]),
            Kind.ARRAY: self._array,
            Kind.STRUCT: self._members,
            Kind.UNION: self._members,
            Kind.ENUM: self._enumeration,
            Kind.ENUM64: self._enumeration,
        }

    def value(self, type_: int, data: bytes) -> JsonValue:
        """Return bytes as a value of a type.

        Raises GivenUpError where bpftool goes no further, BtfError for types that are
        damaged or do not fit the bytes.
        """
        try:
            return self._value(type_, data, 0)
        except (RecursionError, IndexError, ValueError) as error:
            raise BtfError(f"the object's BTF is damaged: {error}") from error

    def partial(self, type_: int, data: bytes) -> JsonValue:
        """Return the same, where bpftool stops with what it has by then."""
        try:
            return self.value(type_, data)
        except GivenUpError as given_up:
            return given_up.value

    def _value(self, type_: int, data: bytes, bit: int) -> JsonValue:
        self._left -= 1
        if self._left < 0:
            raise BtfError(f"a map holds more than {_MOST_VALUES} values")
        found = self._btf.resolved(type_)
        if found.kind not in self._formatters:
            raise GivenUpError(UNSUPPORTED)
        return self._formatters[found.kind](found, data, bit)

    def _integer(self, type_: Type, data: bytes, bit: int) -> JsonValue:
        it = self._btf.integer(type_)
        if bit or it.offset or it.bits not in (8, 16, 32, 64, 128):
            return self._bit_field(data, bit + it.offset, it.bits)
        content = data[: it.bits // 8]
        if it.bits == 128:
            return f"{self._unsigned(content):#x}"
        if it.encoding == BOOL:
            return bool(content[0])
        if it.encoding == CHAR:
            return chr(content[0])
        signed = it.encoding == SIGNED
        return int.from_bytes(content, self._btf.byteorder, signed=signed)

    def _array(self, type_: Type, data: bytes, bit: int) -> JsonValue:
        element, length = self._btf.array(type_)
        size = self._btf.size(element)
        if size * length > len(data):
            raise BtfError("an array of the object's BTF is larger than its value")
        if is_text(self._btf, element) and (text := _text(data[:length])) is not None:
            return text
        shown: list[JsonValue] = []
        for number in range(length):
            try:
                item = data[number * size : (number + 1) * size]
                shown.append(self._value(element, item, 0))
            except GivenUpError as given_up:
                raise GivenUpError([*shown, given_up.value]) from given_up
        return shown

    def _members(self, type_: Type, data: bytes, bit: int) -> JsonValue:
        shown: list[tuple[str, JsonValue]] = []
        for member in self._btf.members(type_):
            content, within = data[member.bit // 8 :], member.bit % 8
            try:
                value = (
                    self._bit_field(content, within, member.bits)
                    if member.bits
                    else self._value(member.type_id, content, within)
                )
            except GivenUpError as given_up:
                shown.append((member.name, given_up.value))
                raise GivenUpError(with_inner_members(shown)) from given_up
            shown.append((member.name, value))
        return with_inner_members(shown)

    def _enumeration(self, type_: Type, data: bytes, bit: int) -> JsonValue:
        if type_.size not in (1, 2, 4, 8):
            raise GivenUpError(UNSUPPORTED)
        # bpftool takes the old kind as signed, whatever its flag.
        signed = type_.flag or type_.kind is Kind.ENUM
        content = data[: type_.size]
        value = int.from_bytes(content, self._btf.byteorder, signed=signed)
        known = (name for name, it in self._btf.enumerators(type_) if it == value)
        return next(known, value)

    def _bit_field(self, data: bytes, bit: int, bits: int) -> str:
        taken = self._unsigned(data[: (bit + bits + 7) // 8]) >> bit
        return f"{taken & (1 << bits) - 1:#x}"

    def _unsigned(self, data: bytes) -> int:
        return int.from_bytes(data, self._btf.byteorder)


def is_text(btf: Btf, element: int) -> bool:
    """Whether bpftool shows an array of these elements as text."""
    integer = btf.resolved(element)
    if integer.kind is not Kind.INT or integer.size != 1:
        return False
    # It looks behind const and volatile, but a typedef of char is not text.
    found = btf.type(element)
    while found.kind in _QUALIFIERS:
        found = btf.type(found.refers_to)
    is_char = btf.integer(integer).encoding == CHAR or integer.name == "char"
    return found.kind is Kind.INT and is_char


def _text(data: bytes) -> str | None:
    """Return an array of characters as text if it is printable and ends in a NUL."""
    text, end, _ = data.decode("latin-1").partition("\0")
    return text if end and _PRINTABLE.issuperset(text) else None
