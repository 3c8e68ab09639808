"""What programs read of the arguments of what they attach to."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property

from runner.bpf.debuginfo import Function
from runner.bpf.kinds import RelocationKind
from runner.bpf.object import BpfObject
from runner.preflight import structops
from runner.preflight.dataflow import Use, UseKind
from runner.preflight.declared import Declared, parameters
from runner.preflight.engine import Contents, LocalAnswer
from runner.preflight.references import Address
from runner.preflight.values import OriginKind, Value, ValueOrigin

_WORD = 8


class Form(Enum):
    """How a program is given the arguments."""

    # One behind the other, and the verifier knows their types.
    TYPED = auto()
    # One behind the other, as numbers.
    RAW = auto()
    # In registers that struct pt_regs holds.
    REGISTERS = auto()
    # What the function returns, in a register.
    RETURNED = auto()


class Holder(Enum):
    """What has the prototype in a kernel's BTF."""

    FUNCTION = auto()
    # A typedef of a pointer to it.
    TYPEDEF = auto()
    # A member of a struct that points to it: "tcp_congestion_ops.init".
    MEMBER = auto()


@dataclass(frozen=True, kw_only=True)
class TracedHook:
    """How programs of a section are given arguments."""

    form: Form
    # What the kernel's BTF calls it, with "{}" for the section's own name.
    name: str = "{}"
    holder: Holder = Holder.FUNCTION
    # Parameters ahead of the first argument.
    skipped: int = 0
    # Whether what the function returns follows the arguments.
    returns: bool = False


# By section, as libbpf names it. btf_trace_NAME begins with void *__data.
_TRACEPOINT = TracedHook(
    form=Form.TYPED, name="btf_trace_{}", holder=Holder.TYPEDEF, skipped=1
)
_RAW = TracedHook(form=Form.RAW, name="btf_trace_{}", holder=Holder.TYPEDEF, skipped=1)
HOOKS: Mapping[str, TracedHook] = {
    "fentry": TracedHook(form=Form.TYPED),
    "fexit": TracedHook(form=Form.TYPED, returns=True),
    "fmod_ret": TracedHook(form=Form.TYPED, returns=True),
    "lsm": TracedHook(form=Form.TYPED, name="bpf_lsm_{}", returns=True),
    "lsm_cgroup": TracedHook(form=Form.TYPED, name="bpf_lsm_{}", returns=True),
    "iter": TracedHook(form=Form.TYPED, name="bpf_iter_{}"),
    "tp_btf": _TRACEPOINT,
    "raw_tp": _RAW,
    "raw_tracepoint": _RAW,
    "raw_tp.w": _RAW,
    "raw_tracepoint.w": _RAW,
    "kprobe": TracedHook(form=Form.REGISTERS),
    "kprobe.multi": TracedHook(form=Form.REGISTERS),
    "kretprobe": TracedHook(form=Form.RETURNED),
    "kretprobe.multi": TracedHook(form=Form.RETURNED),
}
# Of a program that a map of struct_ops has.
_OPERATION = TracedHook(form=Form.TYPED, holder=Holder.MEMBER)


@dataclass(frozen=True, kw_only=True)
class Registers:
    """Where struct pt_regs of an architecture holds arguments, in bytes."""

    # A member that no other architecture's has.
    member: str
    arguments: tuple[int, ...]
    returned: int


# As bpf_tracing.h of libbpf has them: PT_REGS_PARM1() to PT_REGS_PARM6().
_REGISTERS = (
    Registers(member="di", arguments=(112, 104, 96, 88, 72, 64), returned=80),
    Registers(member="rdi", arguments=(112, 104, 96, 88, 72, 64), returned=80),
    # arm64: regs[0] to regs[7]; s390x: gprs[2] to gprs[6].
    Registers(member="pstate", arguments=tuple(range(0, 64, 8)), returned=0),
    Registers(member="gprs", arguments=tuple(range(40, 80, 8)), returned=40),
)
_RECORDS = ("struct pt_regs", "struct user_pt_regs")


@dataclass(frozen=True, kw_only=True)
class AttachedProgram:
    """A program with what it attaches to."""

    program: Function
    # As libbpf takes it: "kprobe/vfs_create".
    section: str
    hook: TracedHook
    # "vfs_create", and what the kernel's BTF calls that.
    target: str
    holder_name: str
    declared: tuple[Declared, ...]


@dataclass(frozen=True, kw_only=True)
class Argument:
    """An argument that a program reads, or what the function returned."""

    attached: AttachedProgram
    # From 0 on; None for the returned value.
    number: int | None
    # The reads, and what is done with what they gave: both as the object has them.
    reads: tuple[Use, ...]
    uses: tuple[Use, ...]
    # What structs it is taken for, by the relocations of what it points to.
    roots: tuple[str, ...]

    @property
    def is_early(self) -> bool:
        """Whether it is the returned value, read when the function begins."""
        return self.number is None and self.attached.hook.form is Form.REGISTERS

    @property
    def is_late(self) -> bool:
        """Whether it is an argument, read when the function returns."""
        return self.number is not None and self.attached.hook.form is Form.RETURNED


class Arguments:
    """All that the programs of an object read of what they attach to."""

    def __init__(
        self, item: BpfObject, contents: Contents, locals_: tuple[LocalAnswer, ...]
    ) -> None:
        """Look at an object; `locals_` are its relocations as the engine has them."""
        self._item = item
        self._sections = {it.name: it.section for it in contents.programs}
        self._roots = {
            record.address: local.root.name.partition("___")[0]
            for record, local in zip(item.relocations, locals_, strict=True)
            if local.root and record.kind == RelocationKind.BYTE_OFF
        }

    @cached_property
    def attached(self) -> Mapping[Address, AttachedProgram]:
        """Programs with what they attach to, by their first instruction."""
        found = {}
        operations = structops.served(self._item)
        for program in self._item.programs:
            section = self._sections.get(program.name, program.section)
            section = section.removeprefix("?")
            prefix, _, rest = section.partition("/")
            hook = HOOKS.get(prefix.removesuffix(".s"))
            target = rest.rpartition("/")[2]
            operation = operations.get((program.section_index, program.start))
            if operation is not None:
                hook, target = _OPERATION, operation
            # Not inside of a function, nor many of them.
            if hook is None or not target or set(target) & set("+*?:"):
                continue
            found[program.section_index, program.start] = AttachedProgram(
                program=program,
                section=section,
                hook=hook,
                target=target,
                holder_name=hook.name.format(target),
                declared=parameters(self._item, program),
            )
        return found

    @cached_property
    def registers(self) -> Registers | None:
        """Where the object's struct pt_regs has arguments; None where it has none."""
        btf = self._item.btf
        for name in _RECORDS:
            id_ = btf.named.get(name)
            members = {it.name for it in btf.members(btf.type(id_))} if id_ else set()
            for each in _REGISTERS:
                if each.member in members:
                    return each
        return None

    def read(self, uses: tuple[Use, ...]) -> tuple[Argument, ...]:
        """Return the arguments that are read, of what is reached on a kernel."""
        reads: dict[tuple[Address, int | None], list[Use]] = {}
        for use in uses:
            place = self._place(use.value) if use.kind is UseKind.READ else None
            if place is not None:
                reads.setdefault(place, []).append(use)
        if not reads:
            return ()
        behind = self._behind(uses)
        return tuple(
            Argument(
                attached=self.attached[entry],
                number=number,
                reads=tuple(found),
                uses=tuple(behind.get((entry, number), ())),
                roots=tuple(
                    dict.fromkeys(
                        self._roots[at]
                        for use in behind.get((entry, number), ())
                        for at in use.value.relocations[:1]
                        if at in self._roots
                    )
                ),
            )
            for (entry, number), found in sorted(
                reads.items(), key=lambda it: (it[0][0], it[0][1] or 0)
            )
        )

    def _behind(
        self, uses: tuple[Use, ...]
    ) -> dict[tuple[Address, int | None], list[Use]]:
        """Return what is done with each argument itself."""
        found: dict[tuple[Address, int | None], list[Use]] = {}
        for use in uses:
            origin = use.value.origin
            if origin and origin.kind is OriginKind.LOADED and origin.base:
                place = self._place(origin.base) if origin.size == _WORD else None
                if place is not None:
                    found.setdefault(place, []).append(use)
        return found

    def _place(self, address: Value) -> tuple[Address, int | None] | None:
        """Return which argument of which program an address in a context is."""
        origin: ValueOrigin | None = address.origin
        if origin is None or origin.kind is not OriginKind.CONTEXT:
            return None
        attached = self.attached.get(origin.at)
        if attached is None:
            return None
        form, offset = attached.hook.form, address.offset
        if form in (Form.TYPED, Form.RAW):
            number = offset // _WORD
            return (origin.at, number) if offset >= 0 else None
        registers = self.registers
        if registers is None:
            return None
        by_argument = offset in registers.arguments
        # On arm64 and s390x both are in the same register.
        is_returned = offset == registers.returned
        if is_returned and (form is Form.RETURNED or not by_argument):
            return origin.at, None
        return (origin.at, registers.arguments.index(offset)) if by_argument else None
