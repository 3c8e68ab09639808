"""Kernel versions and ranges of them, as `uname -r` and people write them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, total_ordering
from operator import eq, ge, gt, le, lt, ne
from typing import Protocol, TypeVar

from runner.facts import families
from runner.facts.families import Member
from runner.text.nearest import did_you_mean

_VERSION = re.compile(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?")
_EXACT = re.compile(r"\d+(\.\d+){0,2}")
_OPERATOR = r"(>=|<=|==|!=|>|<)"
_CLAUSE = re.compile(_OPERATOR + r"\s*(\d+(?:\.\d+){0,2})")
# "rhel", "rhel>=9.4", "ubuntu:5.15>=5.15.0-91".
_OF_FAMILY = re.compile(
    r"(?P<family>[a-z]+)(?::(?P<series>\d+(?:\.\d+){0,2}))?"
    r"(?:\s*(?P<operator>>=|<=|==|!=|>|<)\s*(?P<bound>\d+(?:[.-]\d+)*))?"
)
# "5.14.0-570.el9", "==5.15.0-91-generic".
_RELEASE = re.compile(r"(?:(==|!=)\s*)?(\d+\.\d+[\w.]*[-+~][\w.+~-]*)")
_BUILD = re.compile(r"\d+(?:[.-]\d+)*")
_OPERATORS = {">=": ge, "<=": le, "==": eq, "!=": ne, ">": gt, "<": lt}
# What may stand behind a release that a range names: its architecture or flavour.
_BEHIND = (".", "-", "_", "+")


@total_ordering
@dataclass(frozen=True, eq=False)
class KernelVersion:
    """A kernel's version: major, minor, patch, as far as it was written.

    Shorter versions compare as if filled with zeros.
    """

    parts: tuple[int, ...]
    # As `uname -r` says it; empty where only the version is known.
    release: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> "KernelVersion":
        """Read the numbers that `text` begins with: "5.14", "6.1.0-44-cloud-amd64".

        Raises ValueError when it begins with no number.
        """
        match = _VERSION.match(text)
        if match is None:
            raise ValueError(f"{text!r} does not begin with a kernel version")
        parts = tuple(int(part) for part in match.groups() if part is not None)
        return cls(parts, "" if match.end() == len(text) else text)

    def of_release(self, release: str) -> "KernelVersion":
        """Return the version of the kernel that has this release."""
        return replace(self, release=release)

    @cached_property
    def member(self) -> Member | None:
        """Return its vendor, as far as its release tells."""
        return families.member(self.release)

    @cached_property
    def build(self) -> tuple[int, ...]:
        """Return the numbers that its release begins with: (5, 15, 0, 91)."""
        return _numbers(self.build_text) if self.build_text else ()

    @property
    def build_text(self) -> str:
        """Return the same as the release has it: "5.15.0-91"."""
        match = _BUILD.match(self.release)
        return match[0] if match else ""

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


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(it) for it in re.split("[.-]", text))


def _compares(operator: str, numbers: Sequence[int], bound: tuple[int, ...]) -> bool:
    """Compare to the bound's precision.

    So "<=5.10" holds for 5.10.223, and "<6" does not hold for 6.1.
    """
    filled = (*numbers, *([0] * len(bound)))[: len(bound)]
    return bool(_OPERATORS[operator](filled, bound))


class _Clause(Protocol):
    """One comparison."""

    @property
    def needs_release(self) -> bool:
        """Whether only a kernel's release can tell."""

    def allows(self, version: KernelVersion) -> bool:
        """Whether it holds."""


@dataclass(frozen=True)
class _OfVersion:
    """A comparison of upstream versions: ">=5.4"."""

    operator: str
    bound: KernelVersion
    needs_release: bool = False

    def allows(self, version: KernelVersion) -> bool:
        return _compares(self.operator, version.parts, self.bound.parts)


@dataclass(frozen=True)
class _OfFamily:
    """A comparison as a vendor counts: "rhel>=9.4", "ubuntu:5.15>=5.15.0-91"."""

    family: str
    # The upstream version that it is about; empty for all.
    series: tuple[int, ...]
    # Empty for all of the family.
    operator: str
    bound: tuple[int, ...]
    needs_release: bool = True

    def allows(self, version: KernelVersion) -> bool:
        member = version.member
        if member is None or member.family.name != self.family:
            return False
        if self.series and not _compares("==", version.parts, self.series):
            return False
        if not self.operator:
            return True
        # Within a series, and where the vendor has no other number, builds count.
        numbers = version.build if self.series else member.version or version.build
        return _compares(self.operator, numbers, self.bound)


@dataclass(frozen=True)
class _OfRelease:
    """One release: "5.14.0-570.el9", whatever its architecture and flavour."""

    operator: str
    release: str
    needs_release: bool = True

    def allows(self, version: KernelVersion) -> bool:
        rest = version.release.removeprefix(self.release)
        same = version.release.startswith(self.release) and (
            not rest or rest.startswith(_BEHIND)
        )
        return same is (self.operator == "==")


@dataclass(frozen=True)
class VersionRange:
    """Comparisons that must all hold, such as ">=5.4,<6"; no comparison allows all."""

    clauses: tuple[_Clause, ...] = ()
    text: str = ""

    @classmethod
    def parse(cls, text: str) -> "VersionRange":
        """Read ">=5.4,<6", "==5.10" or a bare "5.10", which means "==5.10".

        A vendor's kernel has its upstream version there, too: 5.14.0-570.el9 is
        ">=5.14". Vendors' own numbers are "rhel>=9.4", "ubuntu:5.15>=5.15.0-91" and a
        whole release, "5.14.0-570.el9".
        Raises ValueError that names the part that can't be read.
        """
        parts = [it.strip() for it in text.split(",")]
        clauses = tuple(_clause(it) for it in parts)
        _refuse_forgotten_family(parts, clauses)
        return cls(clauses, text)

    def __contains__(self, version: KernelVersion) -> bool:
        return all(clause.allows(version) for clause in self.clauses)

    @property
    def needs_release(self) -> bool:
        """Whether only a kernel's release can tell."""
        return any(clause.needs_release for clause in self.clauses)

    def may_hold(self, version: KernelVersion) -> bool:
        """Whether a version is in it, or may be once its release is known."""
        return all(
            clause.allows(version) or (clause.needs_release and not version.release)
            for clause in self.clauses
        )

    def __str__(self) -> str:
        return self.text


def _clause(part: str) -> _Clause:
    if _EXACT.fullmatch(part):
        part = f"=={part}"
    match = _CLAUSE.fullmatch(part)
    if match is not None:
        return _OfVersion(match[1], KernelVersion.parse(match[2]))
    match = _RELEASE.fullmatch(part)
    if match is not None:
        return _OfRelease(match[1] or "==", match[2])
    match = _OF_FAMILY.fullmatch(part)
    if match is None or match["family"] not in families.NAMES:
        raise ValueError(_no_comparison(part, match["family"] if match else ""))
    return _OfFamily(
        family=match["family"],
        series=_numbers(match["series"] or "") if match["series"] else (),
        operator=match["operator"] or "",
        bound=_numbers(match["bound"]) if match["bound"] else (),
    )


def _refuse_forgotten_family(parts: list[str], clauses: tuple[_Clause, ...]) -> None:
    """Raise ValueError for "rhel>=8.7,<9", where "<9" would hold for RHEL 10, too."""
    vendor = ""
    for part, clause in zip(parts, clauses, strict=True):
        if isinstance(clause, _OfFamily) and clause.bound and not clause.series:
            vendor = clause.family
        if vendor and isinstance(clause, _OfVersion):
            meant = f"{vendor}{clause.operator}{clause.bound}"
            raise ValueError(
                f"{part!r} counts as upstream does, behind numbers of {vendor}; write "
                f"{meant!r}, or put it in front if you mean the upstream version"
            )


def _no_comparison(part: str, family: str) -> str:
    near = did_you_mean(family, families.NAMES) if family else ""
    said = f"{part!r} is not a version comparison"
    if near:
        return f"{said}; {near} write it like 'rhel>=9.4'"
    if re.fullmatch(_OPERATOR + r"\s*\d+\.\d+[\w.]*-.*", part):
        return (
            f"{said}; builds are counted by vendors: write it like "
            "'ubuntu:5.15>=5.15.0-91'"
        )
    return f"{said}; write it like '>=5.4', '<6' or 'rhel>=9.4'"


_Value = TypeVar("_Value")


def pick(table: Mapping[str, _Value], version: KernelVersion) -> _Value | None:
    """Return the value of the first range that holds a version, or None.

    Raises ValueError for a key that is no range.
    """
    for text, value in table.items():
        if version in VersionRange.parse(text):
            return value
    return None
