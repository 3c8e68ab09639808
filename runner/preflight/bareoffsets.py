"""Find reads of the kernel's structs at offsets that no relocation adapts.

The program reads where the field lay when it was compiled. What lies there on a kernel
is in its BTF; which field is meant is often in the line of source: where the line names
the field that lies there, nothing is said.
"""

import re
from collections.abc import Iterator, Mapping

from runner.preflight.dataflow import Use, UseKind, offset_on
from runner.preflight.engine import Engine, RelocationAnswer
from runner.preflight.model import Effect, Finding, FindingKind, InstructionPlace
from runner.preflight.places import place_of, statement_of
from runner.preflight.pointed import KernelField, PointedStructs
from runner.preflight.references import Address
from runner.preflight.rules import Code
from runner.preflight.values import OriginKind

# bpf_probe_read_user() and _user_str() read no memory of the kernel.
_OF_USERS = frozenset({112, 114})
# Structs that have one layout for good, or that programs cast to another one: registers
# are named by macros, and struct sockaddr stands for those of all families.
_FIXED = frozenset({"pt_regs", "user_pt_regs", "sockaddr", "bpf_raw_tracepoint_args"})
_WORD = re.compile(r"\w+")
# "->pid", ".pid", and what follows the pointer in BPF_PROBE_READ(task, mm, owner).
_MEMBER = re.compile(r"(?:->|\.)\s*([A-Za-z_]\w*)")
_MACRO = re.compile(r"\bBPF_\w*READ\w*\([^,]+,([^()]*)\)")
# What pointers to the kernel's structs come from.
_KERNELS = (
    OriginKind.CALL,
    OriginKind.GIVEN,
    OriginKind.LOADED,
    OriginKind.EXTERN,
)


def compared(
    code: Code, answers: Mapping[Address, RelocationAnswer], engine: Engine
) -> tuple[Finding, ...]:
    """Return the reads that no relocation adapts, and that do not name what is there.

    `answers` are the kernel's to the object's relocations. Raises EngineError.
    """
    reads = [it for it in code.uses if _is_of_memory(it)]
    if not reads:
        return ()
    comparison = _BareComparison(code, PointedStructs(code, answers, engine))
    return tuple(comparison.findings(reads))


def _is_of_memory(use: Use) -> bool:
    value = use.value
    if use.kind not in (UseKind.READ, UseKind.COPIED) or use.helper in _OF_USERS:
        return False
    is_elsewhere = value.origin is not None and value.origin.kind in _KERNELS
    # Without an offset it may be no member: `*pointer`.
    return is_elsewhere and value.offset > 0


class _BareComparison:
    def __init__(self, code: Code, pointed: PointedStructs) -> None:
        self._code = code
        self._pointed = pointed

    def findings(self, uses: list[Use]) -> Iterator[Finding]:
        told = set()
        for use in uses:
            assert use.value.origin is not None
            # What a relocation adapts is right, unless the verifier refuses it.
            if use.value.relocations and not self._pointed.is_typed(use):
                continue
            struct = self._pointed.struct_of(use.value.origin)
            if not struct or struct in _FIXED:
                continue
            found = self._finding(use, struct)
            if found is None:
                continue
            # Once for all bytes of an array that a line reads.
            place = found.place
            where = (place.file, place.line) if place.line else place
            key = place.program, where, struct, found.effect
            if key not in told:
                told.add(key)
                yield found

    def _finding(self, use: Use, struct: str) -> Finding | None:
        offset = offset_on(use.value, self._code.flow, self._code.changed)
        lies = self._pointed.field_at(struct, offset) if offset is not None else None
        if lies is None or offset is None:
            # Behind the end: the pointer was cast to a larger struct.
            return None
        place = place_of(self._code.item, use.at)
        refused = self._pointed.is_typed(use) and _is_refused(offset, use.size, lies)
        if use.value.relocations:
            return _too_wide(use, place, struct, lies) if refused else None
        source = statement_of(self._code.item, use.at)
        if self._names(source, use, struct, lies):
            return _too_wide(use, place, struct, lies) if refused else None
        meant = self._pointed.meant(struct, _members_in(source))
        where = "" if lies.offset == offset else "inside of "
        reason = (
            f"reads {struct}+{offset} without a relocation, which is {where}{lies} "
            "on this kernel"
        )
        if meant is not None:
            reason += f"; `{meant.path}` is at {struct}+{meant.offset}"
        if refused:
            reason += "; the verifier refuses to read a part of it"
        return Finding(
            kind=FindingKind.FIELD_UNRELOCATED,
            effect=Effect.NOT_LOADED if refused else Effect.WRONG_VALUE,
            place=place,
            subject=f"{struct}+{offset}",
            reason=reason,
            cure="read it with BPF_CORE_READ(), or declare the struct with "
            "__attribute__((preserve_access_index)), as vmlinux.h does",
        )

    def _names(self, source: str, use: Use, struct: str, lies: KernelField) -> bool:
        """Tell whether a line of source names the field, or a struct that it is in."""
        words = set(_WORD.findall(source))
        *outer, last = lies.path.split(".")
        if last in words or not words & set(outer):
            return last in words
        # It may name another member of the innermost struct, and read just that.
        is_one = 0 < use.size <= lies.size
        beside = self._pointed.beside(struct, lies) if is_one else ()
        return not set(beside) & set(_members_in(source))


def _is_refused(offset: int, size: int, field: KernelField) -> bool:
    """Tell what btf_struct_walk() refuses: parts of pointers, and more than a field.

    "cannot access ptr member" and "access beyond the end of member", in 5.10 and 6.12.
    """
    if field.is_pointer:
        return offset != field.offset or size != field.size
    return not field.bits and offset + size > field.offset + field.size


def _too_wide(
    use: Use, place: InstructionPlace, struct: str, field: KernelField
) -> Finding:
    """Return that a program reads a field, and not just that."""
    return Finding(
        kind=FindingKind.FIELD_UNRELOCATED,
        effect=Effect.NOT_LOADED,
        place=place,
        subject=f"{struct}.{field.path}",
        reason=f"reads {use.size} bytes of {struct} at once, where {field} lies; the "
        "verifier lets no program read more than a field, or a part of a pointer",
        cure="read each field by itself, or copy them with bpf_probe_read_kernel()",
    )


def _members_in(source: str) -> list[str]:
    """Return what a line of source names as members."""
    found = _MEMBER.findall(source)
    for words in _MACRO.findall(source):
        found += _WORD.findall(words)
    return found
