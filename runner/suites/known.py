"""What is known of a kernel that conditions of suites ask for."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from runner import arch
from runner.bpf import btf
from runner.bpf.btf import Btf, BtfError, Type
from runner.bpf.kinds import Kind
from runner.errors import RunnerError
from runner.facts import names, since
from runner.facts.abilities import Known, left_out
from runner.facts.model import (
    UNKNOWN,
    Facts,
    Judgement,
    Learnt,
    Presence,
    judged,
    probed,
)
from runner.versions import KernelVersion, VersionRange

_KEYWORDS = ("struct ", "union ", "enum ", "")
# What a link kind needs besides its number: see runner/preflight/rules.py.
_LINK_STRUCTS = {"kprobe_multi": "struct bpf_kprobe_multi_link"}


@dataclass(frozen=True, kw_only=True)
class KnownKernel:
    """A kernel, as far as it is known: anything may be missing."""

    version: KernelVersion | None = None
    # Its .config.
    config: str | None = None
    # What it said when it was booted.
    facts: Facts | None = None
    # The whole BTF of the kernel.
    btf: Path | None = None
    # As runner/arch names it; "" where nobody knows.
    architecture: str = ""

    @cached_property
    def known(self) -> Known:
        """What decides what it can do."""
        return Known(
            version=self.version,
            facts=self.facts,
            architecture=self.architecture,
            left_out=left_out(self.config) if self.config else frozenset(),
        )

    def judge(self, key: str, name: str) -> Judgement:
        """Return whether it has what a key of a condition names."""
        return _JUDGES[key](self, name)

    @property
    def options(self) -> frozenset[str]:
        """The names of its configuration, also of what "is not set"."""
        return _options(self.config) if self.config else frozenset()

    @property
    def types(self) -> "_Types | None":
        """Its types; None where no BTF can be read."""
        if self.btf is None:
            return None
        try:
            return _types(self.btf)
        except (RunnerError, OSError):
            return None


# -------------------------------------------------------------------- types


@dataclass(frozen=True, kw_only=True)
class _Types:
    """The types of a BTF, by names."""

    btf: Btf

    @cached_property
    def functions(self) -> frozenset[str]:
        """Names of functions."""
        found = (it.name for it in self.btf.types() if it.kind is Kind.FUNC)
        return frozenset(found)

    def enumerators(self, enum: str) -> frozenset[str] | None:
        """Names that an enumeration has; None where there is no such one."""
        if f"enum {enum}" not in self.btf.named:
            return None
        found = self.btf.enumerators(self.btf.find(f"enum {enum}"))
        return frozenset(name for name, _ in found)

    def find(self, name: str) -> Type | None:
        """Return a type: "struct file", or of any kind "file"."""
        for keyword in ("", *_KEYWORDS):
            if keyword + name in self.btf.named:
                return self.btf.find(keyword + name)
        return None

    def has_field(self, path: str) -> bool:
        """Whether a type has a member, in structs that it holds or points to."""
        first, *members = path.split(".")
        found = self.find(first)
        for name in members:
            if found is None:
                return False
            fields = self.btf.fields(self._behind(found.id))
            ids = [it.type_id for it in fields if it.name == name]
            found = self.btf.resolved(ids[0]) if ids else None
        return found is not None

    def _behind(self, id_: int) -> Type:
        found = self.btf.resolved(id_)
        if found.kind is Kind.PTR and found.refers_to:
            found = self.btf.resolved(found.refers_to)
        if found.kind is Kind.ARRAY:
            found = self.btf.resolved(self.btf.array(found)[0])
        return found


@lru_cache(maxsize=8)
def _types(path: Path) -> _Types:
    return _Types(btf=btf.of_file(path))


# "CONFIG_HZ=250", "# CONFIG_BPF_LSM is not set".
_OPTION = re.compile(r"^(?:# )?(CONFIG_\w+)(?:=| is not set$)", re.MULTILINE)


@lru_cache(maxsize=16)
def _options(config: str) -> frozenset[str]:
    return frozenset(_OPTION.findall(config))


# ------------------------------------------------------------------- judging

_Judge = Callable[[KnownKernel, str], Judgement]


def _numbered(
    known: Callable[[Facts], Mapping[int, bool]],
    table: tuple[str, ...],
    enum: str,
    enumerator: Callable[[str], str],
    versions: Mapping[str, str],
) -> _Judge:
    """Return the judge of what has a number in an enumeration of the kernel."""

    def judge(kernel: KnownKernel, name: str) -> Judgement:
        if kernel.facts is not None and name in table:
            found = probed(known(kernel.facts).get(table.index(name)))
            if found.is_known:
                return found
        found = _in_enum(kernel, enum, enumerator(name))
        return found if found.is_known else _by_version(kernel, versions.get(name))

    return judge


def _in_enum(kernel: KnownKernel, enum: str, name: str) -> Judgement:
    types = kernel.types
    there = types.enumerators(enum) if types else None
    return UNKNOWN if there is None else judged(name in there, Learnt.BTF)


def _by_version(kernel: KnownKernel, first: str | None) -> Judgement:
    if kernel.version is None or first is None:
        return UNKNOWN
    is_there = kernel.version >= KernelVersion.parse(first)
    return judged(is_there, Learnt.VERSION)


def _link(kernel: KnownKernel, name: str) -> Judgement:
    found = _in_enum(kernel, "bpf_link_type", f"BPF_LINK_TYPE_{name.upper()}")
    types, struct = kernel.types, _LINK_STRUCTS.get(name)
    if types is not None and struct and found.is_known:
        return judged(struct in types.btf.named, Learnt.BTF)
    if found.is_known:
        return found
    # Kernels without links do not have the enumeration. A later kernel's options may
    # leave a kind out.
    earlier = _by_version(kernel, since.LINK_TYPES.get(name))
    return earlier if earlier.presence is Presence.ABSENT else UNKNOWN


def _function(kernel: KnownKernel, name: str) -> Judgement:
    types = kernel.types
    # Old BTF has none at all.
    if types is None or not types.functions:
        return UNKNOWN
    return judged(name in types.functions, Learnt.BTF)


def _type(kernel: KnownKernel, name: str) -> Judgement:
    types = kernel.types
    return (
        UNKNOWN if types is None else judged(types.find(name) is not None, Learnt.BTF)
    )


def _field(kernel: KnownKernel, path: str) -> Judgement:
    types = kernel.types
    if types is None:
        return _by_version(kernel, since.FIELDS.get(path))
    try:
        return judged(types.has_field(path), Learnt.BTF)
    except BtfError:
        return UNKNOWN


def _config(kernel: KnownKernel, wanted: str) -> Judgement:
    if not kernel.config:
        return UNKNOWN
    name, equals, value = wanted.partition("=")
    found = re.search(rf"^{re.escape(name)}=(.+)$", kernel.config, re.MULTILINE)
    is_there = found is not None and (not equals or found[1] == value)
    return judged(is_there, Learnt.CONFIG)


def _range(kernel: KnownKernel, text: str) -> Judgement:
    wanted = VersionRange.parse(text)
    if kernel.version is None:
        return UNKNOWN
    if kernel.version in wanted:
        return judged(True, Learnt.VERSION)
    return UNKNOWN if wanted.may_hold(kernel.version) else judged(False, Learnt.VERSION)


def _architecture(kernel: KnownKernel, name: str) -> Judgement:
    if not kernel.architecture:
        return UNKNOWN
    wanted = arch.find(name)
    is_it = wanted is not None and wanted.name == kernel.architecture
    return judged(is_it, Learnt.ARCHITECTURE)


def _ability(kernel: KnownKernel, name: str) -> Judgement:
    return kernel.known.ability(name)


def _attach(kernel: KnownKernel, name: str) -> Judgement:
    found = _in_enum(kernel, "bpf_attach_type", f"BPF_{name.upper()}")
    if found.is_known:
        return found
    return _by_version(kernel, since.ATTACH_TYPES.get(name))


# By the keys of conditions.
_JUDGES: Mapping[str, _Judge] = {
    "ability": _ability,
    "helper": _numbered(
        lambda facts: facts.helpers,
        names.HELPERS,
        "bpf_func_id",
        lambda name: f"BPF_FUNC_{name.removeprefix('bpf_')}",
        since.HELPERS,
    ),
    "map_type": _numbered(
        lambda facts: facts.maps,
        names.MAP_TYPES,
        "bpf_map_type",
        lambda name: f"BPF_MAP_TYPE_{name.upper()}",
        since.MAP_TYPES,
    ),
    "prog_type": _numbered(
        lambda facts: facts.programs,
        names.PROGRAM_TYPES,
        "bpf_prog_type",
        lambda name: f"BPF_PROG_TYPE_{name.upper()}",
        since.PROGRAM_TYPES,
    ),
    "attach": _attach,
    "link": _link,
    "kfunc": _function,
    "func": _function,
    "type": _type,
    "field": _field,
    "config": _config,
    "kernels": _range,
    "arch": _architecture,
}
# Those that a boot may answer otherwise than BTF or the version.
PROBED = ("ability", "helper", "map_type", "prog_type")
