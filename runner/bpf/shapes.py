"""What an object's maps will look like, by its BTF alone: before any kernel sees it.

Keys and values are formatted as they will be when they are dumped, of bytes that mean
nothing. So a path leads somewhere here if it will lead somewhere there.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from runner.bpf import forms, mapdefinitions
from runner.bpf import object as bpf_object
from runner.bpf.btf import Btf
from runner.bpf.forms import BytesForm, Form, NumberForm
from runner.bpf.mapdefinitions import MapDefinition
from runner.bpf.values import Formatter, GivenUpError

# libbpf calls the maps of global data by the object and the section.
_LONGEST_NAME = 15
_LONGEST_SECTION = len(".rodata")
_STRUCT_OPS = ".struct_ops"
# enum bpf_map_type: BPF_MAP_TYPE_ARRAY_OF_MAPS and BPF_MAP_TYPE_HASH_OF_MAPS.
_OF_MAPS = (12, 13)
# Bytes of an id.
_ID = 4
# percpu_hash, percpu_array, lru_percpu_hash and percpu_cgroup_storage.
_PER_CPU = (5, 6, 10, 21)
# Those and hash, array, lru_hash, lpm_trie and cgroup_storage: kernels take their BTF.
_FORMATTED = (*_PER_CPU, 1, 2, 9, 11, 19)
# perf_event_array, stack_trace, cgroup_array, devmap, sockmap, cpumap, xskmap, sockhash
# and devmap_hash: libbpf gives them no BTF (bpf_object__create_map()).
_WITHOUT_BTF = (4, 7, 8, 14, 15, 16, 17, 18, 25)
_GLOBAL = (".data", ".rodata", ".bss", ".kconfig")
# Of a type that no path leads into: larger ones take long.
_LARGEST = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A map's key and value, of the right type; None where nothing says the type."""

    key: JsonValue = None
    value: JsonValue = None
    # What can come of them.
    key_form: Form | None = None
    value_form: Form | None = None
    # Whether it holds maps; None where nothing says its type.
    is_of_maps: bool | None = None
    # Whether each processor has a value of its own; None where nothing says its type.
    is_per_cpu: bool | None = None
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

    def struct(self, name: str) -> Form | None:
        """Return what can come of a struct. Raises BtfError when there is none."""
        return forms.of_type(self.btf, self.btf.find(f"struct {name}").id)


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
    for name, definition in mapdefinitions.of_object(btf).items():
        yield name, _of_definition(btf, definition)
    for section in btf.sections():
        variables = btf.variables(section)
        if section.name.startswith(_STRUCT_OPS):
            # Each is a map of its own (SEC(".struct_ops"), SEC(".struct_ops.link")).
            for name, type_ in variables:
                yield name, Shape(value=_sample(btf, type_))
        elif section.name.startswith(_GLOBAL):
            shape = Shape(
                value={name: _sample(btf, type_) for name, type_ in variables},
                value_form=forms.of_type(btf, section.id),
                is_per_cpu=False,
            )
            # Newer libbpf calls maps of other sections, .data.mine, by these alone.
            for name in {section.name, name_of_globals(object_name, section.name)}:
                yield name, shape


def name_of_globals(object_name: str, section: str) -> str:
    """Return what libbpf calls the map of a section of global data.

    It keeps room for .rodata, also behind shorter sections (internal_map_name()).
    """
    room = _LONGEST_NAME - max(len(section), _LONGEST_SECTION)
    return f"{object_name[: max(room, 0)]}{section}"


def _of_definition(btf: Btf, definition: MapDefinition) -> Shape:
    key, value = _forms(btf, definition)
    return Shape(
        key=_sample(btf, definition.key or 0),
        value=_sample(btf, definition.value or 0),
        key_form=key,
        value_form=value,
        is_of_maps=_is_one_of(_OF_MAPS, definition),
        is_per_cpu=_is_one_of(_PER_CPU, definition),
        inner=_of_definition(btf, definition.inner) if definition.inner else None,
    )


def _forms(btf: Btf, definition: MapDefinition) -> tuple[Form | None, Form | None]:
    """Return what can come of a map's keys and values; None where nobody knows."""
    if definition.type in _OF_MAPS:
        # The runner itself formats their keys, and the ids that user space reads.
        return _form(btf, definition.key, definition.key_size), NumberForm(size=_ID)
    has_btf = definition.type in _FORMATTED and definition.value is not None
    if has_btf:
        return (
            _form(btf, definition.key, definition.key_size),
            _form(btf, definition.value, None),
        )
    if definition.type not in (*_FORMATTED, *_WITHOUT_BTF):
        return None, None
    sizes = (
        size if type_ is None else btf.size(type_)
        for type_, size in (
            (definition.key, definition.key_size),
            (definition.value, definition.value_size),
        )
    )
    key, value = (None if size is None else BytesForm(size=size) for size in sizes)
    return key, value


def _form(btf: Btf, type_: int | None, size: int | None) -> Form | None:
    if type_ is not None:
        return forms.of_type(btf, type_)
    return None if size is None else BytesForm(size=size)


def _is_one_of(types: Collection[int], definition: MapDefinition) -> bool | None:
    return None if definition.type is None else definition.type in types


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
