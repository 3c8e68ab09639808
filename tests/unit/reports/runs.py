"""Runs made by hand, for tests of reports."""

from typing import Any

from runner.results import CaseResult, KernelRun, Outcome, RunResults

KERNELS = ("5.10", "6.1", "6.12")
P, F, E, S = Outcome.PASSED, Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED


def case(kernel: str, outcome: Outcome, name: str = "state", **more: Any) -> CaseResult:
    """Return a case of the suite task."""
    given: dict[str, Any] = {
        "kernel": kernel,
        "suite": "task",
        "case": name,
        "outcome": outcome,
        "object_path": "task/task.bpf.c",
        "source_path": "suites/task/task.bpf.c",
    }
    if outcome is F:
        given |= {
            "message": "there is no such field",
            "failure_class": "poison_reachable",
            "cure": "guard it",
            "source": "task.bpf.c:41",
        }
    return CaseResult(**{**given, **more})


def kernel(id_: str, **more: Any) -> KernelRun:
    """Return a kernel that came up."""
    return KernelRun(**{"id": id_, "release": f"{id_}.7-amd64", **more})


def run(*cases: CaseResult, **more: Any) -> RunResults:
    """Return a run of these cases, on all their kernels."""
    ids = dict.fromkeys(it.kernel for it in cases)
    given: dict[str, Any] = {
        "runner": "0.1.0",
        "started": "2026-01-02T03:04:05+00:00",
        "duration": 1.0,
        "kernels": tuple(kernel(id_) for id_ in ids),
        "cases": cases,
    }
    return RunResults(**{**given, **more})


def on_all(*outcomes: Outcome, **more: Any) -> RunResults:
    """Return a run of one case with these outcomes on KERNELS."""
    pairs = zip(KERNELS, outcomes, strict=True)
    return run(*(case(id_, outcome) for id_, outcome in pairs), **more)
