"""Enumerators that the compiler made numbers of, and that a kernel renumbered.

Nothing in an object says that a number was an enumerator. A line of source does: it
names one, and its instructions compare with one number. That is likely, and certain
where the object's own BTF has the enumeration.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from runner.bpf import insn as op
from runner.bpf.btf import ENUMERATIONS
from runner.bpf.debuginfo import Function
from runner.bpf.insn import Insn
from runner.bpf.object import BpfObject
from runner.preflight.engine import Engine
from runner.preflight.model import Effect, Finding, FindingKind
from runner.preflight.places import place_of
from runner.preflight.references import Address

# As the kernel writes them. Those of BPF itself never change.
_NAME = re.compile(r"\b(?!BPF_)[A-Z][A-Z0-9_]{2,}\b")
# A relocation of an enumerator, or a test for it.
_RELOCATED = re.compile(r"\bbpf_core_enum_value")
_EQUAL = (op.JEQ, op.JNE)


@dataclass(frozen=True, kw_only=True)
class ComparedEnumerator:
    """An enumerator that a line of source names, which compares with a number of it.

    A line may name several enumerators, and compare with as many numbers.
    """

    name: str
    # What it compares with, in order.
    compared: tuple[int, ...]
    # All numbers in its instructions.
    numbers: frozenset[int]
    # The comparisons, and all instructions of the line.
    places: tuple[Address, ...]
    # Whether the object's BTF has the enumerator with this number.
    is_certain: bool


def compared(item: BpfObject) -> tuple[ComparedEnumerator, ...]:
    """Return the lines of an object that compare with an enumerator."""
    found = [it for function in item.functions for it in _in_function(item, function)]
    if not found:
        return ()
    own = _own_values(item, {it.name for it in found})
    # What its BTF has with another number is not what the line compares with.
    return tuple(
        ComparedEnumerator(
            name=it.name,
            compared=it.compared if it.name not in own else (own[it.name],),
            numbers=it.numbers,
            places=it.places,
            is_certain=it.name in own,
        )
        for it in found
        if it.name not in own or own[it.name] in it.compared
    )


def _in_function(item: BpfObject, function: Function) -> Iterator[ComparedEnumerator]:
    end = function.start + function.size
    lines = [
        it
        for it in item.debug.lines.get(function.section, ())
        if function.start <= it.start < end
    ]
    by_line: dict[tuple[str, int, str], list[int]] = {}
    for at, line in enumerate(lines):
        stop = lines[at + 1].start if at + 1 < len(lines) else end
        where = line.file, line.number, line.text
        by_line.setdefault(where, []).extend(range(line.start, stop))
    code = item.code[function.section_index]
    for (_, _, text), indexes in by_line.items():
        names = dict.fromkeys(_NAME.findall(text))
        if not names or _RELOCATED.search(text):
            continue
        insns = {index: code[index] for index in indexes}
        compares = {
            index: insn.imm
            for index, insn in insns.items()
            if insn.op_class in (op.JMP, op.JMP32)
            and insn.operation in _EQUAL
            and not insn.code & op.X
        }
        # 0 is what tests for NULL and for flags compare with.
        numbers = set(compares.values()) - {0}
        # Which of several is whose nobody says: it is compared with none of them.
        if len(numbers) != len(names):
            continue
        for name in names:
            yield ComparedEnumerator(
                name=name,
                compared=tuple(sorted(numbers)),
                numbers=frozenset(it.imm for it in insns.values() if _has_number(it)),
                places=tuple(
                    (function.section_index, index)
                    for index, imm in compares.items()
                    if imm in numbers
                ),
                is_certain=False,
            )


def _has_number(insn: Insn) -> bool:
    """Tell whether an instruction works with its immediate."""
    if insn.op_class in (op.ALU, op.ALU64, op.JMP, op.JMP32):
        return not insn.code & op.X and insn.operation not in (op.CALL, op.EXIT, op.JA)
    return insn.op_class == op.ST or insn.code == op.LD_IMM64


def _own_values(item: BpfObject, names: set[str]) -> Mapping[str, int]:
    return {
        name: value
        for type_ in item.btf.types()
        if type_.kind in ENUMERATIONS
        for name, value in item.btf.enumerators(type_)
        if name in names
    }


def findings(
    item: BpfObject,
    lines: Sequence[ComparedEnumerator],
    reached: frozenset[Address],
    engine: Engine,
) -> Iterator[Finding]:
    """Yield comparisons with numbers that the engine's target gives other meanings."""
    some = [it for it in lines if any(at in reached for at in it.places)]
    if not some:
        return
    names = list(dict.fromkeys(it.name for it in some))
    values = dict(zip(names, engine.enumerators(names), strict=True))
    for it in some:
        value = values[it.name]
        if value is None or value in (*it.compared, *it.numbers):
            continue
        with_ = " and ".join(map(str, it.compared))
        sure = "" if it.is_certain else "likely: "
        yield Finding(
            kind=FindingKind.ENUMERATOR_CHANGED,
            effect=Effect.WRONG_VALUE,
            place=place_of(item, it.places[0]),
            subject=it.name,
            reason=f"{sure}{it.name} is {value} on this kernel, and the code compares "
            f"with {with_}",
            cure=f"compare with bpf_core_enum_value(enum …, {it.name}), behind "
            f"bpf_core_enum_value_exists(enum …, {it.name})",
        )
