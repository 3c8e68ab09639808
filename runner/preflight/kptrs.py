"""Pointers to the kernel's structs that an object keeps in maps and variables (kptrs).

What is read there the verifier takes for a pointer to the kernel's struct of the same
name: btf_parse_kptr() in kernel/bpf/btf.c, read in 6.1 and 6.12.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from runner.bpf.btf import COMPOSITES, MODIFIERS, Btf, Type
from runner.bpf.insn import LD_IMM64
from runner.bpf.kinds import Kind, RelocationKind
from runner.bpf.object import BpfObject, Symbol
from runner.preflight.references import Address
from runner.preflight.returned import EXCHANGE, MADE, MAP_VALUES, plain
from runner.preflight.values import OriginKind, Value, ValueOrigin

# How programs mark them: __kptr_untrusted, and __kptr, which was __kptr_ref up to 6.3.
_TAGS = frozenset({"kptr", "kptr_ref", "kptr_untrusted"})
# Structs in structs.
_DEEPEST = 16


@dataclass(frozen=True, kw_only=True)
class _Held:
    """Memory of a type of the object."""

    type_id: int
    # Bytes from its beginning.
    offset: int


class Kptrs:
    """The kptrs of an object."""

    def __init__(self, item: BpfObject) -> None:
        """Look at an object."""
        self._item = item

    @cached_property
    def holders(self) -> Mapping[Address, _Held]:
        """Values of maps, and variables, by the instructions that take the address.

        Only those that hold a kptr.
        """
        if not any(
            it.kind is Kind.TYPE_TAG and it.name in _TAGS
            for it in self._item.btf.types()
        ):
            return {}
        found = {}
        for it in self._item.references:
            insn = self._item.code[it.address[0]][it.address[1]]
            if insn.code == LD_IMM64 and it.symbol.section:
                held = self._held(it.symbol, insn.imm)
                if held and _has_kptr(self._item.btf, held.type_id, 0):
                    found[it.address] = held
        return found

    @cached_property
    def _types(self) -> Mapping[str, int]:
        btf = self._item.btf
        return {
            name: type_id
            for section in btf.sections()
            for name, type_id in btf.variables(section)
        }

    @cached_property
    def _variables(self) -> list[Symbol]:
        return [it for it in self._item.symbols if it.type == "STT_OBJECT"]

    @cached_property
    def _made(self) -> Mapping[Address, int]:
        """Types of the object whose ids instructions take."""
        return {
            it.address: it.type_id
            for it in self._item.relocations
            if it.kind == RelocationKind.LOCAL_TYPE_ID
        }

    def _held(self, symbol: Symbol, added: int) -> _Held | None:
        """Return what a symbol, or bytes behind it, is the address of."""
        at = symbol.value + added
        for it in self._variables:
            if it.section != symbol.section or not it.value <= at < it.value + it.size:
                continue
            type_id = self._types.get(it.name, 0)
            if it.section in self._item.map_sections:
                type_id = _value_of(self._item.btf, type_id)
                return _Held(type_id=type_id, offset=0) if type_id else None
            offset = at - it.value
            return _Held(type_id=type_id, offset=offset) if type_id else None
        return None

    def struct_of(self, origin: ValueOrigin) -> str:
        """Return the struct that a value points to which was a kptr; empty for none."""
        is_exchanged = origin.kind is OriginKind.CALL and origin.helper == EXCHANGE
        if origin.base is None or not (
            is_exchanged or origin.kind is OriginKind.LOADED
        ):
            return ""
        held = self._memory(origin.base)
        return _kptr_at(self._item.btf, held) if held else ""

    def _memory(self, address: Value) -> _Held | None:
        """Return which memory of the object's own types an address is in."""
        origin = address.origin
        if origin is None or address.relocations:
            return None
        held, offset = None, address.offset
        if origin.kind is OriginKind.HOLDER:
            held = self.holders.get(origin.at)
        elif origin.kind is OriginKind.CALL and origin.base is not None:
            base = origin.base
            if origin.helper in MAP_VALUES and base.origin:
                held = self.holders.get(base.origin.at)
            elif origin.name in MADE and base.relocations:
                type_id = self._made.get(base.relocations[-1], 0)
                held = _Held(type_id=type_id, offset=0) if type_id else None
        if held is None:
            return None
        return _Held(type_id=held.type_id, offset=held.offset + offset)


def _value_of(btf: Btf, type_id: int) -> int:
    """Return the type of a map's values; 0 where its definition says none."""
    if not type_id:
        return 0
    for member in btf.members(btf.resolved(type_id)):
        if member.name == "value":
            pointer = btf.resolved(member.type_id)
            return pointer.refers_to if pointer.kind is Kind.PTR else 0
    return 0


def _has_kptr(btf: Btf, type_id: int, depth: int) -> bool:
    if depth == _DEEPEST or not type_id:
        return False
    type_ = btf.resolved(type_id)
    if type_.kind is Kind.ARRAY:
        return _has_kptr(btf, btf.array(type_)[0], depth + 1)
    if type_.kind is Kind.PTR:
        return bool(_pointed(btf, type_))
    members = btf.members(type_) if type_.kind in COMPOSITES else ()
    return any(_has_kptr(btf, it.type_id, depth + 1) for it in members)


def _kptr_at(btf: Btf, held: _Held) -> str:
    """Return the struct that a kptr at a place of the object's memory points to."""
    type_, offset = btf.resolved(held.type_id), held.offset
    for _ in range(_DEEPEST):
        if type_.kind is Kind.PTR:
            return "" if offset else _pointed(btf, type_)
        if type_.kind is Kind.ARRAY:
            element = btf.array(type_)[0]
            offset %= max(btf.size(element), 1)
            type_ = btf.resolved(element)
            continue
        inside = [
            it
            for it in btf.members(type_)
            if 0 <= offset - it.bit // 8 < btf.size(it.type_id)
        ]
        if not inside:
            return ""
        offset -= inside[0].bit // 8
        type_ = btf.resolved(inside[0].type_id)
    return ""


def _pointed(btf: Btf, pointer: Type) -> str:
    """Return the struct that a pointer with a tag of kptrs points to; empty for others.

    Typedefs may stand between a tag and the struct.
    """
    is_kptr, type_id = False, pointer.refers_to
    for _ in range(_DEEPEST):
        if not type_id:
            return ""
        type_ = btf.type(type_id)
        if type_.kind not in MODIFIERS:
            is_struct = type_.kind in (*COMPOSITES, Kind.FWD)
            return plain(type_.name) if is_kptr and is_struct else ""
        is_kptr |= type_.kind is Kind.TYPE_TAG and type_.name in _TAGS
        type_id = type_.refers_to
    return ""
