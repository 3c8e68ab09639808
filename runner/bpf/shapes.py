"""What an object's maps will look like, by its BTF alone: before any kernel sees it.

Keys and values are formatted as they will be when they are dumped, of bytes that mean
nothing. So a path leads somewhere here if it will lead somewhere there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from runner.bpf import object as bpf_object
from runner.bpf.btf import Btf
from runner.bpf.kinds import Kind
from runner.bpf.values import Formatter, GivenUpError

# libbpf calls the maps of global data by the object and the section.
_LONGEST_NAME = 15
_LONGEST_SECTION = len(".rodata")
_STRUCT_OPS = ".struct_ops"
# enum bpf_map_type: BPF_MAP_TYPE_ARRAY_OF_MAPS and BPF_MAP_TYPE_HASH_OF_MAPS.
_OF_MAPS = (12, 13)
_GLOBAL = (".data", ".rodata", ".bss", ".kconfig")
# Of a type that no path leads into: larger ones take long.
_LARGEST = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A map's key and value, of the right type; None where nothing says the type."""

    key: JsonValue = None
    value: JsonValue = None
    # Whether it holds maps; None where nothing says its type.
    is_of_maps: bool | None = None
    # What those are like; None where the object leaves it to its loader.
    inner: "Shape | None" = None


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """All that a suite may name of an object."""

    maps: Mapping[str, Shape]
    # Sections by programs' names.
    programs: Mapping[str, str]
    # Whether maps are declared in a way that says nothing of types (SEC("maps")).
    has_untyped_maps: bool
    btf: Btf

    def struct(self, name: str) -> JsonValue:
        """Return a struct's shape. Raises BtfError when there is none."""
        return _sample(self.btf, self.btf.find(f"struct {name}").id)


def of_object(data: bytes, name: str) -> Shapes:
    """Read the shapes of an object that libbpf will call by `name`.

    Raises ObjectError and BtfError for damaged data.
    """
    found = bpf_object.read(data)
    return Shapes(
        maps=dict(_maps(found.btf, name)),
        programs={it.name: it.section for it in found.functions},
        has_untyped_maps=found.section("maps") is not None,
        btf=found.btf,
    )


def _maps(btf: Btf, object_name: str) -> Iterator[tuple[str, Shape]]:
    for section in btf.sections():
        variables = btf.variables(section)
        if section.name == ".maps":
            for name, type_ in variables:
                yield name, _of_definition(btf, type_)
        elif section.name.startswith(_STRUCT_OPS):
            # Each is a map of its own (SEC(".struct_ops"), SEC(".struct_ops.link")).
            for name, type_ in variables:
                yield name, Shape(value=_sample(btf, type_))
        elif section.name.startswith(_GLOBAL):
            value = {name: _sample(btf, type_) for name, type_ in variables}
            # Newer libbpf calls maps of other sections, .data.mine, by these alone.
            for name in {section.name, name_of_globals(object_name, section.name)}:
                yield name, Shape(value=value)


def name_of_globals(object_name: str, section: str) -> str:
    """Return what libbpf calls the map of a section of global data.

    It keeps room for .rodata, also behind shorter sections (internal_map_name()).
    """
    room = _LONGEST_NAME - max(len(section), _LONGEST_SECTION)
    return f"{object_name[: max(room, 0)]}{section}"


def _of_definition(btf: Btf, type_: int) -> Shape:
    members = {it.name: it.type_id for it in btf.members(btf.resolved(type_))}
    # __type(key, T) declares a pointer to T.
    found = {
        name: _sample(btf, btf.resolved(members[name]).refers_to)
        for name in ("key", "value")
        if name in members
    }
    return Shape(
        **found, is_of_maps=_is_of_maps(btf, members), inner=_inner(btf, members)
    )


def _is_of_maps(btf: Btf, members: Mapping[str, int]) -> bool | None:
    if "type" not in members:
        return None
    # __uint(type, N) declares a pointer to an array of N.
    array = btf.resolved(btf.resolved(members["type"]).refers_to)
    return btf.array(array)[1] in _OF_MAPS if array.kind is Kind.ARRAY else None


def _inner(btf: Btf, members: Mapping[str, int]) -> Shape | None:
    # __array(values, T) declares an array of pointers to T.
    if "values" not in members:
        return None
    array = btf.resolved(members["values"])
    if array.kind is not Kind.ARRAY:
        return None
    pointed = btf.resolved(btf.resolved(btf.array(array)[0]).refers_to)
    # A program array has programs in it.
    return _of_definition(btf, pointed.id) if pointed.kind is Kind.STRUCT else None


def _sample(btf: Btf, type_: int) -> JsonValue:
    """Return a value of a type, or None where bpftool would stop at it."""
    if type_ == 0:
        return None
    size = btf.size(type_)
    if size > _LARGEST:
        return None
    try:
        # Of no NUL, so that arrays of characters are shown with their elements.
        return Formatter(btf).value(type_, b"\x01" * size)
    except GivenUpError:
        return None
