"""Judge the instructions of a program."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from runner.bpf.insn import Insn
from runner.errors import RunnerError
from runner.results import Mismatch
from runner.suites.checks.text import no_such
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
    kind = "relocated" if expectation.xlated is None else "xlated"
    subject = f"program {expectation.program} {kind}"
    found = [
        Mismatch(
            subject=subject,
            expected="no poison left in the kernel",
            observed=f"poison at instruction {index}",
        )
        for index, it in enumerate(instructions)
        if kind == "xlated" and it.is_poison
    ]
    behind = -1
    for number, wanted in enumerate(expectation.xlated or expectation.relocated or ()):
        try:
            words, value = _sought(wanted, layout, map_ids)
        except RunnerError as error:
            words, value = str(wanted.model_dump(exclude_unset=True)), None
            return [*found, _missing(subject, number, words, error.message)]
        match = next(
            (
                index
                for index, it in enumerate(instructions)
                if index > behind and _holds(it, wanted, value)
            ),
            None,
        )
        if match is None:
            seen = _values_behind(instructions, behind, wanted)
            return [*found, _missing(subject, number, words, seen)]
        behind = match
    return found


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
