"""Which kernels work, in words: "4.4 – 7.2, except 5.10"."""  # noqa: RUF002

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from runner.results import CaseResult, KernelRun, Outcome, RunResults
from runner.versions import KernelVersion

DASH = "–"  # noqa: RUF001


class Support(StrEnum):
    """What is known of a kernel."""

    WORKS = "works"
    FAILS = "fails"
    # It did not come up, or a case was lost to infrastructure.
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Tested:
    """A kernel with what is known of it."""

    kernel: KernelRun
    version: KernelVersion | None
    support: Support

    @property
    def label(self) -> str:
        """The version as ranges show it: "6.1"; the id when there is none."""
        if self.version is None:
            return self.kernel.id
        return ".".join(map(str, self.version.parts[:2]))


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """What is known of all kernels, by their versions."""

    tested: tuple[Tested, ...]

    @property
    def statement(self) -> str:
        """Return "4.4 – 7.2, except 5.10; not known: 5.5", or that none works."""  # noqa: RUF002
        groups = _by_label(self.tested)
        works = [label for label, found in groups.items() if found is Support.WORKS]
        if not works:
            return "none"
        labels = list(groups)
        first, last = labels.index(works[0]), labels.index(works[-1])
        inside = labels[first : last + 1]
        text = works[0] if first == last else f"{works[0]} {DASH} {works[-1]}"
        excepted = [it for it in inside if groups[it] is Support.FAILS]
        unknown = [it for it in labels if groups[it] is Support.UNKNOWN]
        if excepted:
            text += f", except {', '.join(excepted)}"
        if unknown:
            text += f"; not known: {', '.join(unknown)}"
        return text

    @property
    def minimum(self) -> str:
        """Return the oldest kernel that works; empty when none does."""
        found = [it.label for it in self.tested if it.support is Support.WORKS]
        return found[0] if found else ""


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
    if Outcome.FAILED in outcomes:
        return Support.FAILS
    if (
        kernel.error
        or not whole
        or Outcome.ERROR in outcomes
        or Outcome.PASSED not in outcomes
    ):
        return Support.UNKNOWN
    return Support.WORKS


def version_of(kernel: KernelRun) -> KernelVersion | None:
    """Return what its release says, or its id."""
    for text in (kernel.release, kernel.id):
        try:
            return KernelVersion.parse(text)
        except ValueError:
            continue
    return None


def _age(tested: Tested) -> tuple[bool, tuple[int, ...]]:
    # Those without a version are last.
    version = tested.version
    return version is None, version.filled() if version else ()


def _by_label(tested: Iterable[Tested]) -> dict[str, Support]:
    """Return what is known of each version: the worst of its kernels."""
    order = (Support.FAILS, Support.UNKNOWN, Support.WORKS)
    found: dict[str, Support] = {}
    for it in tested:
        known = found.get(it.label, Support.WORKS)
        found[it.label] = min(known, it.support, key=order.index)
    return found
