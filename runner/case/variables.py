"""Values for an object's global variables, as the bytes that its loader would write."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from runner.bpf.btf import COMPOSITES, ENUMERATIONS, Btf, Type
from runner.bpf.kinds import Kind
from runner.bpf.values import is_text
from runner.errors import UsageError
from runner.files.modelfile import written
from runner.suites.checks.text import no_such
from runner.suites.references import references

# Sections that hold no variables of the object's own, or none that can be set.
_OTHERS = (".maps", ".ksyms", ".kconfig", "license", "version", ".struct_ops")


def of_object(btf: Btf) -> dict[str, int]:
    """Return the types of an object's global variables, by their names."""
    return {
        name: type_
        for section in btf.sections()
        if not section.name.startswith(_OTHERS)
        for name, type_ in btf.variables(section)
    }


def encoded(
    btf: Btf, values: Mapping[str, JsonValue], *, early: bool = False
) -> dict[str, bytes]:
    """Return the bytes of variables; `early` as for `encode`.

    Raises UsageError for what they can't be.
    """
    known = of_object(btf)
    found = {}
    for name, value in values.items():
        if name not in known:
            raise UsageError(
                f"variables: {name!r}: {no_such('variable', name, sorted(known))}"
            )
        at = f"variables.{name}"
        found[name] = encode(btf, known[name], value, at, early=early)
    return found


def encode(
    btf: Btf, type_: int, value: JsonValue, at: str, *, early: bool = False
) -> bytes:
    """Return a value as bytes of a type; what is left out of structs is 0.

    `at` is what messages call it. `early` is before the guest knows what references
    are: they are 0 then. Raises UsageError for what the type can't hold, BtfError for a
    damaged type.
    """
    if early and isinstance(value, str) and references(value):
        return bytes(btf.size(type_))
    found = btf.resolved(type_)
    wanted = _WANTED.get(found.kind)
    if wanted is None:
        raise UsageError(f"{at}: only numbers, arrays and structs can be set")
    if wanted is _NUMBER and isinstance(value, int):
        return _number(btf, found, value, at)
    if found.kind in ENUMERATIONS and isinstance(value, str):
        return _enumerator(btf, found, value, at)
    if found.kind is Kind.ARRAY and isinstance(value, str):
        if is_text(btf, btf.array(found)[0]):
            return _text(btf, found, value, at)
    elif found.kind is Kind.ARRAY and isinstance(value, list):
        return _elements(btf, found, value, at, early=early)
    elif found.kind in COMPOSITES and isinstance(value, dict):
        return _members(btf, found, value, at, early=early)
    raise UsageError(f"{at}: must be {wanted}, not {written(value)}")


_NUMBER = "a number"
_WANTED = {
    **dict.fromkeys((Kind.INT, *ENUMERATIONS), _NUMBER),
    Kind.ARRAY: "a list",
    **dict.fromkeys(COMPOSITES, "a mapping of members"),
}


def _number(btf: Btf, type_: Type, value: int, at: str) -> bytes:
    # Both ways to write a number are fine: -1 and 0xffffffff.
    bits = 8 * type_.size
    if not -(1 << bits >> 1) <= value < 1 << bits:
        raise UsageError(f"{at}: {int(value)} does not fit into {type_.size} bytes")
    return (value & (1 << bits) - 1).to_bytes(type_.size, btf.byteorder)


def _enumerator(btf: Btf, type_: Type, value: str, at: str) -> bytes:
    known = dict(btf.enumerators(type_))
    if value not in known:
        near = no_such("enumerator", value, sorted(known))
        raise UsageError(f"{at}: {value!r}: {near}")
    return _number(btf, type_, known[value], at)


def _text(btf: Btf, type_: Type, value: str, at: str) -> bytes:
    data, size = value.encode(), btf.size(type_.id)
    if len(data) >= size:
        raise UsageError(f"{at}: {len(data)} bytes and a NUL do not fit into {size}")
    return data.ljust(size, b"\0")


def _elements(
    btf: Btf, type_: Type, values: Sequence[JsonValue], at: str, *, early: bool
) -> bytes:
    element, length = btf.array(type_)
    if len(values) > length:
        raise UsageError(
            f"{at}: {len(values)} values do not fit into {length} elements"
        )
    parts = [
        encode(btf, element, value, f"{at}[{number}]", early=early)
        for number, value in enumerate(values)
    ]
    return b"".join(parts).ljust(btf.size(type_.id), b"\0")


def _members(
    btf: Btf, type_: Type, values: Mapping[str, JsonValue], at: str, *, early: bool
) -> bytes:
    data = bytearray(type_.size)
    known = {it.name: it for it in btf.members(type_)}
    for name, value in values.items():
        if name not in known:
            near = no_such("member", name, [it for it in known if it])
            raise UsageError(f"{at}: {name!r}: {near}")
        member = known[name]
        if member.bits or member.bit % 8:
            raise UsageError(f"{at}.{name}: a bit field can't be set")
        part = encode(btf, member.type_id, value, f"{at}.{name}", early=early)
        data[member.bit // 8 : member.bit // 8 + len(part)] = part
    return bytes(data)
