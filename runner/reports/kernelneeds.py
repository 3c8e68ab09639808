"""What a kernel must have for a project's objects."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from runner.facts import names, needs
from runner.facts.needs import Requirement
from runner.results import ObjectUse, Record

_Kind = Literal["base", "program", "map", "helper", "btf"]


class KernelRequirement(Record):
    """Something that a kernel must have."""

    kind: Literal["base", "program", "map", "helper", "btf"]
    """What it is: "base" is needed by every object."""
    name: str
    """What programs, maps or calls it is about: "kprobe", "ringbuf", "bpf_loop"."""
    since: str = ""
    """The first upstream version that has it. Vendors have some things in older
    versions; empty if it is not known."""
    options: tuple[str, ...] = ()
    """Options that its configuration must set: "CONFIG_KPROBE_EVENTS"."""
    note: str = ""
    """What older kernels do instead."""
    users: tuple[str, ...] = ()
    """Objects that need it."""


def of(objects: Sequence[ObjectUse]) -> tuple[KernelRequirement, ...]:
    """Return what these objects need: kinds of programs, maps, helpers, and options."""
    if not objects:
        return ()
    base = KernelRequirement(kind="base", name="bpf()", options=needs.BASE)
    return (base, *_btf(), *_programs(objects), *_maps(objects), *_helpers(objects))


def helper_name(name: str) -> str:
    """Return a helper's whole name; of an unknown one its number as it stands."""
    whole = name if name.startswith("bpf_") else f"bpf_{name}"
    return whole if whole in names.HELPERS else _number(name)


def _number(name: str) -> str:
    """Return the number of what has no name: "helper 9999", "type 999"."""
    return name.removeprefix("helper ").removeprefix("type ")


def _btf() -> Iterator[KernelRequirement]:
    yield _requirement("btf", "BTF of the kernel", needs.BTF, ())


def _programs(objects: Sequence[ObjectUse]) -> Iterator[KernelRequirement]:
    # Those of one kind may differ: a system call's tracepoint needs an option more.
    found: dict[tuple[str, Requirement], list[str]] = {}
    for it in objects:
        for program in it.programs:
            need = needs.of_section(program.section)
            name = program.section.removeprefix("?").partition("/")[0]
            if "CONFIG_FTRACE_SYSCALLS" in need.options:
                name += "/syscalls"
            found.setdefault((name, need), []).append(it.path)
    for (name, need), users in sorted(found.items(), key=lambda it: it[0][0]):
        yield _requirement("program", name, need, users)


def _maps(objects: Sequence[ObjectUse]) -> Iterator[KernelRequirement]:
    found: dict[str, list[str]] = {}
    for it in objects:
        for map_ in it.maps:
            found.setdefault(map_.type, []).append(it.path)
    for type_, users in sorted(found.items()):
        yield _requirement("map", _number(type_), needs.of_map(type_), users)


def _helpers(objects: Sequence[ObjectUse]) -> Iterator[KernelRequirement]:
    found: dict[str, list[str]] = {}
    for it in objects:
        for program in it.programs:
            for helper in program.helpers:
                found.setdefault(helper_name(helper), []).append(it.path)
    for name, users in sorted(found.items()):
        yield _requirement("helper", name, needs.of_helper(name), users)


def _requirement(
    kind: _Kind, name: str, need: Requirement, users: Iterable[str]
) -> KernelRequirement:
    return KernelRequirement(
        kind=kind,
        name=name,
        since=need.since,
        options=need.options,
        note=need.note,
        users=tuple(dict.fromkeys(users)),
    )
