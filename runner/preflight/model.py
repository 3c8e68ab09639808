"""What preflight says of an object on a kernel."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from runner.bpf.kinds import IDS, RelocationKind
from runner.facts.model import Learnt, Presence
from runner.text.nearest import near

# "struct task_struct" of what a relocation is about, as libbpf prints it.
_ROOT = re.compile(r"(?:(?:struct|union|enum) )?\w+")
_FLAVOR = re.compile(r"___\w+")


class Status(StrEnum):
    """What becomes of a relocation."""

    RESOLVED = "resolved"
    # Not there: existence becomes 0, a type's size or id 0, all else is poisoned.
    MISSING = "missing"
    # Found, but a load or store of another size would read wrong: poisoned, too.
    WRONG_SIZE = "wrong_size"
    # Several candidates that disagree: libbpf refuses the object.
    AMBIGUOUS = "ambiguous"
    # libbpf refuses the object for another reason.
    REFUSED = "refused"


class Guard(StrEnum):
    """Whether the kernel's verifier reaches a poisoned instruction."""

    # Nothing is poisoned.
    NOT_NEEDED = "not_needed"
    # The verifier never walks there.
    GUARDED = "guarded"
    # It never walks there, but before 4.15 a later pass over dead code oopses
    # (fixed by c131187db2d3).
    DEADLY = "deadly"
    # The verifier walks there and rejects the program.
    REACHABLE = "reachable"


class Difference(StrEnum):
    """Why something was not found, or what stands in its place."""

    # No type of that name.
    NO_TYPE = "no_type"
    # The type has no such member.
    NO_FIELD = "no_field"
    # The array has too few elements.
    TOO_SHORT = "too_short"
    # No such enumerator.
    NO_ENUMERATOR = "no_enumerator"
    # The type is there and of another shape (type_matches).
    RESHAPED = "reshaped"
    # The member is there, of a kind that does not fit.
    RETYPED = "retyped"
    RESIZED = "resized"
    RENAMED = "renamed"
    # In a struct that the type holds or points to, outside of one, or elsewhere.
    MOVED = "moved"


@dataclass(frozen=True, kw_only=True)
class InstructionPlace:
    """Where in the object something is."""

    # A program, or a function that programs call.
    program: str
    section: str
    # Index of the instruction in the program.
    instruction: int
    # "" and 0 where the object has no line information.
    file: str = ""
    line: int = 0
    # The line's text.
    source: str = ""

    def __str__(self) -> str:
        at = f"{self.program}, instruction {self.instruction}"
        return f"{self.file}:{self.line} ({at})" if self.file else at


@dataclass(frozen=True, kw_only=True)
class FieldLayout:
    """A field as one side has it."""

    # As C writes it, such as "struct list_head *".
    type: str
    # The kind behind typedefs, such as "PTR".
    kind: str
    # Bytes; None for what has no size.
    size: int | None
    # Width of a bitfield; 0 for other fields.
    bits: int
    # From the start of the type that the access begins with.
    bit_offset: int
    signed: bool


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What may have become of something missing."""

    difference: Difference
    # As an access, such as "task_struct.thread_info.cpu".
    access: str
    # As C writes it; empty for a type.
    type: str = ""
    # Bits from the start of the struct that holds it; None for types.
    bit_offset: int | None = None
    # 0 to 1.
    likeness: float = 1.0

    def __str__(self) -> str:
        type_ = f", {self.type}" if self.type else ""
        return f"{self.access} ({self.difference.value.replace('_', ' ')}{type_})"


@dataclass(frozen=True, kw_only=True)
class Relocation:
    """A CO-RE relocation against one kernel."""

    place: InstructionPlace
    kind: RelocationKind
    # What it is about, as people write it: "task_struct.thread.fs".
    access: str
    # Both sides as libbpf prints them, less ids:
    # "struct task_struct.__state (0:6 @ offset 48)".
    local: str
    target: str
    status: Status
    # What the instruction gets; None when it is poisoned or the object refused.
    value: int | None
    # The instruction and the one after it, as they will be: 16 hexadecimal digits each.
    instructions: tuple[str, str]
    local_field: FieldLayout | None
    field: FieldLayout | None
    # Where each step of the access leads in the kernel, in bits from its beginning.
    trail: tuple[int, ...] = ()
    guard: Guard = Guard.NOT_NEEDED
    # Why it is not resolved, in a sentence.
    reason: str = ""
    difference: Difference | None = None
    candidates: tuple[Candidate, ...] = ()

    @property
    def has_another_type(self) -> bool:
        """Whether the kernel has something of that name, which does not fit."""
        return self.difference in (Difference.RETYPED, Difference.TOO_SHORT)

    @property
    def instead(self) -> str:
        """Return what the kernel lacks, and what it has that is similar, in words."""
        name = self.access
        if self.difference is Difference.NO_TYPE and (root := _ROOT.match(self.local)):
            name = root[0]
        name = _FLAVOR.sub("", name)
        similar = ", ".join(map(str, self.candidates))
        if self.has_another_type:
            return f"{name} has another type on this kernel: {similar}"
        return f"the kernel has no {name}{'; similar: ' if similar else ''}{similar}"


class KernelNeed(StrEnum):
    """What kind of thing an object needs of a kernel."""

    HELPER = "helper"
    KFUNC = "kfunc"
    # A variable of the kernel.
    KSYM = "ksym"
    PROGRAM_TYPE = "program_type"
    ATTACH_TYPE = "attach_type"
    MAP_TYPE = "map_type"
    # A function, tracepoint or hook that a program attaches to.
    ATTACH_TARGET = "attach_target"
    # A struct of operations that a map implements.
    STRUCT_OPS = "struct_ops"
    # A property of the verifier or loader that BTF does not show.
    RULE = "rule"
    # What the object leaves to its own loader, such as a map's size.
    LOADER = "loader"


@dataclass(frozen=True, kw_only=True)
class Feature:
    """Something that the object needs, and whether the kernel has it."""

    need: KernelNeed
    name: str
    presence: Presence
    # Where the object needs it; programs' and maps' names.
    users: tuple[str, ...]
    # Why that is known: "enum bpf_func_id", "since 5.2 (d8eca5bbb2be)".
    evidence: str
    # Whether the object can't be loaded without, and not only not be attached.
    stops_loading: bool = True
    # Where it was learnt.
    learnt: Learnt = Learnt.NOTHING
    # What the kernel has that is called like a target that it lacks.
    near: tuple[str, ...] = ()

    @property
    def similar(self) -> str:
        """Return "; similar: do_file_open (same arguments)", or nothing."""
        return f"; similar: {', '.join(self.near)}" if self.near else ""


class FindingKind(StrEnum):
    """What a program takes the kernel for that it is not; no relocation shows it."""

    # An argument that the function, tracepoint or hook does not have.
    ARGUMENT_MISSING = "argument_missing"
    # An argument of another type, or one that stands elsewhere.
    ARGUMENT_CHANGED = "argument_changed"
    # What a function returns, where it returns nothing.
    RETURN_MISSING = "return_missing"
    # A function that a program is to replace, and the other object does not have.
    TARGET_MISSING = "target_missing"
    # A function whose arguments no program of that type can be given.
    TARGET_UNSUPPORTED = "target_unsupported"
    # A member of a struct of operations (struct_ops) that the kernel's does not have.
    MEMBER_MISSING = "member_missing"
    # One of another type or size.
    MEMBER_CHANGED = "member_changed"
    # A kernel function that the program declares in another way.
    KFUNC_CHANGED = "kfunc_changed"
    # An enumerator that has another value, which the compiler put into the code.
    ENUMERATOR_CHANGED = "enumerator_changed"
    # Bytes behind the end of a tracepoint's record.
    RECORD_SHORT = "record_short"
    # A field of a tracepoint's record that lies elsewhere, or is smaller.
    RECORD_CHANGED = "record_changed"
    # A field that is read at the offset that it had when the program was compiled.
    FIELD_UNRELOCATED = "field_unrelocated"
    # A program of BPF LSM on a kernel that does not start it: attached, never called.
    LSM_NOT_CALLED = "lsm_not_called"
    # Programs that take too long to follow, so that nothing of the above is known.
    NOT_FOLLOWED = "not_followed"
    # What relocation and needed features do show: why the object does not load.
    REFUSED = "refused"


def no_warning(name: str) -> str:
    """Return what is wrong with a name that `accept` has; empty if it may accept."""
    kinds = [it.value for it in FindingKind if it is not FindingKind.REFUSED]
    kind = name.partition(":")[0]
    if any(fnmatchcase(it, kind) for it in kinds):
        return ""
    return f"no warning is called {kind!r}{near(kind, kinds)}"


class Effect(StrEnum):
    """What comes of a finding."""

    NOT_LOADED = "not_loaded"
    NOT_ATTACHED = "not_attached"
    # Nobody is told.
    WRONG_VALUE = "wrong_value"
    # Nobody knows without a boot.
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A place where a program takes the kernel for something that it is not."""

    kind: FindingKind
    effect: Effect
    place: InstructionPlace
    # What it is about, the same on all kernels: "vfs_create, argument 2".
    subject: str
    # What is wrong, in a sentence without its end.
    reason: str
    # What to write instead; empty where nobody knows.
    cure: str = ""

    @property
    def is_warning(self) -> bool:
        """Whether the kernel says nothing, and the program reads something else.

        Or whether that is not known.
        """
        return self.effect in (Effect.WRONG_VALUE, Effect.UNKNOWN)

    @property
    def name(self) -> str:
        """Return what accepts it: "argument_changed:vfs_create, argument 2"."""
        return f"{self.kind.value}:{self.subject}"

    def is_accepted(self, names: Iterable[str]) -> bool:
        """Tell whether one of some names accepts it: its own, a kind, or a pattern."""
        return self.is_warning and any(
            it == self.kind.value or fnmatchcase(self.name, it) for it in names
        )

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Signature:
    """An argument, or what a function returns, that a program reads."""

    # The program and what it attaches to: "kprobe/vfs_create".
    program: str
    section: str
    # As findings have it: "vfs_create, argument 2".
    subject: str
    # "struct inode *dir" as the kernel has it; empty where it has none.
    kernel: str
    # The same as the program has it; empty where its source does not show that.
    program_type: str = ""


class Verdict(StrEnum):
    """What becomes of the object when it is loaded."""

    LOADS = "loads"
    REJECTED = "rejected"
    # The kernel oopses.
    CRASHES = "crashes"
    # Nobody can tell, for the reasons that are given.
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What becomes of an object on a kernel."""

    object_sha256: str
    # Of the file with the kernel's BTF, then of its modules'.
    btf_sha256: tuple[str, ...]
    # Bytes of a pointer on that kernel.
    pointer_size: int
    relocations: tuple[Relocation, ...]
    features: tuple[Feature, ...]
    verdict: Verdict
    # Why it does not load, a sentence each.
    reasons: tuple[str, ...]
    # Whether it asks for the kernel's configuration, which BTF does not tell: then what
    # is called reachable may be guarded by that.
    by_config: bool = False
    # What relocation does not show, in the order of the object's instructions.
    findings: tuple[Finding, ...] = ()
    signatures: tuple[Signature, ...] = ()
    # What modules have that were not loaded, a sentence each; among the reasons, too.
    in_modules: tuple[str, ...] = ()

    @property
    def not_known(self) -> tuple[str, ...]:
        """Return what is needed, and may be there or not: "helper loop"."""
        return tuple(
            f"{it.need.value.replace('_', ' ')} {it.name}"
            for it in self.features
            if it.presence is Presence.UNKNOWN and it.need is not KernelNeed.LOADER
        )

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Return what no kernel complains about, or what is not known."""
        return tuple(it for it in self.findings if it.is_warning)

    @property
    def shape(self) -> tuple[object, ...]:
        """Return what a boot would show; kernels of one shape represent each other.

        Offsets, guards and missing features, but no names or ids of types.
        """
        return (
            self.verdict,
            tuple(
                (
                    it.status,
                    None if it.kind in IDS else it.value,
                    it.guard,
                    it.difference,
                )
                for it in self.relocations
            ),
            tuple((it.need, it.name, it.presence) for it in self.features),
            tuple((it.kind, it.subject, it.effect) for it in self.findings),
            self.signatures,
            self.in_modules,
        )
