"""What an object needs of a kernel besides types, by its facts, BTF and version."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from runner import arch
from runner.arch import Architecture
from runner.bpf.kinds import Kind
from runner.facts.abilities import Known
from runner.facts.model import (
    UNKNOWN,
    Facts,
    Judgement,
    Learnt,
    Presence,
    judged,
    probed,
)
from runner.facts.names import HELPERS, PROGRAM_TYPES
from runner.facts.traced import Functions
from runner.preflight import externs, neartargets, rules, structops
from runner.preflight.engine import Engine
from runner.preflight.model import Feature, KernelNeed
from runner.preflight.rules import Code
from runner.versions import KernelVersion

_ENUMS = (Kind.ENUM, Kind.ENUM64)
# libbpf takes probe_read and probe_read_str where a kernel has no newer ones.
_FALLBACKS = {112: 4, 113: 4, 114: 45, 115: 45}
# Those two.
_AMBIGUOUS_READS = (4, 45)
_RESTRICTED_SINCE = KernelVersion.parse("5.7")
# Maps whose entries the kernel or libbpf counts: perf_event_array, struct_ops and those
# that are storage of something.
_COUNTED = (4, 19, 21, 24, 26, 28, 29, 32)
# Maps without values of a size: of maps, ring buffers, struct_ops, arena.
_VALUELESS = (12, 13, 26, 27, 31, 33)
# array_of_maps and hash_of_maps.
_OF_MAPS = (12, 13)
# Symbols of one function that a sentence names.
_MOST_CHANGED = 3
# BPF_PROG_TYPE_EXT.
_EXTENSION = 28
# Types of programs that kernels refuse for an attach type that they don't know:
# cgroup_sock_addr, cgroup_sockopt, tracing, lsm, sk_lookup. Others do not look.
_PARTICULAR = (18, 25, 26, 29, 30)


@dataclass(frozen=True, kw_only=True)
class _Attach:
    """How programs of a section find what they attach to."""

    # What the kernel's BTF calls it, with "{}" for the section's own name.
    name: str
    kind: Kind
    # libbpf looks it up when the program loads.
    stops_loading: bool
    # Whether its absence from BTF is its absence from the kernel.
    certain: bool = True


# Where tracepoints have types, this one does: each kernel has it.
_ANY_TRACEPOINT = ("btf_trace_sched_switch", Kind.TYPEDEF)

_ATTACH: Mapping[str, _Attach] = {
    **{
        prefix: _Attach(name="{}", kind=Kind.FUNC, stops_loading=True)
        for prefix in ("fentry", "fexit", "fmod_ret")
    },
    "tp_btf": _Attach(name="btf_trace_{}", kind=Kind.TYPEDEF, stops_loading=True),
    "lsm": _Attach(name="bpf_lsm_{}", kind=Kind.FUNC, stops_loading=True),
    "iter": _Attach(name="bpf_iter_{}", kind=Kind.FUNC, stops_loading=True),
    # e8c423fb31fa gave every tracepoint a type: 5.5.
    **{
        prefix: _Attach(name="btf_trace_{}", kind=Kind.TYPEDEF, stops_loading=False)
        for prefix in ("raw_tp", "raw_tracepoint", "tp", "tracepoint")
    },
    # BTF leaves out functions that were inlined or renamed by the compiler.
    **{
        prefix: _Attach(name="{}", kind=Kind.FUNC, stops_loading=False, certain=False)
        for prefix in ("kprobe", "kretprobe", "ksyscall", "kretsyscall")
    },
}


def features(
    code: Code, known: Known, engine: Engine, *, compat: bool
) -> tuple[Feature, ...]:
    """Return what an object needs, and whether the engine's target has it."""
    return (
        *_helpers(code, known, engine),
        *_calls(code, known.facts),
        *_types(code, known.facts, engine),
        *externs.features(
            code.externs, code.reached, code.number, engine, known.version
        ),
        *_targets(code, known, engine),
        *_struct_ops(code, engine),
        *rules.features(code, known, engine, compat=compat),
        *_left_to_loader(code),
    )


# -------------------------------------------------------------------- enums


def _values(engine: Engine, enum: str, most: str) -> set[int] | None:
    """Return an enumeration's values below its end, or None when it is not there."""
    (found,) = engine.find([enum])
    ids = [id_ for id_, kind in found if kind in _ENUMS]
    if not ids:
        return None
    (type_,) = engine.types(ids[:1])
    assert type_ is not None
    end = type_.enumerators.get(most)
    return {it for it in type_.enumerators.values() if end is None or it < end}


def _of_enum(
    need: KernelNeed,
    wanted: Mapping[int, Sequence[str]],
    names: Sequence[str],
    enum: tuple[str, str],
    engine: Engine,
    tried: Mapping[int, bool] | None = None,
) -> Iterator[Feature]:
    """Yield what is needed; `tried` is what the kernel itself said of it."""
    if not wanted:
        return
    values = _values(engine, *enum)
    for number, users in sorted(wanted.items()):
        name = names[number] if number < len(names) else ""
        found = probed(tried.get(number)) if tried else UNKNOWN
        if not found.is_known:
            found = _in_enum(number, values)
        yield Feature(
            need=need,
            name=name or str(number),
            presence=found.presence,
            users=tuple(dict.fromkeys(users)),
            evidence=(
                found.learnt.value
                if found.learnt is Learnt.PROBED
                else f"enum {enum[0]}"
            ),
            learnt=found.learnt,
        )


def _in_enum(number: int, values: Set[int] | None) -> Judgement:
    return UNKNOWN if values is None else judged(number in values, Learnt.BTF)


def _by_btf(there: bool, *, known: bool) -> Judgement:
    """Return what BTF says of something that it has, or not."""
    return judged(there, Learnt.BTF) if there or known else UNKNOWN


def _helpers(code: Code, known: Known, engine: Engine) -> Iterator[Feature]:
    # libbpf falls back on what a kernel of its age has on every architecture.
    restricted = _is_restricted(known)
    fallbacks = {} if restricted else _FALLBACKS
    wanted: dict[int, list[str]] = {}
    for number, users in code.helpers.items():
        wanted.setdefault(fallbacks.get(number, number), []).extend(users)
    if restricted:
        yield from _ambiguous_reads(wanted, known, engine)
    yield from _of_enum(
        KernelNeed.HELPER,
        {
            number: users
            for number, users in wanted.items()
            if not (restricted and number in _AMBIGUOUS_READS)
        },
        engine.names.helpers,
        ("bpf_func_id", "__BPF_FUNC_MAX_ID"),
        engine,
        known.facts.helpers if known.facts else None,
    )


def _is_restricted(known: Known) -> bool:
    """Whether a kernel lacks the helpers that read any address, though BTF has them.

    Where an address may be the kernel's and a program's at once, they are left out
    since 5.7 (0ebeea8ca8a4). A kernel that was asked has said so itself.
    """
    found = arch.find(known.architecture)
    overlaps = found is not None and found.tree.addresses_overlap
    is_old = known.version is not None and known.version < _RESTRICTED_SINCE
    return overlaps and not is_old and known.facts is None


def _ambiguous_reads(
    wanted: Mapping[int, Sequence[str]], known: Known, engine: Engine
) -> Iterator[Feature]:
    for number in _AMBIGUOUS_READS:
        if number in wanted:
            yield Feature(
                need=KernelNeed.HELPER,
                name=engine.names.helpers[number],
                presence=Presence.ABSENT,
                users=tuple(dict.fromkeys(wanted[number])),
                evidence=f"{known.architecture} has none since 5.7 (0ebeea8ca8a4)",
                learnt=Learnt.VERSION,
            )


def _calls(code: Code, facts: Facts | None) -> Iterator[Feature]:
    """Yield the helpers that the kernel has, and refused to a type of programs."""
    refused: dict[tuple[int, int], list[str]] = {}
    calls = facts.calls if facts else {}
    for program, type_, helpers in code.calls:
        told = calls.get(type_, {})
        for number in helpers:
            asked = [told.get(it) for it in {number, _FALLBACKS.get(number, number)}]
            is_there = facts is not None and facts.helpers.get(number)
            if is_there and all(it is False for it in asked):
                refused.setdefault((number, type_), []).append(program)
    for (number, type_), programs in sorted(refused.items()):
        yield Feature(
            need=KernelNeed.RULE,
            name=f"{HELPERS[number]}() for {PROGRAM_TYPES[type_]} programs",
            presence=Presence.ABSENT,
            users=tuple(dict.fromkeys(programs)),
            evidence=Learnt.PROBED.value,
            learnt=Learnt.PROBED,
        )


def _types(code: Code, facts: Facts | None, engine: Engine) -> Iterator[Feature]:
    programs: dict[int, list[str]] = {}
    attach: dict[int, list[str]] = {}
    particular: set[int] = set()
    maps: dict[int, list[str]] = {}
    for program in code.contents.programs:
        if program.name not in code.loaded:
            continue
        programs.setdefault(program.type, []).append(program.name)
        # 0 is what programs that attach otherwise leave there.
        if program.attach_type:
            attach.setdefault(program.attach_type, []).append(program.name)
            if program.type in _PARTICULAR:
                particular.add(program.attach_type)
    for map_ in code.contents.maps:
        # libbpf makes them only where the kernel has global data: that is a rule.
        if not map_.internal:
            maps.setdefault(map_.type, []).append(map_.name)
    # Programs of a section that libbpf does not know have no type.
    programs.pop(0, None)
    names = engine.names
    yield from _of_enum(
        KernelNeed.PROGRAM_TYPE,
        programs,
        names.programs,
        ("bpf_prog_type", ""),
        engine,
        facts.programs if facts else None,
    )
    yield from _of_enum(
        KernelNeed.ATTACH_TYPE,
        {number: users for number, users in attach.items() if number in particular},
        names.attach,
        ("bpf_attach_type", "__MAX_BPF_ATTACH_TYPE"),
        engine,
    )
    yield from _of_enum(
        KernelNeed.MAP_TYPE,
        maps,
        names.maps,
        ("bpf_map_type", ""),
        engine,
        facts.maps if facts else None,
    )


# ---------------------------------------------------------- functions, hooks


def _targets(code: Code, known: Known, engine: Engine) -> Iterator[Feature]:
    wanted = list(_attach_targets(code, arch.find(known.architecture) or arch.X86_64))
    asked = {(it.name, it.way.kind) for it in wanted}
    there = _in_btf({*asked, _ANY_TRACEPOINT}, engine) if asked else set()
    functions = known.facts.traced.functions if known.facts else None
    declared = {it.program.name: it.declared for it in code.attached}
    for each in wanted:
        tells = engine.target.functions and _tells(each.way, there)
        found = _by_btf((each.name, each.way.kind) in there, known=tells)
        evidence = f"{each.way.kind.name.lower()} {each.name} in BTF"
        why_not = _not_traced(each, functions)
        if why_not:
            found, evidence = judged(False, Learnt.PROBED), why_not
        yield Feature(
            need=KernelNeed.ATTACH_TARGET,
            name=each.section,
            presence=found.presence,
            users=(each.program,),
            evidence=evidence,
            stops_loading=each.way.stops_loading
            and not (why_not and _is_symbol(each, functions)),
            learnt=found.learnt,
            near=()
            if (each.name, each.way.kind) in there or not engine.target.functions
            else tuple(
                it.removeprefix(each.way.name.partition("{")[0])
                for it in neartargets.near(
                    each.name, each.way.kind, declared.get(each.program, ()), engine
                )
            ),
        )


def _not_traced(target: "_AttachTarget", functions: Functions | None) -> str:
    """Return why a function can't be traced by its name, as the kernel's symbols say.

    BTF has functions that compilers changed by their plain name, from pahole 1.25 on.
    """
    if functions is None or target.way.kind is not Kind.FUNC or not target.is_traced:
        return ""
    changed = functions.changed(target.name)
    if changed and target.name not in functions.names:
        return f"it has {', '.join(changed[:_MOST_CHANGED])} instead"
    if functions.names.get(target.name, True):
        return ""
    return "ftrace can't trace it: available_filter_functions lacks it"


def _is_symbol(target: "_AttachTarget", functions: Functions | None) -> bool:
    return functions is not None and target.name in functions.names


@dataclass(frozen=True, kw_only=True)
class _AttachTarget:
    """What a program attaches to."""

    program: str
    # As libbpf takes it: "fentry/vfs_read".
    section: str
    way: _Attach
    # What the kernel's BTF calls it.
    name: str
    # Whether its code is changed where it begins, as hooks of LSM are not.
    is_traced: bool


def _attach_targets(code: Code, architecture: Architecture) -> Iterator[_AttachTarget]:
    for program in code.contents.programs:
        section = program.section.removeprefix("?")
        prefix, _, rest = section.partition("/")
        way = _ATTACH.get(prefix.removesuffix(".s"))
        target = rest.rpartition("/")[2].partition("+")[0]
        if program.name not in code.loaded or way is None or not target:
            continue
        if prefix in ("tp", "tracepoint") and rest.startswith("syscalls/"):
            continue
        syscall = prefix in ("ksyscall", "kretsyscall")
        yield _AttachTarget(
            program=program.name,
            section=section,
            way=way,
            name=f"{architecture.tree.syscalls}{target}"
            if syscall
            else way.name.format(target),
            is_traced=way.name == "{}",
        )


def found_by_btf(code: Code) -> tuple[str, ...]:
    """Return the functions that libbpf looks up in BTF when programs are loaded."""
    found = (
        it.name
        for it in _attach_targets(code, arch.X86_64)
        if it.way.stops_loading and it.way.kind is Kind.FUNC
    )
    return tuple(dict.fromkeys(found))


def _struct_ops(code: Code, engine: Engine) -> Iterator[Feature]:
    """Yield the structs of operations that maps implement."""
    users: dict[str, list[str]] = {}
    for map_ in structops.made(code.item, code.not_created, engine):
        users.setdefault(structops.struct_name(map_, engine), []).append(map_.name)
    if not users:
        return
    # What a subsystem registers has such a struct around it (init_kern_ops of libbpf).
    found = engine.find([f"bpf_struct_ops_{name}" for name in users])
    for (name, maps), types in zip(users.items(), found, strict=True):
        is_there = any(kind is Kind.STRUCT for _, kind in types)
        judgement = _by_btf(is_there, known=engine.target.functions)
        yield Feature(
            need=KernelNeed.STRUCT_OPS,
            name=name,
            presence=judgement.presence,
            users=tuple(maps),
            evidence=f"struct bpf_struct_ops_{name} in BTF",
            learnt=judgement.learnt,
        )


def _in_btf(wanted: Set[tuple[str, Kind]], engine: Engine) -> Set[tuple[str, Kind]]:
    """Return what the kernel's BTF has of names and their kinds."""
    functions = [name for name, kind in wanted if kind is Kind.FUNC]
    others = [name for name, kind in wanted if kind is not Kind.FUNC]
    is_there = engine.functions(functions) if functions else []
    types = engine.find(others) if others else []
    return {
        (name, Kind.FUNC) for name, it in zip(functions, is_there, strict=True) if it
    } | {
        (name, kind)
        for name, found in zip(others, types, strict=True)
        for _, kind in found
    }


def _tells(way: _Attach, there: Set[tuple[str, Kind]]) -> bool:
    """Tell whether BTF that lacks a target says that the kernel lacks it.

    `there` is what it has.
    """
    if not way.certain:
        return False
    return way.stops_loading or _ANY_TRACEPOINT in there


def _left_to_loader(code: Code) -> Iterator[Feature]:
    """Yield what nothing can be loaded without, and the object does not say."""
    # libbpf calls what an object says of the maps in another "NAME.inner".
    names = {it.name for it in code.contents.maps}
    for it in code.contents.maps:
        if it.type in _OF_MAPS and f"{it.name}.inner" not in names:
            yield _left(f"inner map of {it.name}", it.name)
        if not it.internal and not it.entries and it.type not in _COUNTED:
            yield _left(f"max_entries of {it.name}", it.name)
        if not it.internal and not it.value_size and it.type not in _VALUELESS:
            yield _left(f"value_size of {it.name}", it.name)
    for program in code.contents.programs:
        if program.name not in code.loaded:
            continue
        if not program.type:
            yield _left(f"type of {program.name}", program.name)
        elif program.type == _EXTENSION and code.extended is None:
            yield _left(f"target of {program.name}", program.name)


def _left(name: str, user: str) -> Feature:
    return Feature(
        need=KernelNeed.LOADER,
        name=name,
        presence=Presence.UNKNOWN,
        users=(user,),
        evidence="left to the loader",
        stops_loading=False,
    )


def absent(found: Iterable[Feature]) -> list[Feature]:
    """Return what the kernel lacks that keeps the object from loading."""
    return [it for it in found if it.presence is Presence.ABSENT and it.stops_loading]
