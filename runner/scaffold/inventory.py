"""What an object or a source has: its programs, its maps, and what it does to them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from runner.bpf import insn, mapdefinitions
from runner.bpf.btf import COMPOSITES, ENUMERATIONS, Btf
from runner.bpf.debuginfo import Function
from runner.bpf.insn import Insn
from runner.bpf.kinds import Kind
from runner.bpf.mapdefinitions import MapDefinition
from runner.bpf.object import BpfObject
from runner.bpf.values import is_text
from runner.facts.names import MAP_TYPES

# Helpers by their numbers (include/uapi/linux/bpf.h).
_UPDATE, _DELETE = 2, 3
# bpf_seq_printf(), bpf_seq_write() and bpf_seq_printf_btf().
_PRINT = frozenset({126, 127, 150})
# bpf_perf_event_output(), bpf_ringbuf_output() and bpf_ringbuf_reserve().
_SEND = frozenset({25, 130, 131})

# BPF_STX | BPF_XADD or BPF_ATOMIC, of 4 and of 8 bytes.
_ATOMIC = frozenset({0xC3, 0xDB})
_BY_MACRO = {f"BPF_MAP_TYPE_{name.upper()}": name for name in MAP_TYPES}

# A text, in which there is no comment, or a comment.
_COMMENT = re.compile(r'("(?:\\.|[^"\\\n])*")|/\*.*?\*/|//[^\n]*', re.DOTALL)
_SECTION = re.compile(r'SEC\(\s*"([^"]+)"\s*\)')
_PROGRAM = re.compile(
    r"\s*(?:static |const |volatile |__\w+ |__attribute__\(\(\w+\)\)\s*)*"
    r"(?:struct |enum |union )?\w+[\s*]+"
    r"(?:(?:BPF_\w+)\(\s*(?P<macro>\w+)|(?P<plain>\w+)\s*\()"
)
# BPF_PROG(name, …) without a type in front of it.
_BARE_MACRO = re.compile(r"\s*BPF_\w+\(\s*(\w+)")
_MAP = re.compile(
    r"struct\s*\{(?P<body>[^{}]*)\}\s*(?P<names>[\w\s,]+?)\s*SEC\(\s*\"\.maps\"\s*\)"
)
_MAP_TYPE = re.compile(r"__uint\(\s*type\s*,\s*(\w+)\s*\)")


@dataclass(frozen=True, kw_only=True)
class ValueField:
    """A member of a map's value, or the value itself."""

    # Empty for the value itself.
    path: str
    # "" for what has no name.
    type_name: str
    is_number: bool = False
    is_text: bool = False


@dataclass(frozen=True, kw_only=True)
class MapFound:
    """A map."""

    name: str
    # As bpftool shows it; empty where nothing says it.
    type: str
    # 0 where nothing says it.
    max_entries: int = 0
    # The declared name of the key's type, such as pid_t; empty for others.
    key_type: str = ""
    key_is_number: bool = False
    # The number of bytes of a key and of a value; 0 where nothing says it.
    key_size: int = 0
    value_size: int = 0
    values: tuple[ValueField, ...] = ()
    # What programs do to it, as far as their instructions show.
    is_counted: bool = False
    is_updated: bool = False
    is_deleted_from: bool = False
    is_sent_through: bool = False


@dataclass(frozen=True, kw_only=True)
class ProgramFound:
    """A program."""

    name: str
    # Without the "?" of one that its loader has to ask for.
    section: str
    is_optional: bool = False
    # Whether it prints to a file, as iterators do.
    prints: bool = False
    # The maps that it names, also by functions that it calls.
    maps: frozenset[str] = frozenset()
    # Whether it counts in variables of .bss or .data.
    counts_variables: bool = False


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """All that was found of an object."""

    programs: tuple[ProgramFound, ...]
    maps: tuple[MapFound, ...]
    # Variables of .bss and .data, with their sections, that are whole numbers.
    variables: Mapping[str, str] = field(default_factory=dict)
    # Structs of the object's BTF that hold a pid or a comm, with their members.
    records: Mapping[str, tuple[ValueField, ...]] = field(default_factory=dict)
    # Whether it was read from the source's text, because nothing compiled it.
    is_guess: bool = False


# ------------------------------------------------------------------ objects


def of_object(found: BpfObject) -> Inventory:
    """Return what a compiled object has. Raises ObjectError for a damaged one."""
    uses = {it.name: _Use.of(found, it) for it in found.functions}
    return Inventory(
        programs=tuple(_programs(found, uses)),
        maps=tuple(_maps(found, uses.values())),
        variables=dict(_variables(found.btf)),
        records=dict(_records(found.btf)),
    )


@dataclass(frozen=True, kw_only=True)
class _Use:
    """What a function does by itself."""

    helpers: frozenset[int]
    maps: frozenset[str]
    # Which helpers it calls with which map.
    done: frozenset[tuple[str, int]]
    sections: frozenset[str]
    calls: frozenset[str]
    adds: bool

    @classmethod
    def of(cls, found: BpfObject, function: Function) -> "_Use":
        """Look at a function's instructions and what they refer to."""
        code = found.insns(function)
        symbols = [
            (it.index, it.symbol)
            for it in found.references
            if it.function.name == function.name
        ]
        maps = {
            index: it.name
            for index, it in symbols
            if it.section in found.map_sections and it.name
        }
        called = set()
        for index, symbol in symbols:
            if symbol.type == "STT_FUNC":
                called.add(symbol.name)
            elif symbol.type == "STT_SECTION" and symbol.section in found.code:
                # Of static functions, the call has the place instead of a name.
                at = found.function_at(symbol.section, code[index].imm + 1)
                called |= {at.name} if at else set()
        return cls(
            helpers=frozenset(_helpers(code)),
            maps=frozenset(maps.values()),
            done=frozenset(_done(code, maps)),
            sections=frozenset(found.sections[it.section].name for _, it in symbols),
            calls=frozenset(called - {function.name}),
            adds=any(_adds(it) for it in code),
        )


def _adds(it: Insn) -> bool:
    """Whether an instruction counts: atomically, or by one."""
    by_one = it.code == insn.ALU64 | insn.ADD and it.imm == 1
    return it.code in _ATOMIC or by_one


def _helpers(code: Sequence[Insn]) -> Iterator[int]:
    for it in code:
        if it.code == insn.JMP | insn.CALL and it.src == insn.CALL_HELPER:
            yield it.imm


def _done(code: Sequence[Insn], maps: Mapping[int, str]) -> Iterator[tuple[str, int]]:
    """Yield maps with the helpers that are called with them.

    Compilers load a map's address right before the call that takes it.
    """
    last = ""
    for index, it in enumerate(code):
        last = maps.get(index, last)
        if last and it.code == insn.JMP | insn.CALL and it.src == insn.CALL_HELPER:
            yield last, it.imm


def _programs(found: BpfObject, uses: Mapping[str, _Use]) -> Iterator[ProgramFound]:
    for function in found.programs:
        reached = [uses[name] for name in _reached(function.name, uses)]
        sections = {name for it in reached if it.adds for name in it.sections}
        yield ProgramFound(
            name=function.name,
            section=function.section.removeprefix("?"),
            is_optional=function.section.startswith("?"),
            prints=any(_PRINT & it.helpers for it in reached),
            maps=frozenset(name for it in reached for name in it.maps),
            counts_variables=any(it.startswith((".bss", ".data")) for it in sections),
        )


def _reached(name: str, uses: Mapping[str, _Use]) -> set[str]:
    """Return a function and all that it calls."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each not in found and each in uses:
            found.add(each)
            waiting += uses[each].calls
    return found


def _maps(found: BpfObject, uses: Iterable[_Use]) -> Iterator[MapFound]:
    btf, all_uses = found.btf, list(uses)
    for name, it in mapdefinitions.of_object(btf).items():
        yield _map(btf, name, it, [use for use in all_uses if name in use.maps])


def _map(
    btf: Btf, name: str, definition: MapDefinition, uses: Sequence[_Use]
) -> MapFound:
    kind, key, value = definition.type or 0, definition.key, definition.value
    key_type = btf.resolved(key) if key else None
    done = {helper for it in uses for map_, helper in it.done if map_ == name}
    return MapFound(
        name=name,
        type=MAP_TYPES[kind] if 0 < kind < len(MAP_TYPES) else "",
        max_entries=definition.max_entries or 0,
        key_type=btf.type(key).name if key else "",
        key_is_number=key_type is not None and key_type.kind is Kind.INT,
        key_size=btf.size(key) if key else definition.key_size or 0,
        value_size=btf.size(value) if value else definition.value_size or 0,
        values=tuple(_values(btf, value)) if value else (),
        is_counted=any(it.adds for it in uses),
        is_updated=_UPDATE in done,
        is_deleted_from=_DELETE in done,
        is_sent_through=bool(_SEND & done),
    )


def _values(btf: Btf, type_: int) -> Iterator[ValueField]:
    resolved = btf.resolved(type_)
    if resolved.kind not in COMPOSITES:
        yield _field(btf, "", type_)
        return
    for member in btf.fields(resolved):
        if not member.bits:
            yield _field(btf, member.name, member.type_id)


def _field(btf: Btf, path: str, type_: int) -> ValueField:
    resolved = btf.resolved(type_)
    return ValueField(
        path=path,
        type_name=btf.type(type_).name,
        is_number=resolved.kind is Kind.INT or resolved.kind in ENUMERATIONS,
        is_text=resolved.kind is Kind.ARRAY and is_text(btf, btf.array(resolved)[0]),
    )


def _variables(btf: Btf) -> Iterator[tuple[str, str]]:
    for section in btf.sections():
        if section.name in (".bss", ".data"):
            for name, type_ in btf.variables(section):
                if btf.resolved(type_).kind is Kind.INT:
                    yield name, section.name


# Members that a record of an event has, and hardly any other struct.
_TELLING = frozenset({"pid", "tgid", "comm"})
_MOST_MEMBERS = 40


def _records(btf: Btf) -> Iterator[tuple[str, tuple[ValueField, ...]]]:
    """Yield structs that look like events: not those of the kernel."""
    for found in btf.types():
        if found.kind is not Kind.STRUCT or not found.name or _is_kernels(found.name):
            continue
        values = tuple(_values(btf, found.id))
        if len(values) <= _MOST_MEMBERS and _TELLING & {it.path for it in values}:
            yield found.name, values


def _is_kernels(name: str) -> bool:
    return name in _KERNELS or name.startswith("trace_event_raw_")


# Structs of the kernel that have such a member, and that programs declare.
_KERNELS = frozenset({"task_struct", "linux_binprm", "upid", "pid", "signal_struct"})


# ------------------------------------------------------------------ sources


def of_source(text: str) -> Inventory:
    """Return what a source says by itself, for one that nothing could compile."""
    plain = _COMMENT.sub(lambda it: it[1] or " ", text)
    return Inventory(
        programs=tuple(_written_programs(plain)),
        maps=tuple(_written_maps(plain)),
        is_guess=True,
    )


def _written_programs(text: str) -> Iterator[ProgramFound]:
    for section in _SECTION.finditer(text):
        name = section[1]
        if name in ("license", "version") or name.startswith("."):
            continue
        head = text[section.end() :]
        written = _BARE_MACRO.match(head) or _PROGRAM.match(head)
        found = next((it for it in written.groups() if it), None) if written else None
        if found:
            yield ProgramFound(
                name=found,
                section=name.removeprefix("?"),
                is_optional=name.startswith("?"),
            )


def _written_maps(text: str) -> Iterator[MapFound]:
    for definition in _MAP.finditer(text):
        kind = _MAP_TYPE.search(definition["body"])
        for name in definition["names"].split(","):
            yield MapFound(
                name=name.strip(), type=_BY_MACRO.get(kind[1], "") if kind else ""
            )
