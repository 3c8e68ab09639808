"""Which versions a sweep boots, and what that says of the others.

Versions behind each other are a stretch if they show the same before a boot:
predictions of all cases, and the facts that these depend on. Each end of a stretch is
booted.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Literal

from runner.facts import families
from runner.reports.support import DASH, Support

BootWhich = Literal["all", "needed", "none"]


@dataclass(frozen=True, kw_only=True)
class SweptVersion:
    """What is known of a version before it is booted."""

    # ROW@VERSION.
    id: str
    version: str
    # As `uname -r` says it; empty if it is unavailable.
    release: str = ""
    # What a boot depends on, by what people call it: "core::fork", "CONFIG_BPF_LSM".
    # Versions in which all are equal are expected to show the same.
    shape: Mapping[str, Hashable] | None = None
    # Why it can't be fetched; empty if it was.
    unavailable: str = ""


class BootReason(StrEnum):
    """Why a version is booted, or is not."""

    OLDEST = "the oldest"
    NEWEST = "the newest"
    DIFFERS = "differs from"
    BEFORE = "the last before"
    ALL = "all are"
    UNPREDICTED = "nothing is predicted"


@dataclass(frozen=True, kw_only=True)
class PlannedBoot:
    """A version that is booted, and why."""

    reason: BootReason
    # The neighbour that it differs from, or that differs from it.
    neighbour: str = ""
    # What differs.
    what: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The same for people."""
        text = " ".join(filter(None, (self.reason.value, self.neighbour)))
        if self.what:
            shown = ", ".join(self.what[:3])
            more = len(self.what) - 3
            text += f": {shown}" + (f" and {more} more" if more > 0 else "")
        return text


def boots(versions: Sequence[SweptVersion], which: BootWhich) -> dict[str, PlannedBoot]:
    """Return which versions are booted, by id, in their order."""
    there = [it for it in versions if not it.unavailable]
    if which == "none" or not there:
        return {}
    if which == "all":
        return {it.id: PlannedBoot(reason=BootReason.ALL) for it in there}
    found: dict[str, PlannedBoot] = {}
    found[there[0].id] = PlannedBoot(reason=BootReason.OLDEST)
    for before, after in pairwise(there):
        what = differences(before, after)
        if what:
            found.setdefault(
                before.id,
                PlannedBoot(
                    reason=BootReason.BEFORE, neighbour=after.version, what=what
                ),
            )
            found[after.id] = PlannedBoot(
                reason=BootReason.DIFFERS, neighbour=before.version, what=what
            )
    found.setdefault(there[-1].id, PlannedBoot(reason=BootReason.NEWEST))
    for it in there:
        if it.shape is None:
            found.setdefault(it.id, PlannedBoot(reason=BootReason.UNPREDICTED))
    return {it.id: found[it.id] for it in there if it.id in found}


def differences(before: SweptVersion, after: SweptVersion) -> tuple[str, ...]:
    """Return what two versions differ in; empty if nothing is known of one."""
    if before.shape is None or after.shape is None:
        return ()
    names = dict.fromkeys((*before.shape, *after.shape))
    missing = object()
    return tuple(
        name
        for name in names
        if before.shape.get(name, missing) != after.shape.get(name, missing)
    )


@dataclass(frozen=True, kw_only=True)
class SweptVerdict:
    """What a sweep says of a version."""

    support: Support
    # The id of the booted version that it is said by; its own if it was booted.
    by: str = ""
    # Why it is not known.
    why: str = ""


def verdicts(
    versions: Sequence[SweptVersion], booted: Mapping[str, Support]
) -> dict[str, SweptVerdict]:
    """Return what is known of each version, by id.

    A version that was not booted shows what the booted ones of its stretch show, if
    these agree.
    """
    found: dict[str, SweptVerdict] = {}
    for stretch in stretches(versions):
        known = {it.id: booted[it.id] for it in stretch if it.id in booted}
        seen = {*known.values()} - {Support.UNKNOWN}
        last = ""
        for it in stretch:
            last = it.id if it.id in known else last
            if it.id in known:
                found[it.id] = SweptVerdict(support=known[it.id], by=it.id)
            elif it.unavailable:
                found[it.id] = SweptVerdict(support=Support.UNKNOWN, why=it.unavailable)
            elif len(seen) == 1:
                by = next(id_ for id_ in (last, *known) if known.get(id_) in seen)
                found[it.id] = SweptVerdict(support=known[by], by=by)
            else:
                why = "booted neighbours disagree: use bisect" if seen else "not booted"
                found[it.id] = SweptVerdict(support=Support.UNKNOWN, why=why)
    return {it.id: found[it.id] for it in versions}


def stretches(versions: Sequence[SweptVersion]) -> list[list[SweptVersion]]:
    """Return versions behind each other that are expected to show the same."""
    found: list[list[SweptVersion]] = []
    last: SweptVersion | None = None
    for it in versions:
        if it.unavailable or it.shape is None:
            found.append([it])
            continue
        if last is not None and not differences(last, it):
            # What is unavailable between two that are alike does not part them.
            next(each for each in found if last in each).append(it)
        else:
            found.append([it])
        last = it
    return found


def statement(
    versions: Sequence[SweptVersion], found: Mapping[str, SweptVerdict]
) -> str:
    """Return which versions work, by family: "Debian: 6.1.170-3 to 6.1.192-3 work"."""
    groups: dict[str, list[SweptVersion]] = {}
    for it in versions:
        groups.setdefault(_family(it, versions), []).append(it)
    return "; ".join(_of_family(name, group, found) for name, group in groups.items())


def _family(version: SweptVersion, versions: Sequence[SweptVersion]) -> str:
    """Return the family of a version; of one that is unavailable, its neighbours'."""
    for it in (version, *versions):
        member = families.member(it.release) if it.release else None
        if member is not None:
            return member.family.shown
        if it.release:
            return ""
    return ""


_WORDS = {
    Support.WORKS: ("works", "work"),
    Support.FAILS: ("fails", "fail"),
    Support.UNKNOWN: ("is not known", "are not known"),
}


def _of_family(
    name: str, group: Sequence[SweptVersion], found: Mapping[str, SweptVerdict]
) -> str:
    spans: list[list[SweptVersion]] = []
    for it in group:
        same = spans and found[spans[-1][-1].id].support is found[it.id].support
        if same:
            spans[-1].append(it)
        else:
            spans.append([it])
    texts = [_span(it, found[it[0].id].support) for it in spans]
    return f"{name}: {', '.join(texts)}" if name else ", ".join(texts)


def _span(span: Sequence[SweptVersion], support: Support) -> str:
    one, many = _WORDS[support]
    if len(span) == 1:
        return f"{span[0].version} {one}"
    return f"{span[0].version} {DASH} {span[-1].version} {many}"
