"""Kernel versions and ranges of them, as `uname -r` and people write them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import total_ordering
from operator import eq, ge, gt, le, lt, ne
from typing import TypeVar

_VERSION = re.compile(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?")
_EXACT = re.compile(r"\d+(\.\d+){0,2}")
_CLAUSE = re.compile(r"(>=|<=|==|!=|>|<)\s*(\d+(?:\.\d+){0,2})")
_OPERATORS = {">=": ge, "<=": le, "==": eq, "!=": ne, ">": gt, "<": lt}


@total_ordering
@dataclass(frozen=True, eq=False)
class KernelVersion:
    """A kernel's version: major, minor, patch, as far as it was written.

    Shorter versions compare as if filled with zeros.
    """

    parts: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> "KernelVersion":
        """Read the numbers that `text` begins with: "5.14", "6.1.0-44-cloud-amd64".

        Raises ValueError when it begins with no number.
        """
        match = _VERSION.match(text)
        if match is None:
            raise ValueError(f"{text!r} does not begin with a kernel version")
        return cls(tuple(int(part) for part in match.groups() if part is not None))

    def filled(self, length: int = 3) -> tuple[int, ...]:
        """Return `length` numbers: cut, or filled with zeros."""
        return (self.parts + (0,) * length)[:length]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KernelVersion):
            return NotImplemented
        return self.filled() == other.filled()

    def __hash__(self) -> int:
        return hash(self.filled())

    def __lt__(self, other: "KernelVersion") -> bool:
        return self.filled() < other.filled()

    def __str__(self) -> str:
        return ".".join(map(str, self.parts))


@dataclass(frozen=True)
class _Clause:
    operator: str
    bound: KernelVersion

    def allows(self, version: KernelVersion) -> bool:
        # Compared to the bound's precision, so that "<=5.10" holds for 5.10.223
        # and "<6" does not hold for 6.1.
        length = len(self.bound.parts)
        return bool(
            _OPERATORS[self.operator](version.filled(length), self.bound.filled(length))
        )


@dataclass(frozen=True)
class VersionRange:
    """Comparisons that must all hold, such as ">=5.4,<6"; no comparison allows all."""

    clauses: tuple[_Clause, ...] = ()
    text: str = ""

    @classmethod
    def parse(cls, text: str) -> "VersionRange":
        """Read ">=5.4,<6", "==5.10" or a bare "5.10", which means "==5.10".

        Raises ValueError that names the part that can't be read.
        """
        clauses = []
        for part in text.split(","):
            part = part.strip()
            if _EXACT.fullmatch(part):
                part = f"=={part}"
            match = _CLAUSE.fullmatch(part)
            if match is None:
                raise ValueError(
                    f"{part!r} is not a version comparison; write it like '>=5.4' or "
                    "'<6'"
                )
            clauses.append(_Clause(match[1], KernelVersion.parse(match[2])))
        return cls(tuple(clauses), text)

    def __contains__(self, version: KernelVersion) -> bool:
        return all(clause.allows(version) for clause in self.clauses)

    def __str__(self) -> str:
        return self.text


_Value = TypeVar("_Value")


def pick(table: Mapping[str, _Value], version: KernelVersion) -> _Value | None:
    """Return the value of the first range that holds a version, or None.

    Raises ValueError for a key that is no range.
    """
    for text, value in table.items():
        if version in VersionRange.parse(text):
            return value
    return None
