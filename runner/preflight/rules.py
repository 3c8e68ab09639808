"""What kernels can't do, though their BTF names no helper or type for it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from runner.bpf import insn as op
from runner.bpf.debuginfo import Function
from runner.bpf.insn import Insn
from runner.bpf.kinds import Kind
from runner.bpf.object import BpfObject
from runner.facts.abilities import ABILITIES, Ability, Known
from runner.facts.model import UNKNOWN, Judgement, Learnt, judged
from runner.preflight.arguments import Argument, Arguments, AttachedProgram
from runner.preflight.callgraph import CallGraph
from runner.preflight.dataflow import Dataflow, Use
from runner.preflight.engine import Contents, Engine
from runner.preflight.externs import Extern
from runner.preflight.model import Feature, KernelNeed
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


_NO_DATAFLOW = Dataflow(uses=())


@dataclass(frozen=True, kw_only=True, eq=False)
class Code:
    """An object's code, as far as a kernel's verifier reaches it."""

    item: BpfObject
    contents: Contents
    flow: Flow
    graph: CallGraph
    # Instructions that the verifier visits.
    reached: frozenset[Address]
    loaded: frozenset[str]
    # What its programs do with values, on all kernels.
    dataflow: Dataflow = _NO_DATAFLOW
    # What its programs attach to; None where nobody asks.
    arguments: Arguments | None = None
    # What it takes from the kernel, and what the engine calls it.
    externs: tuple[Extern, ...] = ()
    number: int = 0
    # Instructions that relocation changed.
    changed: Mapping[Address, Insn] = field(default_factory=dict)
    # Maps that the loader leaves out.
    not_created: frozenset[str] = frozenset()
    # The object with what its programs extend (freplace); None where nobody says it.
    extended: BpfObject | None = None

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """What its programs do with values where the verifier comes."""
        return tuple(self.dataflow.on(self.reached))

    @cached_property
    def attached(self) -> tuple[AttachedProgram, ...]:
        """What is attached to functions and tracepoints, of the programs loaded."""
        found = self.arguments.attached.values() if self.arguments else ()
        return tuple(it for it in found if it.program.name in self.loaded)

    @cached_property
    def read(self) -> tuple[Argument, ...]:
        """The arguments that its programs read where the verifier comes."""
        return self.arguments.read(self.uses) if self.arguments else ()

    @cached_property
    def instructions(self) -> tuple[tuple[Function, Address, Insn], ...]:
        """The instructions that are reached, with their functions."""
        reached = self.reached
        return tuple([it for it in self.graph.instructions if it[1] in reached])

    @cached_property
    def _by_class(self) -> Mapping[int, list[tuple[Function, Address, Insn]]]:
        found: dict[int, list[tuple[Function, Address, Insn]]] = {
            it: [] for it in range(8)
        }
        for each in self.instructions:
            found[each[2].code & 7].append(each)
        return found

    @cached_property
    def rules(self) -> tuple[tuple["Rule", tuple[str, ...]], ...]:
        """The rules that it comes under, with the programs and maps that do."""
        found = ((rule, tuple(rule.users(self))) for rule in RULES)
        return tuple((rule, users) for rule, users in found if users)

    @cached_property
    def helpers(self) -> Mapping[int, tuple[str, ...]]:
        """The helpers that it calls, with the functions that do."""
        found: dict[int, list[str]] = {}
        for function, number in self._calls:
            found.setdefault(number, []).append(function.name)
        return {number: tuple(_unique(names)) for number, names in found.items()}

    @cached_property
    def calls(self) -> tuple[tuple[str, int, tuple[int, ...]], ...]:
        """Programs, their types, and the helpers that they and their functions call.

        Programs that may sleep are left out: they may call more than others of a type.
        """
        types = {it.name: it.type for it in self.contents.programs}
        own: dict[Function, list[int]] = {}
        for function, number in self._calls:
            own.setdefault(function, []).append(number)
        found = []
        for it in self.programs():
            helpers = [each for f in self.graph.closure(it) for each in own.get(f, ())]
            if helpers and not _may_sleep(it):
                called = tuple(dict.fromkeys(helpers))
                found.append((it.name, types.get(it.name, 0), called))
        return tuple(found)

    @cached_property
    def _calls(self) -> tuple[tuple[Function, int], ...]:
        return tuple(
            (function, insn.imm)
            for function, at, insn in self._by_class.get(op.JMP, ())
            if (insn.code == _CALL and insn.src == op.CALL_HELPER)
            and not (insn.is_poison or self.flow.is_reference(at))
        )

    def users(
        self, matches: Callable[[Address, Insn], bool], *classes: int
    ) -> list[str]:
        """Return the functions that reach an instruction of a kind.

        It is of one of some classes.
        """
        found: dict[Address, Function] = {}
        for class_ in classes:
            for function, at, insn in self._by_class.get(class_, ()):
                start = function.section_index, function.start
                if start not in found and matches(at, insn):
                    found[start] = function
        return _unique(found[start].name for start in sorted(found))

    def programs(self) -> list[Function]:
        """Return the programs that are loaded."""
        return [it for it in self.item.programs if it.name in self.loaded]


@dataclass(frozen=True, kw_only=True)
class LinkKind:
    """A kind of link that BTF tells of."""

    name: str
    # The enumerator of enum bpf_link_type, which came in 5.8 (f2e10bff16a0).
    enumerator: str
    # A struct that is there only where the configuration has that kind.
    struct: str = ""
    # The upstream version that has it first, and the commit.
    since: str
    source: str


@dataclass(frozen=True)
class Rule:
    """Something that not every kernel can do."""

    # What BTF does not show, by name, or a kind of link.
    wanted: Ability | LinkKind
    # Programs and maps of an object that need it.
    users: Callable[[Code], list[str]]
    stops_loading: bool = True
    # The loader "compat" does without it.
    compat: bool = False
    # The first version that looks at what needs it. Others take it where nothing
    # reaches it, and what does is another need.
    looked_at_since: str = ""

    def is_looked_at(self, known: Known) -> bool:
        """Tell whether a kernel looks at what nothing reaches."""
        return (
            not self.looked_at_since
            or known.version is None
            or known.version >= KernelVersion.parse(self.looked_at_since)
        )

    def is_left_out(self, known: Known) -> bool:
        """Tell whether a kernel was built without it: then nothing of it is there.

        Without a JIT, bpf_trampoline_get() of include/linux/bpf.h refuses what is
        loaded for fentry; a JIT that has no trampolines refuses to attach it only.
        """
        return isinstance(self.wanted, Ability) and self.wanted.name in known.left_out

    @property
    def name(self) -> str:
        """Return it as sentences name it."""
        return (
            self.wanted.words if isinstance(self.wanted, Ability) else self.wanted.name
        )


def features(
    code: Code, known: Known, engine: Engine, *, compat: bool
) -> Iterator[Feature]:
    """Yield the rules that an object comes under."""
    for rule, users in code.rules:
        if not rule.is_looked_at(known):
            continue
        if isinstance(rule.wanted, Ability):
            found = known.ability(rule.wanted.name)
        else:
            found = _of_link(rule.wanted, known, engine)
        if compat and rule.compat and found.is_known:
            found = judged(True, found.learnt)
        yield Feature(
            need=KernelNeed.RULE,
            name=rule.name,
            presence=found.presence,
            users=users,
            evidence=_evidence(rule.wanted, found.learnt),
            stops_loading=rule.stops_loading or rule.is_left_out(known),
            learnt=found.learnt,
        )


def _of_link(link: LinkKind, known: Known, engine: Engine) -> Judgement:
    """Return whether a kernel has a kind of link: by its BTF, or by its version."""
    kinds, struct = engine.find(["bpf_link_type", link.struct or "bpf_link"])
    enums = [id_ for id_, kind in kinds if kind in (Kind.ENUM, Kind.ENUM64)]
    if enums:
        (type_,) = engine.types(enums[:1])
        is_there = type_ is not None and link.enumerator in type_.enumerators
        return judged(is_there and bool(struct or not link.struct), Learnt.BTF)
    if known.version is None:
        return UNKNOWN
    return judged(known.version >= KernelVersion.parse(link.since), Learnt.VERSION)


def _evidence(wanted: Ability | LinkKind, learnt: Learnt) -> str:
    if learnt is Learnt.PROBED:
        return Learnt.PROBED.value
    if learnt is Learnt.CONFIG and isinstance(wanted, Ability):
        return f"without {wanted.option}"
    if learnt is Learnt.BTF:
        return "enum bpf_link_type"
    return f"since {wanted.since} ({wanted.source})"


# ------------------------------------------------------------------- finding


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _too_long(code: Code) -> list[str]:
    return [
        it.name
        for it in code.programs()
        if sum(each.size for each in code.graph.closure(it)) > _MOST_INSTRUCTIONS
    ]


def _looping(code: Code) -> list[str]:
    return [
        it.name
        for it in code.programs()
        if any(code.graph.loops(each) for each in code.graph.closure(it))
    ]


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

        return code.users(is_use, op.LD)

    return users


def _long_keys(code: Code) -> list[str]:
    return [
        it.name
        for it in code.contents.maps
        if it.type in _HASHES and it.key_size > _LONGEST_KEY
    ]


def _by_opcode(
    matches: Callable[[Insn], bool], *classes: int
) -> Callable[[Code], list[str]]:
    return lambda code: code.users(lambda _, insn: matches(insn), *classes)


def _by_section(*prefixes: str, sleepable: bool = False) -> Callable[[Code], list[str]]:
    def users(code: Code) -> list[str]:
        return [
            it.name
            for it in code.programs()
            if any(it.section == p or it.section.startswith(f"{p}/") for p in prefixes)
            or (sleepable and _may_sleep(it))
        ]

    return users


def _calling_the_kernel(code: Code) -> list[str]:
    """Return the programs with calls of kfuncs, also of weak ones that are guarded."""
    calling = {name for it in code.externs if it.calls for name in it.users}
    return [
        it.name
        for it in code.programs()
        if any(each.name in calling for each in code.graph.closure(it))
    ]


def _may_sleep(program: Function) -> bool:
    return program.section.partition("/")[0].endswith(".s")


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


def _rule(
    ability: str,
    users: Callable[[Code], list[str]],
    *,
    stops_loading: bool = True,
    compat: bool = False,
    looked_at_since: str = "",
) -> Rule:
    return Rule(ABILITIES[ability], users, stops_loading, compat, looked_at_since)


RULES = (
    _rule("large_programs", _too_long),
    _rule("bounded_loops", _looping),
    _rule("global_data", _of_data(constant=False)),
    _rule("readonly_data", _of_data(constant=True), compat=True),
    _rule("long_hash_keys", _long_keys),
    _rule(
        "subprograms",
        _by_opcode(lambda it: it.code == _CALL and it.src == op.CALL_LOCAL, op.JMP),
    ),
    _rule(
        "subprogram_addresses",
        lambda code: code.users(
            lambda at, _: code.flow.callback(at) is not None, op.LD
        ),
    ),
    _rule("jumps_v2", _by_opcode(_is_ordered_below, op.JMP, op.JMP32)),
    _rule("jumps_32", _by_opcode(lambda _: True, op.JMP32)),
    _rule("atomics", _by_opcode(_is_new_atomic, op.STX)),
    _rule("instructions_v4", _by_opcode(_is_of_v4, op.LDX, op.ALU, op.ALU64, op.JMP32)),
    _rule("sleepable", _by_section(sleepable=True)),
    # add_kfunc_call() came with them (e6ac2450d6de).
    _rule("kernel_functions", _calling_the_kernel, looked_at_since="5.13"),
    # Where BTF lacks the struct, too, nothing loads: runner/preflight/features.py.
    _rule("struct_ops", _by_section("struct_ops", "struct_ops.s"), stops_loading=False),
    # Kinds of links.
    _rule(
        "trampolines",
        _by_section(
            *("fentry", "fexit", "fmod_ret", "lsm"),
            *("fentry.s", "fexit.s", "fmod_ret.s", "lsm.s"),
        ),
        stops_loading=False,
    ),
    _rule(
        "raw_tracepoints",
        _by_section("raw_tp", "raw_tracepoint"),
        stops_loading=False,
    ),
    _rule(
        "syscall_tracepoints",
        _by_section("tp/syscalls", "tracepoint/syscalls"),
        stops_loading=False,
    ),
    Rule(
        LinkKind(
            name="XDP links",
            enumerator="BPF_LINK_TYPE_XDP",
            since="5.9",
            source="aa8d3a716b59",
        ),
        _by_section("xdp"),
        stops_loading=False,
    ),
    Rule(
        LinkKind(
            name="multi-kprobe links",
            enumerator="BPF_LINK_TYPE_KPROBE_MULTI",
            # Without CONFIG_FPROBE it is left out.
            struct="bpf_kprobe_multi_link",
            since="5.18",
            source="0dcac2725406",
        ),
        _by_section("kprobe.multi", "kretprobe.multi"),
        stops_loading=False,
    ),
    Rule(
        LinkKind(
            name="cgroup links",
            enumerator="BPF_LINK_TYPE_CGROUP",
            since="5.7",
            source="af6eea57437a",
        ),
        _by_section(
            "cgroup_skb/ingress", "cgroup_skb/egress", "cgroup/sock", "sockops"
        ),
        stops_loading=False,
    ),
    Rule(
        LinkKind(
            name="network namespace links",
            enumerator="BPF_LINK_TYPE_NETNS",
            since="5.8",
            source="7f045a49fee0",
        ),
        _by_section("flow_dissector", "sk_lookup"),
        stops_loading=False,
    ),
)
