"""What a refusal's cure may say of other kernels: only what the same run saw.

A run decides it in its end, and a merge again; deciding twice changes nothing.
"""

from collections.abc import Sequence

from runner.failures.classes import CLASSES, VERIFIER_REJECTED
from runner.reports.support import version_of
from runner.results import CaseResult, KernelRun, Outcome, RunResults

# Begins what is added, and is looked for when it is decided again.
_SEEN = ". In this run "


def told(results: RunResults) -> RunResults:
    """Return a run whose cures of refusals say which other kernels load the object."""
    kernels = {it.id: it for it in results.kernels}
    loading: dict[tuple[str, str], list[KernelRun]] = {}
    for it in results.cases:
        # What passes with a class was refused, as its suite expects.
        is_loaded = it.outcome is Outcome.PASSED and not it.failure_class
        if is_loaded and it.kernel in kernels:
            loading.setdefault((it.suite, it.case), []).append(kernels[it.kernel])
    if not any(map(_is_refusal, results.cases)):
        return results
    return results.model_copy(
        update={
            "cases": tuple(
                _told(it, kernels[it.kernel], loading.get((it.suite, it.case), ()))
                if _is_refusal(it) and it.kernel in kernels
                else it
                for it in results.cases
            )
        }
    )


def _is_refusal(case: CaseResult) -> bool:
    """Whether a verifier refused it for a reason that another one may not have."""
    known = CLASSES.get(case.failure_class)
    if case.outcome is not Outcome.FAILED or known is None:
        return False
    return VERIFIER_REJECTED.name in (known.name, known.refines)


def _told(
    case: CaseResult, kernel: KernelRun, loading: Sequence[KernelRun]
) -> CaseResult:
    own = case.cure.partition(_SEEN)[0]
    others = [it for it in loading if it.arch == kernel.arch]
    cure = own + (_SEEN + _words(kernel, others) if own and others else "")
    return case if cure == case.cure else case.model_copy(update={"cure": cure})


def _words(kernel: KernelRun, others: Sequence[KernelRun]) -> str:
    names = ", ".join(it.id for it in others)
    verb = "loads" if len(others) == 1 else "load"
    which = "which is" if len(others) == 1 else "which are"
    own = version_of(kernel)
    versions = [version_of(it) for it in others]
    if own is not None and all(it is not None and it < own for it in versions):
        return f"{names}, {which} older, {verb} it: newer kernels ask for more here"
    if own is not None and all(it is not None and own < it for it in versions):
        return f"{names}, {which} newer, {verb} it: newer kernels accept more here"
    return f"{names} {verb} it"
