"""Architectures of guests: one table, which everything that differs is looked up in."""

import platform

from runner.arch.model import AcceleratorName, Architecture
from runner.arch.table import ARCHITECTURES, ARM64, RISCV64, S390X, X86_64

__all__ = [
    "ARCHITECTURES",
    "ARM64",
    "DEFAULT",
    "RISCV64",
    "S390X",
    "X86_64",
    "AcceleratorName",
    "Architecture",
    "by_elf_machine",
    "find",
    "named",
    "native",
]

# What a row is that does not say.
DEFAULT = X86_64.name


def find(name: str) -> Architecture | None:
    """Return the architecture that a name or another spelling of it means, or None."""
    return next((it for it in ARCHITECTURES if name in it.names), None)


def named(name: str) -> Architecture:
    """Return the architecture of a name that a model has checked.

    Raises KeyError for one that is not in the table.
    """
    found = find(name)
    if found is None:
        raise KeyError(name)
    return found


def by_elf_machine(machine: str) -> Architecture | None:
    """Return the architecture of ELF files, by their e_machine ("EM_S390"), or None."""
    return next((it for it in ARCHITECTURES if it.elf.machine == machine), None)


def native() -> Architecture | None:
    """Return this machine's architecture; None for one that is not in the table."""
    return find(platform.machine())
