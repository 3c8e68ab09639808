"""What kernels of a version can't do, though their BTF does not show it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from runner.bpf import insn as op
from runner.bpf.debuginfo import Function
from runner.bpf.insn import Insn
from runner.bpf.object import BpfObject
from runner.preflight.engine import Contents
from runner.preflight.model import Feature, KernelNeed, Presence
from runner.preflight.references import Address, Flow
from runner.versions import KernelVersion

_MOST_INSTRUCTIONS = 4096
# BPF_ATOMIC with these only adds up, as BPF_XADD did from the first on.
_ATOMIC, _ADD = 0xC0, 0x00
_CALL = op.JMP | op.CALL
# Hash maps, for each CPU and of least used, and of maps.
_HASHES = (1, 5, 9, 10, 13)
# Bytes: MAX_BPF_STACK.
_LONGEST_KEY = 512


@dataclass(frozen=True, kw_only=True)
class Code:
    """An object's code, as far as a kernel's verifier reaches it."""

    item: BpfObject
    contents: Contents
    flow: Flow
    # Instructions that the verifier visits.
    reached: frozenset[Address]
    loaded: frozenset[str]

    @cached_property
    def instructions(self) -> tuple[tuple[Function, Address, Insn], ...]:
        """The instructions that are reached, with their functions."""
        found = []
        for at in sorted(self.reached):
            function = self.item.function_at(*at)
            insn = self.flow.insn(at)
            if function is not None and insn is not None:
                found.append((function, at, insn))
        return tuple(found)

    @cached_property
    def rules(self) -> tuple[tuple["Rule", tuple[str, ...]], ...]:
        """The rules that it comes under, with the programs and maps that do."""
        found = ((rule, tuple(rule.users(self))) for rule in RULES)
        return tuple((rule, users) for rule, users in found if users)

    @cached_property
    def helpers(self) -> Mapping[int, tuple[str, ...]]:
        """The helpers that it calls, with the functions that do."""
        found: dict[int, list[str]] = {}
        for function, at, insn in self.instructions:
            helper = insn.code == _CALL and insn.src == op.CALL_HELPER
            if helper and not insn.is_poison and not self.flow.is_reference(at):
                found.setdefault(insn.imm, []).append(function.name)
        return {number: tuple(_unique(names)) for number, names in found.items()}

    def users(self, matches: Callable[[Address, Insn], bool]) -> list[str]:
        """Return the functions that reach an instruction of a kind."""
        return _unique(
            function.name
            for function, at, insn in self.instructions
            if matches(at, insn)
        )

    def programs(self) -> list[Function]:
        """Return the programs that are loaded."""
        return [it for it in self.item.programs if it.name in self.loaded]


@dataclass(frozen=True)
class Rule:
    """Something that came with a version."""

    name: str
    # A version.
    since: str
    # Where that is known from: a commit.
    source: str
    # Programs and maps of an object that need it.
    users: Callable[[Code], list[str]]
    stops_loading: bool = True
    # The loader "compat" does without it.
    compat: bool = False


def features(
    code: Code, version: KernelVersion | None, *, compat: bool
) -> Iterator[Feature]:
    """Yield the rules that an object comes under."""
    for rule, users in code.rules:
        kept = version is not None and (
            version >= KernelVersion.parse(rule.since) or (compat and rule.compat)
        )
        yield Feature(
            need=KernelNeed.RULE,
            name=rule.name,
            presence=presence(kept, known=version is not None),
            users=users,
            evidence=f"since {rule.since} ({rule.source})",
            stops_loading=rule.stops_loading,
        )


def presence(there: bool, *, known: bool) -> Presence:
    """Return what is known of something that was found to be there, or not."""
    if there:
        return Presence.PRESENT
    return Presence.ABSENT if known else Presence.UNKNOWN


# ------------------------------------------------------------------- finding


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _too_long(code: Code) -> list[str]:
    return [
        it.name
        for it in code.programs()
        if sum(each.size for each in _closure(code, it)) > _MOST_INSTRUCTIONS
    ]


def _closure(code: Code, function: Function) -> list[Function]:
    """Return a function with all that it calls: libbpf appends them to a program."""
    found, todo = {}, [function]
    while todo:
        each = todo.pop()
        if (each.section_index, each.start) in found:
            continue
        found[each.section_index, each.start] = each
        for at, insn in _insns(code, each):
            if insn.code == _CALL and insn.src == op.CALL_LOCAL:
                target = code.flow.call_target(at, insn)
                callee = code.item.function_at(*target)
                todo += [callee] if callee is not None else []
    return list(found.values())


def _insns(code: Code, function: Function) -> Iterator[tuple[Address, Insn]]:
    section = function.section_index
    for index, insn in enumerate(code.item.insns(function)):
        yield (section, function.start + index), insn


def _looping(code: Code) -> list[str]:
    return [
        it.name
        for it in code.programs()
        if any(_has_loop(code, each) for each in _closure(code, it))
    ]


def _has_loop(code: Code, function: Function) -> bool:
    """Tell whether control flow has a circle; old verifiers look at dead code, too."""
    edges = {at[1]: _successors(at[1], insn) for at, insn in _insns(code, function)}
    open_: set[int] = set()
    done: set[int] = set()
    stack = [(function.start, iter(edges.get(function.start, ())))]
    open_.add(function.start)
    while stack:
        at, following = stack[-1]
        step = next(following, None)
        if step is None:
            stack.pop()
            open_.discard(at)
            done.add(at)
        elif step in open_:
            return True
        elif step not in done and step in edges:
            open_.add(step)
            stack.append((step, iter(edges[step])))
    return False


def _successors(index: int, insn: Insn) -> tuple[int, ...]:
    following = index + (2 if insn.code == op.LD_IMM64 else 1)
    if insn.op_class not in (op.JMP, op.JMP32) or insn.code == _CALL:
        return (following,)
    if insn.operation == op.EXIT:
        return ()
    if insn.operation == op.JA:
        far = insn.op_class == op.JMP32
        return (index + 1 + (insn.imm if far else insn.offset),)
    return (following, index + 1 + insn.offset)


def _of_data(*, constant: bool) -> Callable[[Code], list[str]]:
    def users(code: Code) -> list[str]:
        def is_use(at: Address, _: Insn) -> bool:
            found = code.flow.variable(at)
            return (
                found is not None
                and found.section not in code.item.map_sections
                and (found.section <= 0 or found.section in code.item.frozen)
                is constant
            )

        return code.users(is_use)

    return users


def _long_keys(code: Code) -> list[str]:
    return [
        it.name
        for it in code.contents.maps
        if it.type in _HASHES and it.key_size > _LONGEST_KEY
    ]


def _by_opcode(matches: Callable[[Insn], bool]) -> Callable[[Code], list[str]]:
    return lambda code: code.users(lambda _, insn: matches(insn))


def _by_section(*prefixes: str, sleepable: bool = False) -> Callable[[Code], list[str]]:
    def users(code: Code) -> list[str]:
        return [
            it.name
            for it in code.programs()
            if any(it.section == p or it.section.startswith(f"{p}/") for p in prefixes)
            or (sleepable and it.section.partition("/")[0].endswith(".s"))
        ]

    return users


def _is_ordered_below(insn: Insn) -> bool:
    jumps = insn.op_class in (op.JMP, op.JMP32)
    return jumps and insn.operation in (op.JLT, op.JLE, op.JSLT, op.JSLE)


def _is_new_atomic(insn: Insn) -> bool:
    return insn.op_class == op.STX and insn.code & 0xE0 == _ATOMIC and insn.imm != _ADD


def _is_of_v4(insn: Insn) -> bool:
    if insn.op_class == op.LDX:
        return insn.code & 0xE0 == 0x80
    if insn.op_class in (op.ALU, op.ALU64):
        return bool(insn.offset)
    return insn.op_class == op.JMP32 and insn.operation == op.JA


RULES = (
    Rule("more than 4,096 instructions", "5.2", "c04c0d2b968a", _too_long),
    Rule("loops", "5.3", "2589726d12a1", _looping),
    Rule("global data", "5.2", "d8eca5bbb2be", _of_data(constant=False)),
    Rule(
        "constants in global data",
        "5.2",
        "d8eca5bbb2be",
        _of_data(constant=True),
        compat=True,
    ),
    Rule("hash keys of more than 512 bytes", "5.11", "c6bde958a62b", _long_keys),
    Rule(
        "calls of other functions",
        "4.16",
        "cc8b0b92a169",
        _by_opcode(lambda it: it.code == _CALL and it.src == op.CALL_LOCAL),
    ),
    Rule(
        "addresses of functions",
        "5.13",
        "69c087ba6225",
        lambda code: code.users(lambda at, _: code.flow.callback(at) is not None),
    ),
    Rule(
        "jumps by <, <= (-mcpu=v2)",
        "4.14",
        "92b31a9af73b",
        _by_opcode(_is_ordered_below),
    ),
    Rule(
        "32-bit jumps (-mcpu=v3)",
        "5.1",
        "092ed0968bb6",
        _by_opcode(lambda it: it.op_class == op.JMP32),
    ),
    Rule(
        "atomics that return values",
        "5.12",
        "5ffa25502b5a",
        _by_opcode(_is_new_atomic),
    ),
    Rule("instructions of -mcpu=v4", "6.6", "1f9a1ea821ff", _by_opcode(_is_of_v4)),
    Rule("sleepable programs", "5.10", "1e6c62a88215", _by_section(sleepable=True)),
    # Kinds of links.
    Rule(
        "raw tracepoints",
        "4.17",
        "c4f6699dfcb8",
        _by_section("raw_tp", "raw_tracepoint"),
        stops_loading=False,
    ),
    Rule(
        "programs on system calls' tracepoints",
        "4.14",
        "cf5f5cea2706",
        _by_section("tp/syscalls", "tracepoint/syscalls"),
        stops_loading=False,
    ),
    Rule("XDP links", "5.9", "aa8d3a716b59", _by_section("xdp"), stops_loading=False),
    Rule(
        "multi-kprobe links",
        "5.18",
        "0dcac2725406",
        _by_section("kprobe.multi", "kretprobe.multi"),
    ),
    Rule(
        "cgroup links",
        "5.7",
        "af6eea57437a",
        _by_section(
            "cgroup_skb/ingress", "cgroup_skb/egress", "cgroup/sock", "sockops"
        ),
        stops_loading=False,
    ),
    Rule(
        "network namespace links",
        "5.8",
        "7f045a49fee0",
        _by_section("flow_dissector", "sk_lookup"),
        stops_loading=False,
    ),
)
