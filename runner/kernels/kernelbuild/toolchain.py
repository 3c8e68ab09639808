"""What compiles a kernel: this machine's compiler, or one for another architecture."""

from collections.abc import Mapping
from dataclasses import dataclass

from runner.arch import Architecture, native

GCC = "gcc"


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """The compilers of a build, by their names."""

    # The kernel's.
    architecture: Architecture
    # The row's word for the compiler: "gcc", "gcc-11".
    gcc: str = GCC

    @property
    def prefix(self) -> str:
        """What names of the kernel's tools begin with: "aarch64-linux-gnu-"."""
        if self.architecture is native():
            return ""
        return f"{self.architecture.debian.triplet}-"

    @property
    def compiler(self) -> str:
        """What compiles the kernel: "aarch64-linux-gnu-gcc-11"."""
        return f"{self.prefix}{self.gcc}"

    @property
    def host(self) -> str:
        """What compiles the programs of the build, which run on this machine."""
        return GCC if self.prefix else self.gcc

    @property
    def packages(self) -> dict[str, str]:
        """The compilers, each with Debian's package of it; the linker comes along."""
        if not self.prefix:
            return {self.gcc: self.gcc}
        # gcc-11-aarch64-linux-gnu: a version stands before the architecture.
        suffix = self.architecture.debian.compiler.removeprefix(GCC)
        return {self.compiler: f"{self.gcc}{suffix}", GCC: GCC}

    def variables(self, ccache: str) -> dict[str, str]:
        """Return make's variables; `ccache` goes before a compiler, or is empty."""
        names = {"CC": self.compiler, "HOSTCC": self.host}
        if not self.prefix and not ccache and self.gcc == GCC:
            # What make takes by itself.
            return {}
        words = {it: f"{ccache} {names[it]}".lstrip() for it in names}
        if not self.prefix:
            return words
        return {
            "ARCH": self.architecture.tree.arch,
            "CROSS_COMPILE": self.prefix,
            **words,
        }

    def of_architecture(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return a quirk's variables with the tools that they name being these."""
        return {
            name: f"{self.prefix}{value}" if name == "LD" else value
            for name, value in variables.items()
        }
