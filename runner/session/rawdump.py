"""Raw rows of a map as the text that `bpftool -j map dump` prints of them.

bpftool asks for maps by their ids, which kernels have since 4.13; below that the agent
reads the rows, and this formats them by the object's own BTF. Text, and not values, so
that both ways go through one reader (runner.bpf.bpftool), with bpftool's oddities:
they are told where they are copied. Checked against bpftool 7.1.

Left out is global data, which no kernel has that has no ids (5.2).
"""

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from elftools.elf.elffile import ELFFile

from runner.agent import RawDump, RawRow
from runner.bpf import btf as btf_format
from runner.bpf.btf import Btf
from runner.errors import ArtifactError

_INT, _PTR, _ARRAY, _STRUCT, _UNION, _ENUM, _FWD = 1, 2, 3, 4, 5, 6, 7
_MODIFIERS = (8, 9, 10, 11)  # TYPEDEF, VOLATILE, CONST, RESTRICT
_DATASEC, _ENUM64 = 15, 19
_TYPE = struct.Struct("<III")
_MEMBER = struct.Struct("<III")
_SIGNED, _CHAR, _BOOL = 1, 2, 4
_POINTER_SIZE = 8
# Modifiers behind each other, and types within each other: more only in a circle.
_DEEPEST = 64
_MOST_VALUES = 1_000_000


class GivenUpError(Exception):
    """bpftool stops here, and closes what is open; `text` is what it printed so far."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a type lies in memory, behind typedefs and qualifiers."""

    what: Literal["number", "array", "members", "other"]
    # Bytes.
    size: int
    # Of an enumeration.
    enumerators: Mapping[str, int] = field(default_factory=dict)
    # Of an array: the element's type, how many there are, and whether they are text.
    element: int = 0
    length: int = 0
    is_text: bool = False
    # Of a struct or union, by name: type, and bytes from its start or None for a bit
    # field.
    members: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)


@dataclass
class Types:
    """The types of an object."""

    btf: Btf
    # How many values may still be formatted: types within types can be many.
    left: int = _MOST_VALUES

    @classmethod
    def of_object(cls, data: bytes) -> "Types":
        """Read an object's BTF. Raises ArtifactError for what is damaged."""
        section = ELFFile(io.BytesIO(data)).get_section_by_name(".BTF")
        if section is None:
            raise ArtifactError("the object has no BTF")
        return cls(btf_format.parse(section.data()))

    @cached_property
    def _formatters(self) -> dict[int, Callable[[int, bytes, int], str]]:
        return {
            _INT: self._integer,
            _PTR: lambda start, data, bit: str(_unsigned(data[:_POINTER_SIZE])),
            _ARRAY: self._array,
            _STRUCT: self._members,
            _UNION: self._members,
            _ENUM: self._enum,
            _ENUM64: self._enum64,
        }

    def formatted(self, type_: int, data: bytes) -> str:
        """Return bytes as a type, in JSON as bpftool prints it.

        Raises GivenUpError where bpftool goes no further, ArtifactError for types that
        can't be.
        """
        try:
            return self._format(type_, data, 0)
        except (struct.error, RecursionError, IndexError, ValueError) as error:
            raise ArtifactError(f"the object's BTF is damaged: {error}") from error

    def is_global_data(self, type_: int) -> bool:
        """Whether a type is a section of variables."""
        return self._head(self._start(type_))[1] == _DATASEC

    def struct(self, name: str) -> int:
        """Return the number of the struct of a name. Raises ArtifactError for none."""
        for number, start in enumerate(self.btf.offsets, 1):
            at, kind, _, _, _ = self._head(start)
            if kind == _STRUCT and self.btf.text(at) == name:
                return number
        raise ArtifactError(f"the object's BTF has no struct {name}")

    def sections(self) -> dict[str, list[tuple[str, int]]]:
        """Return the names and types of the variables of each section."""
        found: dict[str, list[tuple[str, int]]] = {}
        for start in self.btf.offsets:
            at, kind, count, _, _ = self._head(start)
            if kind == _DATASEC:
                words = self._words(start, 3 * count)
                heads = [self._head(self._start(word)) for word in words[::3]]
                found[self.btf.text(at)] = [
                    (self.btf.text(name), type_) for name, *_, type_ in heads
                ]
        return found

    def members(self, type_: int) -> list[tuple[str, int]]:
        """Return the names and types of a struct's members."""
        start = self._resolved(type_)
        count = self._head(start)[2]
        words = self._words(start, 3 * count)
        return [
            (self.btf.text(name), inner)
            for name, inner in zip(words[::3], words[1::3], strict=True)
        ]

    def pointed_at(self, type_: int) -> int:
        """Return the type that a pointer's type points at."""
        return self._head(self._resolved(type_))[4]

    def size(self, type_: int) -> int:
        """Return a type's size in bytes."""
        return self._size(type_)

    def layout(self, type_: int) -> Layout:
        """Return how a type lies in memory. Raises ArtifactError for a damaged one."""
        try:
            return self._layout(type_)
        except (struct.error, RecursionError, IndexError, ValueError) as error:
            raise ArtifactError(f"the object's BTF is damaged: {error}") from error

    def _layout(self, type_: int) -> Layout:
        start, size = self._resolved(type_), self._size(type_)
        _, kind, count, flag, _ = self._head(start)
        match kind:
            case _ if kind == _INT:
                return Layout(what="number", size=size)
            case _ if kind in (_ENUM, _ENUM64):
                return Layout(
                    what="number", size=size, enumerators=self._enumerators(start)
                )
            case _ if kind == _ARRAY:
                element, _, length = self._words(start, 3)
                return Layout(
                    what="array",
                    size=size,
                    element=element,
                    length=length,
                    is_text=self._is_text(element),
                )
            case _ if kind in (_STRUCT, _UNION):
                words = self._words(start, 3 * count)
                rows = zip(words[::3], words[1::3], words[2::3], strict=True)
                return Layout(
                    what="members",
                    size=size,
                    members={
                        self.btf.text(name): (inner, _whole(offset, flag=flag))
                        for name, inner, offset in rows
                    },
                )
        return Layout(what="other", size=size)

    def _enumerators(self, start: int) -> dict[str, int]:
        _, kind, count, _, _ = self._head(start)
        words = self._words(start, (2 if kind == _ENUM else 3) * count)
        if kind == _ENUM:
            pairs = zip(words[::2], words[1::2], strict=True)
        else:
            values = (
                low | high << 32
                for low, high in zip(words[1::3], words[2::3], strict=True)
            )
            pairs = zip(words[::3], values, strict=True)
        return {self.btf.text(name): value for name, value in pairs}

    # ------------------------------------------------------------- types

    def _start(self, type_: int) -> int:
        if not 1 <= type_ <= len(self.btf.offsets):
            raise ArtifactError(f"the object's BTF names a type {type_} that is none")
        return self.btf.offsets[type_ - 1]

    def _head(self, start: int) -> tuple[int, int, int, bool, int]:
        """Return name, kind, count of members, kind flag, and size or type."""
        name, info, size = _TYPE.unpack_from(self.btf.data, start)
        return name, info >> 24 & 0x1F, info & 0xFFFF, bool(info >> 31), size

    def _resolved(self, type_: int) -> int:
        """Return where the type behind typedefs and qualifiers begins."""
        for _ in range(_DEEPEST):
            start = self._start(type_)
            _, kind, _, _, type_ = self._head(start)
            if kind not in _MODIFIERS:
                return start
        raise ArtifactError("the object's BTF goes in circles")

    def _words(self, start: int, count: int) -> tuple[int, ...]:
        return struct.unpack_from(f"<{count}I", self.btf.data, start + _TYPE.size)

    def _size(self, type_: int) -> int:
        start = self._resolved(type_)
        _, kind, _, _, size = self._head(start)
        if kind == _PTR:
            return _POINTER_SIZE
        if kind == _ARRAY:
            element, _, length = self._words(start, 3)
            return self._size(element) * length
        return size

    # --------------------------------------------------------- formatters

    def _format(self, type_: int, data: bytes, bit: int) -> str:
        self.left -= 1
        if self.left < 0:
            raise ArtifactError(f"a map holds more than {_MOST_VALUES} values")
        if type_ == 0:
            return "(unknown)"
        start = self._resolved(type_)
        _, kind, *_ = self._head(start)
        if kind == _FWD:
            raise GivenUpError("(fwd-kind-invalid)")
        if kind not in self._formatters:
            raise GivenUpError("(unsupported-kind")
        return self._formatters[kind](start, data, bit)

    def _integer(self, start: int, data: bytes, bit: int) -> str:
        (word,) = self._words(start, 1)
        encoding, offset, bits = word >> 24 & 0xF, word >> 16 & 0xFF, word & 0xFF
        if bit or offset or bits not in (8, 16, 32, 64, 128):
            return _bit_field(data, bit + offset, bits)
        content = data[: bits // 8]
        if bits == 128:
            return f'"{_unsigned(content):#x}"'
        if encoding == _BOOL:
            return "true" if content[0] else "false"
        if encoding == _CHAR:
            text = chr(content[0])
            return (
                f'"{text}"'
                if text.isascii() and text.isprintable()
                else (f'"\\u00{content[0]:02x}"')
            )
        return str(int.from_bytes(content, "little", signed=encoding == _SIGNED))

    def _array(self, start: int, data: bytes, bit: int) -> str:
        element, _, length = self._words(start, 3)
        size = self._size(element)
        if size * length > len(data):
            raise ArtifactError("an array of the object's BTF is larger than its value")
        if self._is_text(element) and (text := _text(data[:length])) is not None:
            return _quoted(text)
        shown: list[str] = []
        for number in range(length):
            try:
                item = self._format(
                    element, data[number * size : (number + 1) * size], 0
                )
            except GivenUpError as given_up:
                raise GivenUpError(
                    f"[{','.join([*shown, given_up.text])}]"
                ) from given_up
            shown.append(item)
        return f"[{','.join(shown)}]"

    def _is_text(self, element: int) -> bool:
        # bpftool looks behind const and volatile, but a typedef of char is no text.
        for _ in range(_DEEPEST):
            start = self._start(element)
            name, kind, _, _, element = self._head(start)
            if kind not in (9, 10, 11):
                break
        if kind != _INT or element != 1:
            return False
        (word,) = self._words(start, 1)
        return word >> 24 & 0xF == _CHAR or self.btf.text(name) == "char"

    def _members(self, start: int, data: bytes, bit: int) -> str:
        _, _, count, flag, _ = self._head(start)
        shown: list[str] = []
        for number in range(count):
            name, type_, offset = _MEMBER.unpack_from(
                self.btf.data, start + _TYPE.size + number * _MEMBER.size
            )
            bits = offset >> 24 if flag else 0
            offset = offset & 0xFFFFFF if flag else offset
            content = data[offset // 8 :]
            shown.append(f"{_quoted(self.btf.text(name))}:")
            try:
                shown[-1] += (
                    _bit_field(content, offset % 8, bits)
                    if bits
                    else self._format(type_, content, offset % 8)
                )
            except GivenUpError as given_up:
                shown[-1] += given_up.text
                raise GivenUpError(f"{{{','.join(shown)}}}") from given_up
        return f"{{{','.join(shown)}}}"

    def _enum(self, start: int, data: bytes, bit: int) -> str:
        _, _, count, _, size = self._head(start)
        if size not in (1, 2, 4, 8):
            raise GivenUpError("")
        value = int.from_bytes(data[:size], "little", signed=True)
        for number in range(count):
            name, known = struct.unpack_from(
                "<Ii", self.btf.data, start + _TYPE.size + number * 8
            )
            if known == value:
                return _quoted(self.btf.text(name))
        return str(value)

    def _enum64(self, start: int, data: bytes, bit: int) -> str:
        _, _, count, flag, _ = self._head(start)
        value = _unsigned(data[:8])
        for number in range(count):
            name, low, high = _MEMBER.unpack_from(
                self.btf.data, start + _TYPE.size + number * _MEMBER.size
            )
            if low | high << 32 == value:
                return _quoted(self.btf.text(name))
        return str(int.from_bytes(data[:8], "little", signed=flag))


def _whole(offset: int, *, flag: bool) -> int | None:
    """Return a member's offset in bytes, None for a bit field."""
    if not flag:
        return None if offset % 8 else offset // 8
    return None if offset >> 24 else (offset & 0xFFFFFF) // 8


def _unsigned(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _bit_field(data: bytes, bit: int, bits: int) -> str:
    taken = _unsigned(data[: (bit + bits + 7) // 8]) >> bit
    return f'"{taken & (1 << bits) - 1:#x}"'


def _text(data: bytes) -> str | None:
    """Return an array of characters as text if it is printable and ends in a NUL."""
    text, end, _ = data.partition(b"\0")
    if not end or any(not 0x1F < character < 0x7F for character in text):
        return None
    return text.decode("ascii")


def _quoted(text: str) -> str:
    # bpftool prints a backslash as "\n"; runner.bpf.bpftool turns it back.
    escaped = text.replace("\\", "\\n").replace('"', '\\"')
    return f'"{escaped}"'


# -------------------------------------------------------------------- rows


def map_dump(dump: RawDump, types: Types) -> str:
    """Return a map's rows as `bpftool -j map dump` prints them.

    Raises ArtifactError when the object's BTF does not hold what it names.
    """
    has_btf = dump.value_type != 0
    if has_btf and types.is_global_data(dump.value_type):
        raise ArtifactError("global data is left to bpftool")
    rows = [_row(row, dump, types if has_btf else None) for row in dump.rows]
    return f"[{','.join(rows)}]"


def _row(row: RawRow, dump: RawDump, types: Types | None) -> str:
    key = f'"key":{_bytes(row.key)}'
    if row.error:
        return f'{{{key},"value":{{"error":{_quoted(row.error)}}}}}'
    if row.value is None:
        shown = [f'"value":{_bytes(value)}' for value in row.values]
        fields = [key, f'"values":{_by_cpu(shown)}']
    else:
        fields = [key, f'"value":{_bytes(row.value)}']
    if types is not None:
        fields.append(f'"formatted":{_formatted(row, dump, types)}')
    return f"{{{','.join(fields)}}}"


def _formatted(row: RawRow, dump: RawDump, types: Types) -> str:
    fields = []
    try:
        if dump.key_type:
            fields.append('"key":')
            fields[-1] += types.formatted(dump.key_type, row.key)
        if row.value is not None:
            fields.append('"value":')
            fields[-1] += types.formatted(dump.value_type, row.value)
        else:
            fields.append('"values":')
            fields[-1] += _formatted_by_cpu(row, dump, types)
    except GivenUpError as given_up:
        fields[-1] += given_up.text
    return f"{{{','.join(fields)}}}"


def _formatted_by_cpu(row: RawRow, dump: RawDump, types: Types) -> str:
    shown = []
    for value in row.values:
        try:
            shown.append('"value":' + types.formatted(dump.value_type, value))
        except GivenUpError as given_up:
            shown.append('"value":' + given_up.text)
            raise GivenUpError(_by_cpu(shown)) from given_up
    return _by_cpu(shown)


def _by_cpu(values: Sequence[str]) -> str:
    shown = (f'{{"cpu":{cpu},{value}}}' for cpu, value in enumerate(values))
    return f"[{','.join(shown)}]"


def _bytes(data: bytes) -> str:
    shown = (f'"{byte:#04x}"' for byte in data)
    return f"[{','.join(shown)}]"
