"""An object's code with its references resolved: calls, callbacks, global variables."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from runner.bpf import insn as op
from runner.bpf.insn import Insn
from runner.bpf.object import BpfObject, Reference
from runner.facts.abilities import Known
from runner.versions import KernelVersion

# The section of what is defined elsewhere.
_UNDEFINED = 0

# Represents the kernel's configuration, whose values BTF does not tell.
_CONFIGURATION = -1

# What externs are called that ask for it.
CONFIG = "CONFIG_"

# An instruction: index of its section, and its own in there.
Address = tuple[int, int]

# Externs that libbpf fills with what it knows of the running kernel, and where they are
# taken to lie next to each other.
_FILLED = {
    "LINUX_KERNEL_VERSION": 0,
    "LINUX_HAS_BPF_COOKIE": 8,
    "LINUX_HAS_SYSCALL_WRAPPER": 16,
}


@dataclass(frozen=True, slots=True)
class MapAddress:
    """A pointer to a global variable: its section (0 for what is filled), and bytes."""

    section: int
    offset: int


class Flow:
    """Where code of an object leads to; one serves for any number of kernels."""

    def __init__(self, item: BpfObject, loaded: Collection[str]) -> None:
        """Resolve references; `loaded` are the programs that are walked."""
        self._code = item.code
        self._order: Literal["little", "big"] = "little" if item.order == "<" else "big"
        self._calls: dict[Address, Address] = {}
        self._callbacks: dict[Address, Address] = {}
        self._variables: dict[Address, MapAddress] = {}
        self._externs: dict[Address, str] = {}
        self._references = {it.address for it in item.references}
        for reference in item.references:
            self._note(reference)
        self._frozen = item.frozen
        # Whether it asks for the running kernel's version.
        self.asks_version = any(
            it.section == _UNDEFINED for it in self._variables.values()
        )
        self.entries = [
            (it.section_index, it.start) for it in item.programs if it.name in loaded
        ]
        self.global_functions = {
            (it.section_index, it.start) for it in item.functions if it.is_global
        }

    @cached_property
    def meeting(self) -> frozenset[Address]:
        """The instructions where several ways through a function may meet."""
        return frozenset(
            (section, index + 1 + insn.jump)
            for section, code in self._code.items()
            for index, insn in enumerate(code)
            if insn.jump is not None
        )

    def insn(self, at: Address) -> Insn | None:
        """Return an instruction as it stands in the object, None outside of code."""
        code = self._code.get(at[0], ())
        return code[at[1]] if 0 <= at[1] < len(code) else None

    def is_reference(self, at: Address) -> bool:
        """Tell whether an instruction refers to a symbol."""
        return at in self._references

    def call_target(self, at: Address, insn: Insn) -> Address:
        """Return where a call to another function of the object goes."""
        return self._calls.get(at, (at[0], at[1] + insn.imm + 1))

    def callback(self, at: Address) -> Address | None:
        """Return the function whose address an LD_IMM64 takes."""
        return self._callbacks.get(at)

    def variable(self, at: Address) -> MapAddress | None:
        """Return the global variable whose address an LD_IMM64 takes."""
        return self._variables.get(at)

    def extern(self, at: Address) -> str:
        """Return the kernel's function or variable whose address an LD_IMM64 takes."""
        return self._externs.get(at, "")

    def constant(
        self, address: MapAddress, size: int, kernel: Known | None
    ) -> int | None:
        """Return what a load from a global variable gives, when that is fixed."""
        if address.section == _UNDEFINED:
            filled = (
                _filled_with(kernel, kernel.version)
                if kernel and kernel.version
                else {}
            )
            return filled.get(address.offset)
        content = self._frozen.get(address.section)
        if content is None or not 0 <= address.offset <= len(content) - size:
            return None
        part = content[address.offset : address.offset + size]
        return int.from_bytes(part, self._order)

    def _note(self, reference: Reference) -> None:
        symbol = reference.symbol
        at = reference.address
        insn = self.insn(at)
        if insn is None:
            return
        in_code = symbol.section in self._code
        # As libbpf resolves them: what the compiler left in the immediate counts.
        if insn.code == op.JMP | op.CALL and in_code:
            self._calls[at] = (symbol.section, symbol.value // op.SIZE + insn.imm + 1)
        elif insn.code == op.LD_IMM64 and in_code:
            self._callbacks[at] = (
                symbol.section,
                (symbol.value + insn.imm) // op.SIZE,
            )
        elif insn.code == op.LD_IMM64 and symbol.section != _UNDEFINED:
            self._variables[at] = MapAddress(symbol.section, symbol.value + insn.imm)
        elif insn.code == op.LD_IMM64 and symbol.name in _FILLED:
            self._variables[at] = MapAddress(_UNDEFINED, _FILLED[symbol.name])
        elif insn.code == op.LD_IMM64 and symbol.name.startswith(CONFIG):
            self._variables[at] = MapAddress(_CONFIGURATION, 0)
        elif insn.code == op.LD_IMM64:
            self._externs[at] = symbol.name


def _filled_with(kernel: Known, version: KernelVersion) -> dict[int, int]:
    values = (
        _version_code(version),
        int(kernel.has("attach_cookies")),
        int(kernel.has("syscall_wrappers")),
    )
    return dict(zip(_FILLED.values(), values, strict=True))


def _version_code(kernel: KernelVersion) -> int:
    major, minor, patch = kernel.filled()
    return (major << 16) + (minor << 8) + min(patch, 255)
