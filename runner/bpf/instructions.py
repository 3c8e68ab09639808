"""BPF instructions, as bytes and as bpftool dumps them."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

# libbpf's helper in place of what it can't resolve: 0xbad2310.
POISON = 195896080

_INSTRUCTION = struct.Struct("<BBhi")
_CLASS = 0x07
# BPF_LDX, BPF_ST and BPF_STX hold an offset; BPF_ALU and BPF_ALU64 an immediate.
_MEMORY = (1, 2, 3)
_ARITHMETIC = (4, 7)
_FROM_REGISTER = 0x08
_WIDE, _CALL = 0x18, 0x85
# BPF_PSEUDO_MAP_FD and BPF_PSEUDO_MAP_VALUE: the kernel shows the map's id.
_OF_A_MAP = (1, 2)


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction; a wide one is one, too."""

    # From the program's beginning, where a wide one counts twice.
    index: int
    code: int
    source: int
    offset: int
    immediate: int

    @property
    def constant(self) -> int | None:
        """What a relocation puts into it, if it can hold that."""
        kind = self.code & _CLASS
        if kind in _MEMORY:
            return self.offset
        if kind in _ARITHMETIC and not self.code & _FROM_REGISTER:
            return self.immediate
        return self.immediate if self.code == _WIDE and not self.source else None

    @property
    def map_id(self) -> int | None:
        """The map whose address it loads: its id in the kernel's own dump."""
        if self.code == _WIDE and self.source in _OF_A_MAP:
            return self.immediate
        return None

    @property
    def is_poison(self) -> bool:
        """Whether it is what libbpf puts in place of what it can't resolve."""
        return self.code == _CALL and self.immediate == POISON


def parse(data: bytes) -> tuple[Instruction, ...]:
    """Read instructions as the system call takes them.

    Raises ValueError for bytes that are no whole instructions.
    """
    if len(data) % _INSTRUCTION.size:
        raise ValueError(f"{len(data)} bytes are no whole instructions")
    found, second = [], False
    for index, (code, registers, offset, immediate) in enumerate(
        _INSTRUCTION.iter_unpack(data)
    ):
        if not second:
            found.append(
                Instruction(
                    index=index,
                    code=code,
                    source=registers >> 4,
                    offset=offset,
                    immediate=immediate,
                )
            )
        second = code == _WIDE and not second
    return tuple(found)


def poison(instructions: Sequence[Instruction]) -> list[Instruction]:
    """Return the instructions that are poison."""
    return [it for it in instructions if it.is_poison]
