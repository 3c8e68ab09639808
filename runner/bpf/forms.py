"""What values of a type look like once bpftool has formatted them.

`runner.bpf.values` formats bytes; this says beforehand what can come of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from runner.bpf.btf import COMPOSITES, ENUMERATIONS, Btf, BtfError, Type
from runner.bpf.kinds import Kind
from runner.bpf.values import BOOL, CHAR, SIGNED, is_text

_POINTER_SIZE = 8
_WHOLE_BITS = (8, 16, 32, 64)
_ENUM_SIZES = (1, 2, 4, 8)


@dataclass(frozen=True, kw_only=True)
class NumberForm:
    """A number."""

    # Bytes.
    size: int
    is_signed: bool = False
    is_bool: bool = False

    @property
    def ends(self) -> tuple[int, int]:
        """The lowest and the highest that it can be."""
        if self.is_bool:
            return 0, 1
        bits = 8 * self.size - self.is_signed
        return -(1 << bits) if self.is_signed else 0, (1 << bits) - 1


@dataclass(frozen=True, kw_only=True)
class BitsForm:
    """A number that is shown as text, "0x1f": a bit field, or one of 128 bits."""

    bits: int

    @property
    def size(self) -> int:
        """How many bytes it takes; of a bit field those that it fills."""
        return (self.bits + 7) // 8


@dataclass(frozen=True, kw_only=True)
class EnumForm:
    """A name of an enumeration, or a number where none has it."""

    # "enum kind"; "enum " without a name.
    type: str
    # Those that are shown: of two names for a number, bpftool takes the first.
    numbers: Mapping[str, int]
    size: int


@dataclass(frozen=True, kw_only=True)
class TextForm:
    """Characters: text where they can be printed, otherwise a list."""

    size: int


@dataclass(frozen=True, kw_only=True)
class ListForm:
    """An array's elements."""

    element: "Form"
    length: int

    @property
    def size(self) -> int:
        """How many bytes all of them take."""
        return self.length * self.element.size


@dataclass(frozen=True, kw_only=True)
class MembersForm:
    """A struct's or union's members, or the variables of a section."""

    # "struct cell"; "struct " without a name, ".rodata" for a section.
    type: str
    members: Mapping[str, "Form"]
    size: int


@dataclass(frozen=True, kw_only=True)
class BytesForm:
    """Bytes that nothing formats, because the map has no BTF in the kernel."""

    size: int


Form = NumberForm | BitsForm | EnumForm | TextForm | ListForm | MembersForm | BytesForm

# More types within each other only in a circle.
_DEEPEST = 64


class _GivenUpError(Exception):
    """bpftool stops at such a type."""


def of_type(btf: Btf, id_: int) -> Form | None:
    """Return the form of a type; None where bpftool stops in it.

    Raises BtfError for a damaged type.
    """
    try:
        return _Forms(btf).of(id_)
    except _GivenUpError:
        return None
    except (RecursionError, IndexError, ValueError) as error:
        raise BtfError(f"the object's BTF is damaged: {error}") from error


class _Forms:
    """Forms of types: each once, however often others have it."""

    def __init__(self, btf: Btf) -> None:
        self._btf = btf
        self._known: dict[int, Form] = {}

    def of(self, id_: int, depth: int = 0) -> Form:
        found = self._btf.resolved(id_)
        if depth > _DEEPEST:
            raise BtfError("its types go in circles")
        if found.id not in self._known:
            self._known[found.id] = self._new(found, depth + 1)
        return self._known[found.id]

    def _new(self, type_: Type, depth: int) -> Form:
        btf = self._btf
        if type_.kind is Kind.INT:
            return self._integer(type_)
        if type_.kind is Kind.PTR:
            return NumberForm(size=_POINTER_SIZE)
        if type_.kind in ENUMERATIONS and type_.size in _ENUM_SIZES:
            numbers: dict[str, int] = {}
            for name, number in btf.enumerators(type_):
                if number not in numbers.values():
                    numbers[name] = number
            return EnumForm(type=str(type_), numbers=numbers, size=type_.size)
        if type_.kind is Kind.ARRAY:
            element, length = btf.array(type_)
            if is_text(btf, element):
                return TextForm(size=length)
            return ListForm(element=self.of(element, depth), length=length)
        if type_.kind in COMPOSITES:
            members = {
                it.name: BitsForm(bits=it.bits)
                if it.bits
                else self.of(it.type_id, depth)
                for it in btf.fields(type_)
            }
        elif type_.kind is Kind.DATASEC:
            members = {name: self.of(it, depth) for name, it in btf.variables(type_)}
            if len(members) < type_.count:
                # Static variables of one name: then bpftool's list stays a list.
                raise _GivenUpError
        else:
            raise _GivenUpError
        return MembersForm(type=str(type_), members=members, size=type_.size)

    def _integer(self, type_: Type) -> Form:
        it = self._btf.integer(type_)
        if it.offset or it.bits not in _WHOLE_BITS:
            return BitsForm(bits=it.bits)
        if it.encoding == CHAR:
            return TextForm(size=1)
        return NumberForm(
            size=it.bits // 8,
            is_signed=it.encoding == SIGNED,
            is_bool=it.encoding == BOOL,
        )
