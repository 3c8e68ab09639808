"""How a source is compiled: with which clang, for which instruction set, with what."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

from runner.arch import X86_64, Architecture

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
    # Of the kernels that it is for; None is x86_64 for a source, and any for an object
    # that is built already.
    architecture: Architecture | None = None

    def on(self, architecture: Architecture) -> "Build":
        """Return the same for kernels of an architecture."""
        return replace(self, architecture=architecture)

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
    def target(self) -> tuple[str, ...]:
        """The options that its architecture needs."""
        on = self.architecture or X86_64
        return ("-target", on.elf.bpf_target, f"-D__TARGET_ARCH_{on.tree.target}")

    @property
    def words(self) -> str:
        """What is said of it where it is not the one that all others are."""
        return " ".join(self._words())

    def _words(self) -> Iterator[str]:
        if self.clang is not None:
            yield self.compiler
        if self != Build(clang=self.clang, architecture=self.architecture):
            yield from self.options
        if self.architecture not in (None, X86_64):
            yield self.target[-1]


PLAIN = Build()
