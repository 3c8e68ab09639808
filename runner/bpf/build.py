"""How a source is compiled: with which clang, for which instruction set, with what."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

# -mcpu's values: instruction sets of BPF. v2 (4.14) has JLT and its kin, v3 (5.1)
# 32-bit arithmetic and jumps, v4 (6.6) sign extension, 32-bit jumps, signed division.
InstructionSet = Literal["v1", "v2", "v3", "v4"]
INSTRUCTION_SETS: tuple[InstructionSet, ...] = get_args(InstructionSet)

# The value of a macro; None where it is not defined.
MacroValue = str | int | None


@dataclass(frozen=True, kw_only=True)
class Build:
    """What may differ between two objects of one source."""

    # clang's major version; None is the program `clang`.
    clang: int | None = None
    # The first instruction set, and all that 4.4 knows. Newer clangs' default is v3,
    # which needs 5.1.
    mcpu: InstructionSet = "v1"
    # Macros and their values, in the order of their names.
    defines: tuple[tuple[str, str], ...] = ()

    @property
    def compiler(self) -> str:
        """The program that compiles."""
        return "clang" if self.clang is None else f"clang-{self.clang}"

    @property
    def options(self) -> tuple[str, ...]:
        """Its options on the command line."""
        defines = (f"-D{name}={value}" for name, value in self.defines)
        return (f"-mcpu={self.mcpu}", *defines)

    @property
    def words(self) -> str:
        """What is said of it where it is not the one that all others are."""
        return " ".join(self._words())

    def _words(self) -> Iterator[str]:
        if self.clang is not None:
            yield self.compiler
        if self != Build(clang=self.clang):
            yield from self.options


PLAIN = Build()
