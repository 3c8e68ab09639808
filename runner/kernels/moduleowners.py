"""Which modules of a kernel's package define a function, or have a type of their own.

A kernel without a module lacks what is in it, so people who look for that are told
where it is. Functions are those of symbol tables, and types those of BTF.
"""

import json
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue, TypeAdapter

from runner.bpf import btf as btf_
from runner.bpf.btf import COMPOSITES, ENUMERATIONS, Btf
from runner.bpf.kinds import Kind
from runner.errors import ArtifactError
from runner.files.cache import Cache, key_of
from runner.kernels import elfsections, modulefiles
from runner.kernels.artifact import Artifact
from runner.matrix.matrix import Kernel
from runner.text.progress import Progress

# To be raised when the same modules are to give another index.
_RECIPE = "1"
_KIND, _FILE = "module-owners", "owners.json.z"
_TYPES = (*COMPOSITES, *ENUMERATIONS, Kind.TYPEDEF)
# An entry of .symtab of 64 bits: name, information, other, section, value and size.
_SYMBOL = "IBBHQQ"
# Letters that names which resemble each other have in common at one end, and how many
# more or fewer one has.
_SAME, _LONGER = 4, 3
_FUNCTION, _UNDEFINED = 2, 0


@dataclass(frozen=True, kw_only=True)
class ModuleOwners:
    """Names, and the modules that have them."""

    functions: Mapping[str, tuple[str, ...]]
    # Structs, unions, enumerations and typedefs by their plain names.
    types: Mapping[str, tuple[str, ...]]

    def of(self, name: str) -> tuple[str, ...]:
        """Return the modules that have a function or a type of that name."""
        plain = name.partition("___")[0]
        return self.functions.get(plain) or self.types.get(plain, ())

    def like(self, name: str) -> list[str]:
        """Return functions whose names may resemble one: a few of all of them.

        They begin or end as it does, and are about as long.
        """
        plain = name.partition("___")[0]
        begin, end = plain[:_SAME], plain[-_SAME:]
        return [
            it
            for it in self.functions
            if abs(len(it) - len(plain)) <= _LONGER
            and (it.startswith(begin) or it.endswith(end))
        ]


_OWNERS = TypeAdapter(ModuleOwners)


def owners(
    kernel: Kernel, artifact: Artifact, cache: Cache, progress: Progress
) -> ModuleOwners:
    """Return what is in which module; the package is fetched again for the first time.

    Raises ArtifactError where it can't be had.
    """

    def build(folder: Path) -> Mapping[str, JsonValue]:
        found = modulefiles.archive(kernel, artifact, cache, progress)
        base = _base(artifact)
        functions, types = defaultdict[str, list[str]](list), dict[str, list[str]]()
        for module, data in found.items():
            for name in _functions(data):
                functions[name].append(module)
            for name in _types(data, base):
                types.setdefault(name, []).append(module)
        text = json.dumps({"functions": functions, "types": types})
        (folder / _FILE).write_bytes(zlib.compress(text.encode()))
        return {"release": artifact.release}

    key = key_of(_RECIPE, artifact.image_sha256, artifact.btf_sha256)
    packed = (cache.entry(_KIND, key, build).directory / _FILE).read_bytes()
    return _OWNERS.validate_json(zlib.decompress(packed))


def _base(artifact: Artifact) -> Btf | None:
    if artifact.btf is None or not modulefiles.shows_btf(artifact):
        return None
    return btf_.of_file(artifact.btf)


def _functions(module: bytes) -> Iterable[str]:
    """Return the functions that a module defines."""
    try:
        symbols = elfsections.section(module, ".symtab") or b""
        strings = elfsections.section(module, ".strtab") or b""
    except ValueError:
        return ()
    return dict.fromkeys(
        _defined(symbols, strings, ">" if module[5:6] == b"\2" else "<")
    )


def _defined(symbols: bytes, strings: bytes, order: str) -> Iterator[str]:
    row = struct.Struct(order + _SYMBOL)
    whole = len(symbols) // row.size * row.size
    for name, information, _, section, _, _ in row.iter_unpack(symbols[:whole]):
        if information & 0xF != _FUNCTION or section == _UNDEFINED:
            continue
        end = strings.find(b"\0", name)
        yield strings[name:end].decode("ascii", "replace")


def _types(module: bytes, base: Btf | None) -> Iterable[str]:
    """Return the types that a module has besides the kernel's."""
    if base is None:
        return ()
    try:
        data = elfsections.section(module, ".BTF")
        found = btf_.parse(data, base) if data else None
        if found is None:
            return ()
        own = (found.type(it) for it in range(base.last_id + 1, found.last_id + 1))
        return dict.fromkeys(it.name for it in own if it.kind in _TYPES and it.name)
    except (ValueError, ArtifactError, IndexError):
        # One that does not fit has no types that anybody could use.
        return ()
