"""A case that gets a second try, in a clean guest."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from runner.case.attempt import CaseJob
from runner.guest.guest import Guest
from runner.results import CaseResult, Outcome
from runner.run import retry
from runner.run.lease import GuestLease, Need
from runner.suites.model import Case
from tests.unit.guest.doubles import KERNEL, FakeAgent, guest

JOB = CaseJob(
    suite="s",
    case=Case(name="c", object="a.bpf.c"),
    object_path=Path("a.o"),
    shown_path="s/a.bpf.c",
    nodeid="s::c[6.1]",
)


class Lease:
    """Lends guests, and keeps to whom."""

    def __init__(self) -> None:
        self.tenants: list[str] = []

    @contextmanager
    def lease(self, need: Need, following: Need | None = None) -> Iterator[Guest]:
        self.tenants.append(need.tenant)
        yield guest(FakeAgent())


def ended(outcome: Outcome, message: str) -> CaseResult:
    return CaseResult(
        kernel="6.1",
        suite="s",
        case="c",
        outcome=outcome,
        message=message,
        failure_class="" if outcome is Outcome.PASSED else "kernel_warned",
    )


def tried(
    monkeypatch: pytest.MonkeyPatch, *results: CaseResult
) -> tuple[CaseResult, list[str]]:
    left = iter(results)
    monkeypatch.setattr("runner.run.retry.case_run.run", lambda *_: next(left))
    lease = Lease()
    need = Need(kernel=KERNEL, tenant="t")
    result = retry._tried(JOB, cast("GuestLease", lease), need, None)
    return result, lease.tenants


def test_a_stall_of_a_busy_host_passes_in_another_guest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stalled = ended(Outcome.ERROR, "the kernel reported: stall")

    result, tenants = tried(monkeypatch, stalled, ended(Outcome.PASSED, ""))

    assert (result.outcome, result.flaky) == (Outcome.PASSED, stalled.message)
    assert tenants == ["t", "t#2"]


def test_a_stall_that_comes_again_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stalled = ended(Outcome.ERROR, "the kernel reported: stall")

    result, _ = tried(monkeypatch, stalled, stalled)

    assert (result.outcome, result.failure_class) == (Outcome.FAILED, "kernel_warned")


def test_a_warning_needs_no_second_try(monkeypatch: pytest.MonkeyPatch) -> None:
    warned = ended(Outcome.FAILED, "the kernel reported: WARNING")

    assert tried(monkeypatch, warned) == (warned, ["t"])
