"""Where an object's instructions come from, for what is said of them."""

from runner.bpf.debuginfo import SourceLine
from runner.bpf.object import BpfObject
from runner.preflight.model import InstructionPlace
from runner.preflight.references import Address


def place_of(item: BpfObject, at: Address, word: str = "") -> InstructionPlace:
    """Return where an instruction is; of several lines the one that has a word."""
    function = item.function_at(*at)
    if function is None:
        name = item.sections[at[0]].name
        return InstructionPlace(program=name, section=name, instruction=at[1])
    index = at[1] - function.start
    return made_of(
        function.name,
        function.section,
        index,
        item.debug.line_reading(function.name, index, word),
    )


def statement_of(item: BpfObject, at: Address) -> str:
    """Return what is known of the text of an instruction's statement."""
    function = item.function_at(*at)
    if function is None:
        return ""
    return item.debug.statement(function.name, at[1] - function.start)


def made_of(
    program: str, section: str, instruction: int, line: SourceLine | None
) -> InstructionPlace:
    """Return a place by its parts."""
    return InstructionPlace(
        program=program,
        section=section,
        instruction=instruction,
        file=line.file.removeprefix("./") if line else "",
        line=line.number if line else 0,
        source=line.text if line else "",
    )
