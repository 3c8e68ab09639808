"""What an object says of its maps: their definitions, by its BTF."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runner.bpf.btf import Btf
from runner.bpf.kinds import Kind

_SECTION = ".maps"


@dataclass(frozen=True, kw_only=True)
class MapDefinition:
    """A map, as far as the object says it: None where it leaves that to its loader."""

    # enum bpf_map_type.
    type: int | None = None
    # Types of BTF.
    key: int | None = None
    value: int | None = None
    # Bytes, where there is no type.
    key_size: int | None = None
    value_size: int | None = None
    max_entries: int | None = None
    # Of a map of maps: what those are like.
    inner: "MapDefinition | None" = None


def of_object(btf: Btf) -> dict[str, MapDefinition]:
    """Return the maps by their names. Raises BtfError for damaged types."""
    return {
        name: of_type(btf, type_)
        for section in btf.sections()
        if section.name == _SECTION
        for name, type_ in btf.variables(section)
    }


def of_type(btf: Btf, type_: int) -> MapDefinition:
    """Return the map that a struct defines. Raises BtfError for damaged types."""
    members = {it.name: it.type_id for it in btf.members(btf.resolved(type_))}
    numbers = dict(_numbers(btf, members))
    # __type(key, T) declares a pointer to T.
    types = {
        name: btf.resolved(members[name]).refers_to
        for name in ("key", "value")
        if name in members
    }
    return MapDefinition(
        type=numbers.get("type"),
        key=types.get("key"),
        value=types.get("value"),
        key_size=numbers.get("key_size"),
        value_size=numbers.get("value_size"),
        max_entries=numbers.get("max_entries"),
        inner=_inner(btf, members),
    )


def _numbers(btf: Btf, members: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    for name in ("type", "key_size", "value_size", "max_entries"):
        if name not in members:
            continue
        # __uint(type, N) declares a pointer to an array of N.
        array = btf.resolved(btf.resolved(members[name]).refers_to)
        if array.kind is Kind.ARRAY:
            yield name, btf.array(array)[1]


def _inner(btf: Btf, members: Mapping[str, int]) -> MapDefinition | None:
    # __array(values, T) declares an array of pointers to T.
    if "values" not in members:
        return None
    array = btf.resolved(members["values"])
    if array.kind is not Kind.ARRAY:
        return None
    pointed = btf.resolved(btf.resolved(btf.array(array)[0]).refers_to)
    # A program array has programs in it.
    return of_type(btf, pointed.id) if pointed.kind is Kind.STRUCT else None
