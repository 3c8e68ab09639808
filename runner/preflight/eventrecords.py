"""Compare what programs read of classic tracepoints with the records of a kernel.

The context of SEC("tp/CATEGORY/NAME") is the event's record itself, as the tracepoint's
`format` file shows it. A kernel that was booted said that; for others its BTF has
struct trace_event_raw_NAME, but only where the tracepoint has a class of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from runner.bpf.btf import COMPOSITES, Btf, BtfMember
from runner.bpf.debuginfo import Function
from runner.bpf.kinds import Kind
from runner.bpf.object import BpfObject
from runner.facts.abilities import Known
from runner.facts.traced import EventField, EventRecord, event_of
from runner.preflight.dataflow import Use, UseKind, offset_on
from runner.preflight.engine import Contents, Engine
from runner.preflight.model import Effect, Finding, FindingKind
from runner.preflight.places import place_of
from runner.preflight.references import Address
from runner.preflight.rules import Code
from runner.preflight.values import OriginKind

_STRUCT = "trace_event_raw_"
# Where bytes lie whose place a field holds: "__data_loc char[] comm".
_DYNAMIC = ("__data_loc", "__rel_loc")
# System calls' tracepoints have no struct each.
_SYSTEM_CALLS = "syscalls"
# Common to all, and not given to programs: a pointer stands in their place.
_COMMON = "common_"
# The struct of these, in BTF.
_ENTRY = "ent"
# Structs in structs.
_DEEPEST = 16


@dataclass(frozen=True, kw_only=True)
class _Read:
    """Bytes of a record that a program reads."""

    use: Use
    # As the kernel executes it, and how many.
    offset: int
    size: int
    # The member that the program's own struct has there; None where it shows none.
    member: BtfMember | None


def compared(code: Code, known: Known, engine: Engine) -> tuple[Finding, ...]:
    """Return what programs read that is not there, or is something else.

    Raises EngineError.
    """
    found: list[Finding] = []
    for start, (program, event) in contexts(code.item, code.contents).items():
        if program.name not in code.loaded:
            continue
        uses = [it for it in code.uses if _is_of(it, start)]
        record = record_of(event, known, engine) if uses else None
        if record is not None:
            found += _RecordComparison(code, program, event, record).findings(uses)
    return tuple(found)


def record_of(event: str, known: Known, engine: Engine) -> EventRecord | None:
    """Return a tracepoint's record: as the kernel said it, or as its BTF has it."""
    if known.facts is not None and event in known.facts.traced.events:
        return known.facts.traced.events[event]
    category, _, name = event.partition("/")
    if category == _SYSTEM_CALLS:
        return None
    return _in_btf(_STRUCT + name, engine)


def _in_btf(name: str, engine: Engine) -> EventRecord | None:
    (found,) = engine.find([name])
    ids = [id_ for id_, kind in found if kind in COMPOSITES]
    if not ids:
        return None
    (type_,) = engine.types(ids[:1])
    fields = type_.fields if type_ else []
    return EventRecord(
        fields=tuple(
            EventField(
                name=it.name,
                type=it.text,
                offset=it.bit_offset // 8,
                size=it.size,
                signed=it.signed,
            )
            # It ends with `char __data[]`.
            for it in fields
            if it.size
        )
    )


def contexts(
    item: BpfObject, contents: Contents
) -> dict[Address, tuple[Function, str]]:
    """Return programs of tracepoints, with their events, by their first instruction."""
    sections = {it.name: it.section for it in contents.programs}
    return {
        (it.section_index, it.start): (it, event)
        for it in item.programs
        if (event := event_of(sections.get(it.name, it.section)))
    }


def _is_of(use: Use, start: tuple[int, int]) -> bool:
    origin = use.value.origin
    is_read = use.kind in (UseKind.READ, UseKind.COPIED) and use.size > 0
    return (
        is_read
        and origin is not None
        and origin.kind is OriginKind.CONTEXT
        and origin.at == start
    )


class _RecordComparison:
    def __init__(
        self, code: Code, program: Function, event: str, record: EventRecord
    ) -> None:
        self._code = code
        self._event = event
        self._record = record
        self._struct = struct_of_context(code.item, program)

    def findings(self, uses: list[Use]) -> Iterator[Finding]:
        told = set()
        for read in (it for use in uses for it in self._reads(use)):
            found = self._finding(read)
            if found is None:
                continue
            # Once for all bytes of a field that a line reads.
            place = found.place
            where = (place.file, place.line) if place.line else place
            key = place.program, where, found.kind, found.subject
            if key not in told:
                told.add(key)
                yield found

    def _reads(self, use: Use) -> Iterator[_Read]:
        """Yield what is read, field by field of the program's own struct."""
        offset = offset_on(use.value, self._code.flow, self._code.changed)
        # What is poisoned is told by its relocation.
        if offset is None or offset < 0:
            return
        if use.value.relocations or not self._struct:
            yield _Read(use=use, offset=offset, size=use.size, member=None)
            return
        btf, end = self._code.item.btf, offset + use.size
        while offset < end:
            member = member_at(btf, self._struct, offset)
            behind = offset + 1
            if member is not None:
                behind = max(behind, member.bit // 8 + btf.size(member.type_id))
            elif offset >= btf.size(self._struct):
                behind = end
            upto = min(behind, end)
            if member is not None or upto == end:
                size = upto - offset
                yield _Read(use=use, offset=offset, size=size, member=member)
            offset = upto

    def _finding(self, read: _Read) -> Finding | None:
        wanted = self._wanted(read)
        end = read.offset + read.size
        if read.use.kind is UseKind.READ and end > self._record.end:
            # trace_event_get_offsets() in perf_event_set_bpf_prog(): EACCES.
            reason = (
                f"reads {_shown(read)}, and the record of {self._event} ends at "
                f"{self._record.end}{self._elsewhere(wanted)}"
            )
            return self._made(
                read, FindingKind.RECORD_SHORT, Effect.NOT_ATTACHED, reason
            )
        lies = self._record.at(read.offset)
        if self._is_right(read, wanted, lies):
            return None
        there = f"the record has {_text(lies)}" if lies else "the record has nothing"
        elsewhere = self._elsewhere(wanted)
        if wanted is not None and wanted is lies:
            there = "another part of it lies"
        reason = f"reads {_shown(read)}, where {there}{elsewhere}"
        return self._made(read, FindingKind.RECORD_CHANGED, Effect.WRONG_VALUE, reason)

    def _wanted(self, read: _Read) -> EventField | None:
        """Return the field of the record that has the name of what is read."""
        return _named(self._record, read.member.name) if read.member else None

    def _is_right(
        self, read: _Read, wanted: EventField | None, lies: EventField | None
    ) -> bool:
        member = read.member
        if read.use.value.relocations:
            return True
        if wanted is not None and member is not None:
            begins = member.bit // 8 == wanted.offset
            return begins and not self._is_wider(read, wanted)
        if lies is None or _is_common(lies):
            # What is common to all the verifier refuses.
            return lies is not None or member is None
        if member is not None:
            # The program may call the same field otherwise.
            begins = lies.offset in (member.bit // 8, read.offset)
            return begins and not self._is_wider(read, lies)
        return _is_part(read, lies)

    def _is_wider(self, read: _Read, field: EventField) -> bool:
        """Tell whether more is read than a field has."""
        # Programs take the number of a system call, an int with a gap behind it, for a
        # long, as struct trace_event_raw_sys_enter has it.
        if self._event.startswith(f"{_SYSTEM_CALLS}/"):
            return False
        return read.offset + read.size > field.end

    def _elsewhere(self, wanted: EventField | None) -> str:
        if wanted is None:
            return ""
        return f"; {_text(wanted)} is at offset {wanted.offset} there"

    def _made(
        self, read: _Read, kind: FindingKind, effect: Effect, reason: str
    ) -> Finding:
        name = read.member.name if read.member else f"offset {read.use.value.offset}"
        return Finding(
            kind=kind,
            effect=effect,
            place=place_of(self._code.item, read.use.at, name),
            subject=f"{self._event}, {name}",
            reason=reason,
            cure="take the record's struct from vmlinux.h (struct trace_event_raw_…), "
            "whose members are relocated, with a flavor for the older or newer one; or "
            "use tp_btf or raw_tp, and read the arguments",
        )


def _shown(read: _Read) -> str:
    end = read.offset + read.size
    what = f"`{read.member.name}` at " if read.member else ""
    return f"{what}bytes {read.offset} to {end - 1}"


def _text(field: EventField) -> str:
    return f"`{field.name}` ({field.type}, {field.size} bytes)"


def _named(record: EventRecord, name: str) -> EventField | None:
    plain = name
    for word in _DYNAMIC:
        plain = plain.removeprefix(f"{word}_")
    for field in record.fields:
        if field.name == name:
            return field
        if field.name == plain and field.type.startswith(_DYNAMIC):
            return field
    return None


def _is_common(field: EventField) -> bool:
    return field.name.startswith(_COMMON) or field.name == _ENTRY


def _is_part(read: _Read, field: EventField) -> bool:
    """Tell whether bytes are a whole field, or elements of an array."""
    end = read.offset + read.size
    if end > field.end:
        return False
    return read.offset == field.offset or "[" in field.type


def struct_of_context(item: BpfObject, program: Function) -> int:
    """Return the struct that a program's first parameter points to; 0 for none."""
    btf = item.btf
    for type_ in btf.types():
        if type_.kind is Kind.FUNC and type_.name == program.name:
            parameters = list(btf.parameters(btf.type(type_.refers_to)))
            if not parameters:
                return 0
            pointer = btf.resolved(parameters[0][1])
            if pointer.kind is not Kind.PTR or not pointer.refers_to:
                return 0
            struct = btf.resolved(pointer.refers_to)
            return struct.id if struct.kind in COMPOSITES else 0
    return 0


def member_at(btf: Btf, struct: int, offset: int) -> BtfMember | None:
    """Return the innermost member of a struct that a byte belongs to; None for padding.

    Its place is from the beginning of `struct`.
    """
    base = 0
    found = None
    for _ in range(_DEEPEST):
        inner = _own_member_at(btf, struct, offset - base)
        if inner is None:
            return found if found is None or not _is_record(btf, found) else None
        start = base * 8 + inner.bit
        found = replace(inner, bit=start)
        if not _is_record(btf, inner):
            return found
        base, struct = start // 8, btf.resolved(inner.type_id).id
    return found


def _is_record(btf: Btf, member: BtfMember) -> bool:
    return btf.resolved(member.type_id).kind in COMPOSITES


def _own_member_at(btf: Btf, struct: int, offset: int) -> BtfMember | None:
    for member in btf.fields(btf.type(struct)):
        start = member.bit // 8
        if start <= offset < start + max(btf.size(member.type_id), 1):
            return member
    return None
