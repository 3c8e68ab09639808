"""Which kernels work, in words: "4.4 – 7.2, except 5.10".

Where kernels are of several architectures, each has its own: "x86_64: 4.4 – 7.2;
arm64: 6.1". A range of both would claim versions that nobody ran.
"""  # noqa: RUF002

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from runner.arch import ARCHITECTURES
from runner.facts.families import Family
from runner.reports import style
from runner.results import CaseResult, KernelRun, Outcome, RunResults
from runner.versions import KernelVersion

UPSTREAM = "upstream"
NOT_KNOWN = "not known"
DASH = "–"  # noqa: RUF001


class Support(StrEnum):
    """What is known of a kernel."""

    WORKS = "works"
    FAILS = "fails"
    # It did not come up, or a case was lost to infrastructure.
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A kernel, and how reports name its version."""

    kernel: KernelRun
    version: KernelVersion | None

    @property
    def family(self) -> Family | None:
        """The vendor that it must not be mistaken for upstream's kernel of."""
        member = self.version.member if self.version else None
        return member.family if member and not member.family.follows_upstream else None

    @property
    def label(self) -> str:
        """The version as ranges show it: "6.1"; the id when there is none.

        A vendor's kernel has its vendor's version, or its build: "9.6", "5.15.0-91".
        """
        if self.version is None:
            return self.kernel.id
        upstream = ".".join(map(str, self.version.parts[:2]))
        if self.family is None or self.version.member is None:
            return upstream
        counted = ".".join(map(str, self.version.member.version))
        if not counted:
            return self.version.build_text or self.kernel.id
        return f"{counted} ({upstream})" if self.family.has_several else counted

    @property
    def arch(self) -> str:
        """Its architecture."""
        return self.kernel.arch

    @property
    def shown(self) -> str:
        """The same with the vendor's name: "RHEL 9.6"."""
        return f"{self.family.shown} {self.label}" if self.family else self.label

    @property
    def title(self) -> str:
        """The id, and for a vendor's kernel whose: "5.14 (RHEL 9.6)"."""
        told = self.family is None or _letters(self.shown) in _letters(self.kernel.id)
        return style.shown(self.kernel, "" if told else self.shown)


@dataclass(frozen=True, kw_only=True)
class Tested(Labelled):
    """A kernel with what is known of it."""

    support: Support


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """What is known of all kernels, by their versions."""

    tested: tuple[Tested, ...]

    @property
    def statement(self) -> str:
        """Return "4.4 to 7.2, except 5.10; RHEL 8.10; not known: sid", with a dash.

        "none" means that no kernel works, and that this is known of each. Of several
        architectures each has a statement: "x86_64: 5.10; arm64: none".
        """
        archs = by_arch(self.tested)
        if len(archs) < 2:
            works, unknown = _said(self.tested)
        else:
            works, unknown = [], []
            for arch, tested in archs.items():
                known, lost = _said(tested)
                # Of one without a word, nobody would know that it was tried.
                works += [f"{arch}: {it}" for it in known or ["none"] * (not lost)]
                unknown += [f"{arch} {it}" for it in lost]
        if unknown:
            works.append(f"{NOT_KNOWN}: {', '.join(unknown)}")
        return "; ".join(works) or "none"

    @property
    def minimum(self) -> str:
        """Return the oldest kernel that works; empty when none does.

        Of several architectures that of each: "5.10 (x86_64), 6.1 (arm64)".
        """
        archs = by_arch(self.tested)
        found = {arch: _oldest(tested) for arch, tested in archs.items()}
        if len(archs) < 2:
            return "".join(found.values())
        return ", ".join(f"{it} ({arch})" for arch, it in found.items() if it)


def by_arch(tested: Iterable[Tested]) -> dict[str, list[Tested]]:
    """Return kernels by their architecture, in the order of the table of them."""
    groups: dict[str, list[Tested]] = {it.name: [] for it in ARCHITECTURES}
    for it in tested:
        groups.setdefault(it.arch, []).append(it)
    return {arch: group for arch, group in groups.items() if group}


def by_family(tested: Iterable[Tested]) -> list[tuple[str, list[Tested]]]:
    """Return kernels by their family, as `family_of` names it, upstream's first.

    Those of each architecture are a group of their own.
    """
    return [
        (family_of(group[0]), group)
        for of_arch in by_arch(tested).values()
        for group in _by_family(of_arch)
    ]


def family_of(kernel: Labelled) -> str:
    """Return whose kernel it is: "RHEL", or "upstream" if it follows upstream."""
    return kernel.family.shown if kernel.family else UPSTREAM


def _said(tested: Iterable[Tested]) -> tuple[list[str], list[str]]:
    """Return what works, a statement for each family, and what is not known."""
    groups = _by_family(tested)
    works = [text for text in map(_statement, groups) if text]
    return works, [label for group in groups for label in _unknown(group)]


def _oldest(tested: Iterable[Tested]) -> str:
    found = (it for group in _by_family(tested) for it in group)
    return next((it.shown for it in found if it.support is Support.WORKS), "")


def _by_family(tested: Iterable[Tested]) -> list[list[Tested]]:
    """Return upstream's kernels, and then those of each vendor."""
    groups: dict[str, list[Tested]] = {"": []}
    for it in tested:
        groups.setdefault(it.family.name if it.family else "", []).append(it)
    return [group for _, group in sorted(groups.items()) if group]


def _statement(group: Sequence[Tested]) -> str:
    """Return what works of a vendor's kernels, or of upstream's; empty for nothing."""
    known = _by_label(group)
    works = [label for label, found in known.items() if found is Support.WORKS]
    if not works:
        return ""
    labels = list(known)
    first, last = labels.index(works[0]), labels.index(works[-1])
    text = works[0] if first == last else f"{works[0]} {DASH} {works[-1]}"
    excepted = [it for it in labels[first : last + 1] if known[it] is Support.FAILS]
    if excepted:
        text += f", except {', '.join(excepted)}"
    family = group[0].family
    return f"{family.shown} {text}" if family else text


def _unknown(group: Sequence[Tested]) -> list[str]:
    family = group[0].family
    return [
        f"{family.shown} {label}" if family else label
        for label, found in _by_label(group).items()
        if found is Support.UNKNOWN
    ]


def ranges(results: RunResults, about: Sequence[CaseResult] | None = None) -> Ranges:
    """Return what is known of a run's kernels, the oldest first.

    `about` are the cases that count, all by default; kernels that none of them was run
    on are left out.
    """
    undone = {key.kernel for key in results.undone}
    cases: dict[str, list[CaseResult]] = {}
    for case in results.cases if about is None else about:
        cases.setdefault(case.kernel, []).append(case)
    found = [
        Tested(
            kernel=kernel,
            version=version_of(kernel),
            support=support_of(
                kernel,
                cases.get(kernel.id, ()),
                whole=kernel.id not in undone
                and (results.complete or results.planned is not None),
            ),
        )
        for kernel in results.kernels
        if kernel.id in cases or kernel.error
    ]
    return Ranges(tested=tuple(sorted(found, key=_age)))


def support_of(
    kernel: KernelRun, cases: Sequence[CaseResult], *, whole: bool = True
) -> Support:
    """Return what a kernel's cases say of it; only declared gaps say nothing.

    `whole` is whether all of its cases have a result.
    """
    outcomes = {case.outcome for case in cases}
    if any(it.outcome is Outcome.FAILED and not it.is_excused for it in cases):
        return Support.FAILS
    if (
        kernel.error
        # It may be flaky, and it may be worse.
        or Outcome.FAILED in outcomes
        or not whole
        or Outcome.ERROR in outcomes
        or Outcome.PASSED not in outcomes
    ):
        return Support.UNKNOWN
    return Support.WORKS


def title(kernel: KernelRun) -> str:
    """Return a kernel's name where its release is not shown: "5.14 (RHEL 9.6)"."""
    return Labelled(kernel=kernel, version=version_of(kernel)).title


def _letters(text: str) -> str:
    """Return what is left of a name where signs don't count: "rhel9.6"."""
    return re.sub(r"[^a-z0-9.]", "", text.lower())


def version_of(kernel: KernelRun) -> KernelVersion | None:
    """Return what its release says, or its id."""
    for text in (kernel.release, kernel.id):
        try:
            return KernelVersion.parse(text)
        except ValueError:
            continue
    return None


def _age(tested: Tested) -> tuple[bool, tuple[int, ...], tuple[int, ...]]:
    # Those without a version are last; a vendor's are in the vendor's order.
    version = tested.version
    if version is None:
        return True, (), ()
    if tested.family is not None and version.member is not None:
        return False, version.member.version, version.build
    return False, version.filled(), ()


def _by_label(tested: Iterable[Tested]) -> dict[str, Support]:
    """Return what is known of each version: the worst of its kernels."""
    order = (Support.FAILS, Support.UNKNOWN, Support.WORKS)
    found: dict[str, Support] = {}
    for it in tested:
        known = found.get(it.label, Support.WORKS)
        found[it.label] = min(known, it.support, key=order.index)
    return found
