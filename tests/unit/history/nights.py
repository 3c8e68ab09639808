"""Nights made by hand, for tests of histories."""

from datetime import datetime, timedelta
from typing import Any

from runner.results import CaseResult, KernelRun, Outcome, Provenance, RunResults
from tests.unit.reports import runs

_FIRST = datetime.fromisoformat("2026-03-01T02:00:00+00:00")


def case(outcome: Outcome, name: str = "state", **more: Any) -> CaseResult:
    """Return a case on 6.1, with an object."""
    kernel = more.pop("kernel", "6.1")
    return runs.case(kernel, outcome, name, **{"object_sha256": "a" * 64, **more})


def night(number: int, *cases: CaseResult, **more: Any) -> RunResults:
    """Return the run of a night, the first one being 0.

    Of `more`, `kernel` goes to all of its kernels, and the rest to the run.
    """
    of_kernels = {
        "image": "bookworm linux-image 6.1.170-1",
        "image_sha256": "1" * 64,
        "btf_sha256": "b" * 64,
        "libbpf": "1.1",
        **more.pop("kernel", {}),
    }
    ids = dict.fromkeys(it.kernel for it in cases)
    given = {
        "started": (_FIRST + timedelta(days=number)).isoformat(),
        "kernels": tuple(
            KernelRun(**{"id": id_, "release": f"{id_}.7-amd64", **of_kernels})
            for id_ in ids
        ),
        "provenance": Provenance(
            project="owner/probes", commit=f"{number:040x}", branch="main"
        ),
    }
    return runs.run(*cases, **{**given, **more})
