"""Judge the instructions of a program."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from runner.bpf.insn import Insn
from runner.errors import RunnerError
from runner.results import Match, Mismatch
from runner.suites.checks.text import match, no_such
from runner.suites.model import CodeExpectation
from runner.suites.model import Instruction as Wanted


class Layout(Protocol):
    """Where fields lie in a kernel, as its BTF says."""

    def offset_of(self, type_name: str, path: str, /) -> int:
        """Return a field's offset in bytes. Raises RunnerError when there is none."""

    def size_of(self, type_name: str, path: str = "", /) -> int:
        """Return a type's or field's size. Raises RunnerError when there is none."""


def check(
    expectation: CodeExpectation,
    instructions: Sequence[Insn],
    layout: Layout | None,
    map_ids: Mapping[str, int],
) -> list[Mismatch]:
    """Return the first instruction that is missing, and poison that is left."""
    subject = _subject(expectation)
    found = [
        Mismatch(
            subject=subject,
            expected="no poison left in the kernel",
            observed=f"poison at instruction {index}",
        )
        for index, it in enumerate(instructions)
        if expectation.xlated is not None and it.is_poison
    ]
    behind = -1
    for number, wanted in enumerate(expectation.xlated or expectation.relocated or ()):
        try:
            words, value = _sought(wanted, layout, map_ids)
        except RunnerError as error:
            words, value = str(wanted.model_dump(exclude_unset=True)), None
            return [*found, _missing(subject, number, words, error.message)]
        place = _place_behind(behind, instructions, wanted, value)
        if place is None:
            seen = _values_behind(instructions, behind, wanted)
            return [*found, _missing(subject, number, words, seen)]
        behind = place
    return found


def evidence(
    expectation: CodeExpectation,
    instructions: Sequence[Insn],
    layout: Layout | None,
    map_ids: Mapping[str, int],
) -> list[Match]:
    """Return where the instructions are, for an expectation that holds."""
    subject, behind, found = _subject(expectation), -1, []
    for number, wanted in enumerate(expectation.xlated or expectation.relocated or ()):
        words, value = _sought(wanted, layout, map_ids)
        place = _place_behind(behind, instructions, wanted, value)
        if place is None:
            break
        behind = place
        found.append(match(f"{subject}[{number}]", words, f"at instruction {place}"))
    return found


def _subject(expectation: CodeExpectation) -> str:
    kind = "relocated" if expectation.xlated is None else "xlated"
    return f"program {expectation.program} {kind}"


def _place_behind(
    behind: int, instructions: Sequence[Insn], wanted: Wanted, value: int | None
) -> int | None:
    """Return the first instruction behind another that holds what is wanted."""
    places = range(behind + 1, len(instructions))
    return next((it for it in places if _holds(instructions[it], wanted, value)), None)


def _sought(
    wanted: Wanted, layout: Layout | None, map_ids: Mapping[str, int]
) -> tuple[str, int | None]:
    """Return what is looked for, in words and as a number."""
    if wanted.poison:
        return "poison", None
    if wanted.number is not None:
        return str(wanted.number), wanted.number
    if wanted.map is not None:
        if wanted.map not in map_ids:
            raise RunnerError(no_such("map", wanted.map, map_ids))
        id_ = map_ids[wanted.map]
        return f"the id {id_} of map {wanted.map}", id_
    if layout is None:
        raise RunnerError("the kernel has no BTF to find it in")
    name, _, path = (wanted.offset_of or wanted.size_of or "").partition(".")
    if wanted.offset_of is not None:
        value = layout.offset_of(f"struct {name}", path)
        return f"{value}, the offset of {wanted.offset_of}", value
    value = layout.size_of(f"struct {name}", path)
    return f"{value}, the size of {wanted.size_of}", value


def _holds(instruction: Insn, wanted: Wanted, value: int | None) -> bool:
    if wanted.poison:
        return instruction.is_poison
    if wanted.map is not None:
        return instruction.map_id == value
    return instruction.constant == value


def _values_behind(instructions: Sequence[Insn], behind: int, wanted: Wanted) -> str:
    rest = instructions[behind + 1 :]
    if wanted.poison:
        return f"none after instruction {behind}"
    values = [it.map_id if wanted.map is not None else it.constant for it in rest]
    shown = ", ".join(str(it) for it in values if it is not None)
    return f"after instruction {behind}: {shown or 'none'}"


def _missing(subject: str, number: int, words: str, seen: str) -> Mismatch:
    return Mismatch(subject=f"{subject}[{number}]", expected=words, observed=seen)
