"""BTF written by hand: kinds and orders that no compiler here makes."""

import struct
from dataclasses import dataclass, field

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF = range(1, 9)
FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = 16, 17, 18, 19


@dataclass
class Raw:
    """A BTF, or one on top of another that has `base` types and strings."""

    order: str = "<"
    # Types, with void, and bytes of strings.
    base: tuple[int, int] = (1, 0)
    types: list[bytes] = field(default_factory=list)
    strings: bytes = b""

    def __post_init__(self) -> None:
        self.strings = b"" if self.base[1] else b"\0"

    def text(self, name: str) -> int:
        if not name:
            return 0
        at = self.base[1] + len(self.strings)
        self.strings += name.encode() + b"\0"
        return at

    def add(
        self,
        kind: int,
        name: str,
        size: int,
        *words: int,
        count: int = 0,
        flag: int = 0,
    ) -> int:
        """Add a type, with the words behind its header, and return its id."""
        info = kind << 24 | count
        all_ = (self.text(name), info, size, *words)
        packed = [struct.pack(f"{self.order}I", it & 0xFFFFFFFF) for it in all_]
        self.types.append(b"".join(packed))
        return self.base[0] + len(self.types) - 1

    def int_(self, name: str, size: int, *, signed: bool = False) -> int:
        return self.add(INT, name, size, signed << 24 | size * 8)

    def struct(self, name: str, size: int, *members: tuple[str, int, int]) -> int:
        """Add a struct of (name, type, bit offset)."""
        words = [
            word for name, id_, bit in members for word in (self.text(name), id_, bit)
        ]
        return self.add(STRUCT, name, size, *words, count=len(members))

    @property
    def counts(self) -> tuple[int, int]:
        """Types and strings, for what goes on top."""
        return self.base[0] + len(self.types), self.base[1] + len(self.strings)

    @property
    def data(self) -> bytes:
        types = b"".join(self.types)
        header = struct.pack(
            f"{self.order}HBBIIIII",
            *(0xEB9F, 1, 0, 24, 0, len(types), len(types), len(self.strings)),
        )
        return header + types + self.strings


def a_kernel(order: str = "<", pointer: int = 8) -> Raw:
    """Return a kernel of all kinds of types, with a struct task."""
    raw = Raw(order)
    long_ = raw.int_("long", pointer, signed=True)
    int_ = raw.int_("int", 4, signed=True)
    raw.add(FLOAT, "double", 8)
    tagged = raw.add(TYPE_TAG, "rcu", int_)
    link = raw.add(PTR, "", tagged)
    task = raw.struct(
        "task", 24, ("link", link, 0), ("big", long_, 64), ("pid", int_, 128)
    )
    raw.add(DECL_TAG, "btf_type_tag", task, 0xFFFFFFFF)
    wide = (raw.text("BLUE"), 0xFFFFFFFF, 0x1)
    raw.add(ENUM64, "colour", 8, *wide, count=1)
    raw.add(TYPEDEF, "task_t", task)
    return raw
