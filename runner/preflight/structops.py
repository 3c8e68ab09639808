"""Members of structs of operations (struct_ops), against those of a kernel's struct.

libbpf copies what an object's map holds member by member, by their names, and refuses
the object where one does not fit (bpf_map__init_kern_struct_ops() in libbpf.c, read in
1.1, 1.4 and 1.7).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from runner.bpf.btf import Type
from runner.bpf.debuginfo import Function
from runner.bpf.insn import SIZE
from runner.bpf.kinds import Kind
from runner.bpf.object import BpfObject
from runner.preflight.engine import Engine, MemberAnswer
from runner.preflight.model import Effect, Finding, FindingKind, InstructionPlace
from runner.preflight.places import place_of
from runner.text.nearest import near

_SECTION = ".struct_ops"
# From here on libbpf leaves out maps that are not to be created (cb426140), takes off
# what follows "___" of a struct's name (f7fd5dbc), and leaves out members that the
# kernel lacks if they are zero (a5459eac of github.com/libbpf/libbpf).
_LENIENT = (1, 4)


@dataclass(frozen=True, kw_only=True)
class OpsMember:
    """A member of a struct of operations, as an object has it."""

    name: str
    # Behind typedefs and qualifiers, bytes, and bits of a bit field.
    kind: Kind
    size: int
    bits: int
    # Whether any byte of it is set, or a program stands there.
    is_set: bool
    # The function that the kernel is to call, if it is one.
    program: Function | None


@dataclass(frozen=True, kw_only=True)
class OpsMap:
    """A map that implements a struct of operations."""

    name: str
    # As the object has it: "tcp_congestion_ops___old".
    struct: str
    section: str
    members: tuple[OpsMember, ...]

    @property
    def essential(self) -> str:
        """Return the struct's name without its flavor."""
        return self.struct.partition("___")[0]


@lru_cache(maxsize=8)
def ops_maps(item: BpfObject) -> tuple[OpsMap, ...]:
    """Return the maps of an object that implement structs of operations.

    Not those of "?.struct_ops", which are made only where a loader asks for them.
    """
    return tuple(_ops_maps(item))


def _ops_maps(item: BpfObject) -> Iterator[OpsMap]:
    names = [it.name for it in item.sections if it.name.startswith(_SECTION)]
    if not names:
        return
    btf = item.btf
    for held in btf.sections():
        if held.name not in names:
            continue
        index = next(i for i, it in enumerate(item.sections) if it.name == held.name)
        starts = {it.name: it.value for it in item.symbols if it.section == index}
        for variable in btf.held(held):
            struct = btf.resolved(variable.refers_to)
            if struct.kind is Kind.STRUCT and variable.name in starts:
                start = starts[variable.name]
                yield OpsMap(
                    name=variable.name,
                    struct=struct.name,
                    section=held.name,
                    members=tuple(_members(item, index, start, struct)),
                )


def _members(
    item: BpfObject, section: int, start: int, struct: Type
) -> Iterator[OpsMember]:
    btf, whole = item.btf, item.sections[section]
    links = {it.at: it.symbol for it in item.links if it.section == section}
    for member in btf.members(struct):
        at = start + member.bit // 8
        symbol = links.get(at)
        program = None
        if symbol is not None:
            program = item.function_at(symbol.section, symbol.value // SIZE)
        resolved = btf.resolved(member.type_id)
        size = btf.size(member.type_id)
        yield OpsMember(
            name=member.name,
            kind=resolved.kind,
            size=size,
            bits=member.bits,
            is_set=symbol is not None or any(whole.data[at : at + size]),
            program=program,
        )


def served(item: BpfObject) -> Mapping[tuple[int, int], str]:
    """Return which member each program stands in, by its first instruction.

    As "tcp_congestion_ops.init". In several it is the same one, or libbpf refuses that.
    """
    found: dict[tuple[int, int], str] = {}
    for map_ in ops_maps(item):
        for member in map_.members:
            if (it := member.program) is not None:
                name = f"{map_.essential}.{member.name}"
                found.setdefault((it.section_index, it.start), name)
    return found


def struct_name(map_: OpsMap, engine: Engine) -> str:
    """Return the name by which the engine's libbpf looks for a map's struct."""
    return map_.essential if engine.names.version >= _LENIENT else map_.struct


def made(item: BpfObject, not_created: frozenset[str], engine: Engine) -> list[OpsMap]:
    """Return the maps that libbpf prepares, without those that are not to be created.

    Before 1.4 it prepares these, too.
    """
    leaves_out = engine.names.version >= _LENIENT
    return [it for it in ops_maps(item) if not (leaves_out and it.name in not_created)]


def findings(
    item: BpfObject,
    not_created: frozenset[str],
    loaded: Collection[str],
    engine: Engine,
) -> Iterator[Finding]:
    """Yield the members that libbpf can't copy to the kernel's struct.

    And those that the kernel lets no program implement, of programs that are `loaded`.
    """
    maps = made(item, not_created, engine)
    if not maps:
        return
    found = engine.find([struct_name(it, engine) for it in maps])
    for map_, types in zip(maps, found, strict=True):
        ids = [id_ for id_, kind in types if kind is Kind.STRUCT]
        # A struct that is missing is a feature that is.
        kernel = engine.types(ids[:1])[0] if ids else None
        if kernel is not None:
            yield from _of_map(item, map_, kernel.fields, loaded, engine)


def _of_map(
    item: BpfObject,
    map_: OpsMap,
    kernel: Sequence[MemberAnswer],
    loaded: Collection[str],
    engine: Engine,
) -> Iterator[Finding]:
    there = {it.name: it for it in kernel}
    struct = f"struct {map_.essential}"
    for member in map_.members:
        known = there.get(member.name)
        if known is None:
            if engine.names.version >= _LENIENT and not member.is_set:
                continue
            kind = FindingKind.MEMBER_MISSING
            similar = near(member.name, [name for name in there if name])
            reason = f"the kernel's {struct} has no member {member.name}{similar}"
            if not member.is_set:
                reason += "; libbpf before 1.4 refuses one that is zero, too"
            cure = _CURE_MISSING.format(member=member.name, struct=map_.essential)
        elif _is_closed(map_, member, loaded):
            kind = FindingKind.TARGET_UNSUPPORTED
            reason = f"no program may implement {member.name} of {struct}"
            cure = f"leave .{member.name} out"
        else:
            kind, why = FindingKind.MEMBER_CHANGED, _misfit(member, known, engine)
            if not why:
                continue
            reason = f"{member.name} of the kernel's {struct} {why}"
            cure = _CURE_CHANGED.format(member=member.name, text=known.text)
        yield Finding(
            kind=kind,
            effect=Effect.NOT_LOADED,
            place=_place(item, map_, member),
            subject=f"{map_.essential}.{member.name}",
            reason=f"{map_.name}: {reason}",
            cure=cure,
        )


_CURE_MISSING = (
    "give this member to a map of its own, of a struct {struct}___new, which the "
    "loader creates on the kernels that have {member}: bpf_map__set_autocreate(), or "
    "`maps: {{NAME: {{create: …}}}}` (libbpf 1.4); with an older libbpf, build an "
    "object without it"
)
# What kernels let no program implement (bpf_tcp_ca_check_member(), from the first on).
_CLOSED = frozenset({("tcp_congestion_ops", "get_info")})
_CURE_CHANGED = (
    "declare it as the kernel does, `{text}`, in a struct with a flavor for each form, "
    "and create the map that fits (libbpf 1.4)"
)


def _is_closed(map_: OpsMap, member: OpsMember, loaded: Collection[str]) -> bool:
    """Whether the kernel refuses to load the program of a member."""
    program = member.program
    is_closed = (map_.essential, member.name) in _CLOSED
    return is_closed and program is not None and program.name in loaded


def _misfit(member: OpsMember, kernel: MemberAnswer, engine: Engine) -> str:
    """Return why a member can't be copied, or nothing."""
    if member.bits or kernel.bits:
        return "can't be set: libbpf sets no bit fields"
    if member.kind is not kernel.kind:
        return f"is {kernel.text}, and the object has another kind of type"
    if member.kind is Kind.PTR:
        if member.program is None:
            return ""
        (pointer,) = engine.types([kernel.type])
        (to,) = engine.types([pointer.to]) if pointer else (None,)
        is_function = to is None or to.kind is Kind.FUNC_PROTO
        return "" if is_function else f"is {kernel.text}, which points to no function"
    if kernel.size is None or member.size == kernel.size:
        return ""
    return f"has {kernel.size} bytes, and the object's has {member.size}"


def _place(item: BpfObject, map_: OpsMap, member: OpsMember) -> InstructionPlace:
    """Return where a member's program is, or the map's first one."""
    programs = [it.program for it in map_.members if it.program is not None]
    function = member.program or (programs[0] if programs else None)
    if function is None:
        return InstructionPlace(program=map_.name, section=map_.section, instruction=0)
    return place_of(item, (function.section_index, function.start), function.name)
