"""Where a case ends differently on one kernel than on the one before it.

Kernels are compared within a family, upstream's or a vendor's, of one architecture, in
the matrix's order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runner.reports.support import Labelled, version_of
from runner.results import CaseResult, KernelRun, Outcome, RunResults

# What a kernel without a vendor is of.
UPSTREAM = "upstream"


@dataclass(frozen=True, kw_only=True)
class CaseChange:
    """A case that ends differently on two neighbours."""

    before: CaseResult
    after: CaseResult

    @property
    def name(self) -> str:
        """Return SUITE::CASE."""
        return f"{self.after.suite}::{self.after.case}"


@dataclass(frozen=True, kw_only=True)
class KernelBoundary:
    """Two neighbouring kernels, and the cases that tell them apart."""

    family: str
    before: KernelRun
    after: KernelRun
    changes: tuple[CaseChange, ...]


def family_of(kernel: KernelRun) -> str:
    """Return whose kernel it is: "RHEL", or "upstream"."""
    family = Labelled(kernel=kernel, version=version_of(kernel)).family
    return UPSTREAM if family is None else family.shown


def groups_of(kernels: Sequence[KernelRun]) -> Mapping[str, str]:
    """Return which kernels are compared with each other, by their ids: "RHEL".

    Where there are several architectures, each has its own: "RHEL, arm64".
    """
    several = len({it.arch for it in kernels}) > 1
    return {
        it.id: f"{family_of(it)}, {it.arch}" if several else family_of(it)
        for it in kernels
    }


def boundaries(results: RunResults) -> list[KernelBoundary]:
    """Return the neighbours that differ.

    A case without a verdict on a kernel (a gap, or infrastructure) is compared with the
    last kernel that has one.
    """
    names = groups_of(results.kernels)
    families: dict[str, list[KernelRun]] = {}
    for kernel in results.kernels:
        families.setdefault(names[kernel.id], []).append(kernel)
    by_kernel = results.by_kernel()
    return [
        found
        for family, kernels in families.items()
        for found in _of_family(family, kernels, by_kernel)
    ]


def _of_family(
    family: str,
    kernels: Sequence[KernelRun],
    by_kernel: Mapping[str, Sequence[CaseResult]],
) -> Iterable[KernelBoundary]:
    last: dict[tuple[str, str], CaseResult] = {}
    known = {it.id: it for it in kernels}
    for kernel in kernels:
        changes: dict[str, list[CaseChange]] = {}
        for case in by_kernel.get(kernel.id, ()):
            if case.outcome not in (Outcome.PASSED, Outcome.FAILED):
                continue
            key = case.suite, case.case
            before = last.get(key)
            if before is not None and _end(before) != _end(case):
                change = CaseChange(before=before, after=case)
                changes.setdefault(before.kernel, []).append(change)
            last[key] = case
        for id_, found in changes.items():
            yield KernelBoundary(
                family=family, before=known[id_], after=kernel, changes=tuple(found)
            )


def _end(case: CaseResult) -> tuple[Outcome, str]:
    """Return what is compared; a class says little of a case that passed."""
    is_failure = case.outcome is Outcome.FAILED
    return case.outcome, case.failure_class if is_failure else ""
