"""What the loader of a case sets on a kernel before it loads the object."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import get_args

from pydantic import JsonValue

from runner import timeouts
from runner.bpf import object as bpf_object
from runner.case import loaders, variables
from runner.errors import UsageError
from runner.facts import names
from runner.guest.guest import Guest
from runner.guest.objectsettings import MapSettings, ObjectSettings
from runner.suites.attachplaces import is_looked_up
from runner.suites.checks.text import no_such
from runner.suites.known import KnownKernel
from runner.suites.model import Case, Program, ProgramFlag, ProgramType
from runner.suites.references import resolve, used

# What the kernel wants to know of programs when they load, by their types
# (bpf_prog_load_check_attach()).
_LOADED_FOR = {"netfilter": "netfilter", "sk_lookup": "sk_lookup", "xdp": "xdp"}
# The same by the kinds of places that a program's section need not name: by type, the
# kernel would make plain probes of them.
_LOADED_FOR_PLACE = {
    "kprobe.multi": "trace_kprobe_multi",
    "kretprobe.multi": "trace_kprobe_multi",
    "uprobe.multi": "trace_uprobe_multi",
    "uretprobe.multi": "trace_uprobe_multi",
}
# By their bits.
_FLAGS = get_args(ProgramFlag)


def of_case(case: Case, data: bytes, guest: Guest) -> ObjectSettings:
    """Return it, for an object's bytes.

    Raises UsageError for a value that a variable can't have, RunnerError for an object
    that can't be read, AgentError and GuestError.
    """
    kernel = guest.on
    places = {name: it.place(kernel) for name, it in case.programs.items()}
    values = resolve(dict(case.variables), known(guest))
    return _settings(
        case, data, kernel, values, chosen=_chosen(case, data, guest, places)
    )


def of_kernel(case: Case, data: bytes, kernel: KnownKernel) -> ObjectSettings | None:
    """Return it for a kernel that is not booted; None if nothing can be said.

    Raises as `of_case` does.
    """
    if case.btf or case.alternatives or any(used(case.variables)):
        return None
    return _settings(case, data, kernel, dict(case.variables), chosen={})


def _settings(
    case: Case,
    data: bytes,
    kernel: KnownKernel,
    values: JsonValue,
    *,
    chosen: Mapping[str, bool],
) -> ObjectSettings:
    assert isinstance(values, dict)
    places = {name: it.place(kernel) for name, it in case.programs.items()}
    return ObjectSettings(
        load={
            **{name: it.loads(kernel) for name, it in case.programs.items()},
            **chosen,
        },
        targets={
            name: place
            for name, place in places.items()
            if place is not None and is_looked_up(place)
        },
        types={
            name: found
            for name, it in case.programs.items()
            if any(found := _numbers(it.type, places[name]))
        },
        flags={
            name: sum(1 << _FLAGS.index(flag) for flag in {*it.flags})
            for name, it in case.programs.items()
            if it.flags
        },
        maps={
            name: MapSettings(
                max_entries=it.max_entries,
                value_size=it.value_size,
                create=it.creates(kernel),
                inner_map=it.inner_map,
            )
            for name, it in case.maps.items()
        },
        variables=variables.encoded(bpf_object.read(data).btf, values)
        if values
        else {},
    )


def _numbers(type_: ProgramType | None, place: str | None) -> tuple[int, int]:
    """Return a type's number, and that of what the kernel wants such programs for.

    They are 0 where the program's section says it.
    """
    word = (place or "").partition("/")[0]
    wanted = _LOADED_FOR_PLACE.get(word) or _LOADED_FOR.get(type_ or "")
    return (
        0 if type_ is None else names.PROGRAM_TYPES.index(type_),
        0 if wanted is None else names.ATTACH_TYPES.index(wanted),
    )


def _chosen(
    case: Case, data: bytes, guest: Guest, places: Mapping[str, str | None]
) -> dict[str, bool]:
    """Return whether programs are loaded of which the case's loader takes one."""
    if not case.alternatives:
        return {}
    programs = bpf_object.read(data).debug.programs
    names = [name for group in case.alternatives for name in group]
    for name in names:
        if name not in programs:
            raise UsageError(
                f"alternatives: {name!r}: {no_such('program', name, sorted(programs))}"
            )
    wanted = [places.get(name) or programs[name].section for name in names]
    there = guest.agent.has_targets(wanted, timeout=timeouts.READ.seconds)
    has = {name for name, is_there in zip(names, there, strict=True) if is_there}
    return {
        name: name == next((it for it in group if it in has), group[-1])
        for group in case.alternatives
        for name in group
    }


def known(guest: Guest, folder: PurePosixPath = loaders.FOLDER) -> dict[str, JsonValue]:
    """Return what references may name before anything is loaded.

    `folder` is where the case's files are.
    """
    return {
        "kernel": {
            "id": guest.kernel.id,
            "release": guest.hello.release,
            "version": str(guest.artifact.version),
        },
        "agent": {"pid": guest.hello.pid, "tick_ns": guest.hello.tick_ns},
        "files": {
            "folder": str(folder),
            "btf": str(guest.btf or loaders.KERNELS_BTF),
        },
    }


def place(program: Program, guest: Guest) -> str | None:
    """Return what a program is attached to once it is loaded.

    None is what its section says, or what was looked up when it loaded. Raises
    UsageError for a reference to nothing.
    """
    found = program.place(guest.on)
    if found is None or is_looked_up(found):
        return None
    return str(resolve(found, known(guest)))


def places(case: Case, data: bytes, guest: Guest) -> list[str]:
    """Return where programs attach to, written as sections; none for a bad object."""
    given = {name: it.place(guest.on) for name, it in case.programs.items()}
    try:
        programs = bpf_object.read(data).programs
    except bpf_object.ObjectError:
        # The agent says what is wrong with it.
        return []
    return [given.get(it.name) or it.section for it in programs]
