"""What differs between two kernels for one object."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from runner.bpf.kinds import IDS
from runner.facts.model import Presence
from runner.preflight.model import (
    Difference,
    FieldLayout,
    Finding,
    InstructionPlace,
    KernelNeed,
    Prediction,
    Relocation,
    Status,
)

_NAMED = (Difference.RENAMED, Difference.MOVED)
_FOUND = (Status.RESOLVED, Status.WRONG_SIZE)
# Their names are their types; others of that name may be of another size.
_RECORDS = ("STRUCT", "UNION")


@dataclass(frozen=True, kw_only=True)
class Change:
    """A relocation that one kernel resolves in another way than the other."""

    place: InstructionPlace
    # As the object has it: "task_struct.state".
    access: str
    # None where it is there now and was not before.
    difference: Difference | None
    # "unsigned int, 4 bytes at 24", or empty where it is missing.
    before: str
    after: str
    # What it may be now, the likeliest first: "task_struct.__state".
    became: tuple[str, ...] = ()
    # The type of the likeliest: "unsigned int".
    type: str = ""


def changes(before: Prediction, after: Prediction) -> Iterator[Change]:
    """Yield what differs, in the order of the object's relocations."""
    for old, new in zip(before.relocations, after.relocations, strict=True):
        found = _difference(old, new)
        if found is _Unchanged.SAME:
            continue
        yield Change(
            place=new.place,
            access=new.access,
            difference=found,
            before=_text_of(old),
            after=_text_of(new),
            became=tuple(it.access for it in new.candidates),
            type=new.candidates[0].type if new.candidates else "",
        )


@dataclass(frozen=True, kw_only=True)
class FeatureChange:
    """Something that an object needs, and that one of two kernels lacks."""

    need: KernelNeed
    # Such as the function that a program attaches to.
    name: str
    before: Presence
    after: Presence
    # Where the object needs it; names of programs and maps.
    users: tuple[str, ...]

    @property
    def words(self) -> str:
        """What became of it."""
        if Presence.UNKNOWN in (self.before, self.after):
            # A function that BTF does not have may still be there.
            gone, new = "no longer in the kernel's BTF", "now in the kernel's BTF"
        else:
            gone, new = "gone", "new"
        return new if self.after is Presence.PRESENT else gone


def feature_changes(before: Prediction, after: Prediction) -> Iterator[FeatureChange]:
    """Yield what came and went of what an object needs, in the order of its features.

    What is unknown on one of the kernels is a change only of what programs attach to:
    BTF has a function, or has it no more.
    """
    known = {(it.need, it.name): it for it in before.features}
    for it in after.features:
        old = known.get((it.need, it.name))
        if old is None or old.presence is it.presence:
            continue
        both = (old.presence, it.presence)
        if Presence.UNKNOWN in both and (
            it.need is not KernelNeed.ATTACH_TARGET or Presence.PRESENT not in both
        ):
            continue
        yield FeatureChange(
            need=it.need,
            name=it.name,
            before=old.presence,
            after=it.presence,
            users=it.users,
        )


@dataclass(frozen=True, kw_only=True)
class SignatureChange:
    """An argument, or what is returned, that a program reads and that changed."""

    program: str
    # "vfs_unlink, argument 2".
    subject: str
    # "struct inode *dir"; empty where a kernel has none.
    before: str
    after: str


def signature_changes(
    before: Prediction, after: Prediction
) -> Iterator[SignatureChange]:
    """Yield what two kernels have in other ways of what an object's programs read.

    Of a function that one of them lacks, the features tell.
    """
    known = {(it.program, it.subject): it.kernel for it in before.signatures}
    for it in after.signatures:
        old = known.get((it.program, it.subject))
        if old is not None and old != it.kernel:
            yield SignatureChange(
                program=it.program, subject=it.subject, before=old, after=it.kernel
            )


def new_findings(before: Prediction, after: Prediction) -> Iterator[Finding]:
    """Yield what a program takes the second kernel for, and the first one really is."""
    known = {(it.name, it.effect, it.place) for it in before.findings}
    for it in after.findings:
        if (it.name, it.effect, it.place) not in known:
            yield it


class _Unchanged(Enum):
    SAME = 0


def _difference(old: Relocation, new: Relocation) -> Difference | _Unchanged | None:
    if old.status not in _FOUND or new.status not in _FOUND:
        if old.status is new.status:
            return _Unchanged.SAME
        return _gone(new) if old.status in _FOUND else None
    if old.field is None or new.field is None:
        return _Unchanged.SAME if _value(old) == _value(new) else Difference.MOVED
    was, is_ = old.field, new.field
    if was.kind != is_.kind or (was.kind in _RECORDS and was.type != is_.type):
        return Difference.RETYPED
    if (was.size, was.bits) != (is_.size, is_.bits):
        return Difference.RESIZED
    # Types behind typedefs have the sizes and signs that count.
    if was.signed != is_.signed:
        return Difference.RETYPED
    if (was.bit_offset, old.trail, _value(old)) != (
        *(is_.bit_offset, new.trail),
        _value(new),
    ):
        return Difference.MOVED
    return _Unchanged.SAME if was.type == is_.type else Difference.RETYPED


def _value(it: Relocation) -> int | None:
    return None if it.kind in IDS else it.value


def _gone(new: Relocation) -> Difference:
    nearest = new.candidates[0].difference if new.candidates else None
    if new.difference is Difference.NO_FIELD and nearest in _NAMED:
        assert nearest is not None
        return nearest
    return new.difference or Difference.RESHAPED


def _text_of(it: Relocation) -> str:
    if it.status is Status.MISSING:
        return ""
    if it.field is None:
        return it.reason or str(it.value)
    return f"{it.field.type}, {_size(it.field)} at {_offset(it.field.bit_offset)}"


def _size(field: FieldLayout) -> str:
    return f"{field.bits} bits" if field.bits else f"{field.size} bytes"


def _offset(bits: int) -> str:
    return f"{bits // 8}" if not bits % 8 else f"{bits // 8}:{bits % 8}"
