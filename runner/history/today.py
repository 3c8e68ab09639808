"""What holds now: the newest result of each kernel that is still run."""

from datetime import timedelta

from runner.history.series import History
from runner.reports import support
from runner.results import CaseKey, CaseResult, KernelRun, PlannedCase, RunResults

# A kernel without a run for so long before the newest one is no longer part of it.
FRESH = timedelta(days=7)

UPSTREAM = "linux"


def results(history: History) -> RunResults:
    """Return the newest results of each kernel as one run, without logs.

    There must be a run.
    """
    newest = history.runs[-1]
    kernels: list[KernelRun] = []
    cases: list[CaseResult] = []
    planned: list[CaseKey] = []
    for id_, place in history.newest.items():
        run = history.runs[place]
        if newest.started - run.started > FRESH:
            continue
        (at,) = [n for n, it in enumerate(run.kernels) if it.id == id_][:1]
        kernel = run.kernels[at]
        kernels.append(
            KernelRun(
                id=id_,
                required=kernel.required,
                arch=kernel.arch,
                release=kernel.release,
                image=kernel.image,
                image_sha256=kernel.image_sha256,
                error=kernel.error,
            )
        )
        for it in run.cases:
            if at not in it.kernels:
                continue
            state = run.states[it.states[it.kernels.index(at)]]
            planned.append(CaseKey(id_, it.suite, it.case))
            if state.outcome is not None:
                cases.append(
                    CaseResult(
                        kernel=id_,
                        suite=it.suite,
                        case=it.case,
                        outcome=state.outcome,
                        message=state.message,
                        failure_class=state.failure_class,
                        known_flaky=state.known_flaky,
                    )
                )
    return RunResults(
        runner=newest.runner,
        started=newest.started.isoformat(),
        duration=newest.duration,
        planned=PlannedCase.of(planned),
        kernels=tuple(kernels),
        cases=tuple(cases),
    )


def families(found: RunResults) -> dict[str, tuple[str, RunResults]]:
    """Return the name and the results of each family of kernels, by its file's name.

    Kernels of Debian and of upstream are both in "linux", as in ranges; Debian's are
    also a family of their own.
    """
    ids: dict[str, tuple[str, list[str]]] = {}
    for kernel in found.kernels:
        version = support.version_of(kernel)
        member = version.member if version else None
        if member is not None:
            family = member.family
            ids.setdefault(family.name, (family.shown, []))[1].append(kernel.id)
        if member is None or member.family.follows_upstream:
            ids.setdefault(UPSTREAM, ("Linux", []))[1].append(kernel.id)
    return {
        name: (shown, _only(found, frozenset(of_family)))
        for name, (shown, of_family) in sorted(ids.items())
    }


def _only(found: RunResults, ids: frozenset[str]) -> RunResults:
    return found.model_copy(
        update={
            "kernels": tuple(it for it in found.kernels if it.id in ids),
            "cases": tuple(it for it in found.cases if it.kernel in ids),
            "planned": PlannedCase.of(it for it in found.plan if it.kernel in ids),
            # What other kernels have not done costs these no verdict.
            "complete": found.complete or bool(found.undone),
        }
    )
