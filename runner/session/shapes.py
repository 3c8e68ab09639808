"""What an object's maps will look like, by its BTF alone: before any kernel sees it.

Keys and values are formatted as they will be when they are dumped, of bytes that mean
nothing. So a path leads somewhere here if it will lead somewhere there.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from pydantic import JsonValue

from runner.bpf import object as debuginfo
from runner.bpf.object import DebugInfoError
from runner.errors import ArtifactError
from runner.session.rawdump import GivenUpError, Types

# libbpf calls the maps of global data by the object and the section.
_LONGEST_NAME = 15
_GLOBAL = (".data", ".rodata", ".bss", ".kconfig")
# Of a type that no path leads into: larger ones take long.
_LARGEST = 1 << 16


class ShapesError(ArtifactError):
    """An object's BTF can't be read."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A map's key and value, of the right type; None where nothing tells the type."""

    key: JsonValue = None
    value: JsonValue = None


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """All that a suite may name of an object."""

    maps: Mapping[str, Shape]
    # Sections by programs' names.
    programs: Mapping[str, str]
    # Whether maps are declared in a way that says nothing of types (SEC("maps")).
    has_untyped_maps: bool
    types: Types

    def struct(self, name: str) -> JsonValue:
        """Return a struct's shape. Raises ArtifactError when there is none."""
        return _sample(self.types, self.types.struct(name))


def of_object(data: bytes, name: str) -> Shapes:
    """Read the shapes of an object that libbpf will call by `name`.

    Raises ShapesError for what is damaged.
    """
    try:
        elf = ELFFile(BytesIO(data))
        sections = {section.name for section in elf.iter_sections()}
        types = Types.of_object(data)
        found = debuginfo.read(data).programs
        programs = {name: it.section for name, it in found.items()}
        maps = dict(_maps(types, name))
    # pyelftools raises all of these for what is cut short or overwritten.
    except (
        *(ELFError, struct.error, ValueError, KeyError, OverflowError),
        *(AttributeError, AssertionError, TypeError, IndexError, RecursionError),
        *(ArtifactError, DebugInfoError),
    ) as error:
        raise ShapesError(f"the object can't be read: {error}") from error
    return Shapes(
        maps=maps,
        programs=programs,
        has_untyped_maps="maps" in sections,
        types=types,
    )


def _maps(types: Types, object_name: str) -> Iterator[tuple[str, Shape]]:
    for section, variables in types.sections().items():
        if section == ".maps":
            for name, type_ in variables:
                yield name, _declared(types, type_)
        elif section.startswith(_GLOBAL):
            value = {name: _sample(types, type_) for name, type_ in variables}
            kept = min(_LONGEST_NAME - len(section), len(object_name))
            # Newer libbpf calls maps of other sections, .data.mine, by these alone.
            for name in {section, f"{object_name[: max(kept, 0)]}{section}"}:
                yield name, Shape(value=value)


def _declared(types: Types, type_: int) -> Shape:
    # __type(key, T) declares a pointer to T.
    found = {
        name: _sample(types, types.pointed_at(member))
        for name, member in types.members(type_)
        if name in ("key", "value")
    }
    return Shape(**found)


def _sample(types: Types, type_: int) -> JsonValue:
    """Return a value of a type, or None where bpftool would stop at it."""
    if type_ == 0:
        return None
    size = types.size(type_)
    if size > _LARGEST:
        return None
    try:
        # Of no NUL, so that arrays of characters are shown with their elements.
        found: JsonValue = json.loads(types.formatted(type_, b"\x01" * size))
    except GivenUpError:
        return None
    return found
