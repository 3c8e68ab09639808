"""Values for an object's global variables, as the bytes that its loader would write."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from runner.checks.text import no_such
from runner.errors import UsageError
from runner.session.rawdump import Layout, Types

# Sections that hold no variables of the object's own, or none that can be set.
_OTHERS = (".maps", ".ksyms", ".kconfig", "license", "version", ".struct_ops")


def of_object(types: Types) -> dict[str, int]:
    """Return the types of an object's global variables, by their names."""
    return {
        name: type_
        for section, variables in types.sections().items()
        if not section.startswith(_OTHERS)
        for name, type_ in variables
    }


def encoded(types: Types, values: Mapping[str, JsonValue]) -> dict[str, bytes]:
    """Return the bytes of variables. Raises UsageError for what they can't be."""
    known = of_object(types)
    found = {}
    for name, value in values.items():
        if name not in known:
            raise UsageError(
                f"variables: {name!r}: {no_such('variable', name, sorted(known))}"
            )
        found[name] = encode(types, known[name], value, f"variables.{name}")
    return found


def encode(types: Types, type_: int, value: JsonValue, at: str) -> bytes:
    """Return a value as bytes of a type; what is left out of structs is 0.

    `at` is what messages call it. Raises UsageError for what the type can't hold,
    ArtifactError for a damaged type.
    """
    layout = types.layout(type_)
    match layout.what, value:
        case "number", bool() | int():
            return _number(layout, int(value), at)
        case "number", str() if value in layout.enumerators:
            return _number(layout, layout.enumerators[value], at)
        case "number", str() if layout.enumerators:
            near = no_such("enumerator", value, sorted(layout.enumerators))
            raise UsageError(f"{at}: {value!r}: {near}")
        case "array", str() if layout.is_text:
            return _text(layout, value, at)
        case "array", list():
            return _elements(types, layout, value, at)
        case "members", dict():
            return _members(types, layout, value, at)
        case "other", _:
            raise UsageError(f"{at}: only numbers, arrays and structs can be set")
    raise UsageError(f"{at}: needs {_WANTED[layout.what]}, and not {value!r}")


_WANTED = {
    "number": "a number",
    "array": "a list",
    "members": "a mapping of members",
}


def _number(layout: Layout, value: int, at: str) -> bytes:
    # Both ways to write a number are fine: -1 and 0xffffffff.
    bits = 8 * layout.size
    if not -(1 << bits - 1) <= value < 1 << bits:
        raise UsageError(f"{at}: {value} does not fit into {layout.size} bytes")
    return (value & (1 << bits) - 1).to_bytes(layout.size, "little")


def _text(layout: Layout, value: str, at: str) -> bytes:
    data = value.encode()
    if len(data) >= layout.size:
        raise UsageError(
            f"{at}: {len(data)} bytes and a NUL do not fit into {layout.size}"
        )
    return data.ljust(layout.size, b"\0")


def _elements(
    types: Types, layout: Layout, values: Sequence[JsonValue], at: str
) -> bytes:
    if len(values) > layout.length:
        raise UsageError(
            f"{at}: {len(values)} values do not fit into {layout.length} elements"
        )
    parts = [
        encode(types, layout.element, value, f"{at}[{number}]")
        for number, value in enumerate(values)
    ]
    return b"".join(parts).ljust(layout.size, b"\0")


def _members(
    types: Types, layout: Layout, values: Mapping[str, JsonValue], at: str
) -> bytes:
    data = bytearray(layout.size)
    for name, value in values.items():
        if name not in layout.members:
            near = no_such("member", name, [it for it in layout.members if it])
            raise UsageError(f"{at}: {name!r}: {near}")
        type_, offset = layout.members[name]
        if offset is None:
            raise UsageError(f"{at}.{name}: a bit field can't be set")
        part = encode(types, type_, value, f"{at}.{name}")
        data[offset : offset + len(part)] = part
    return bytes(data)
