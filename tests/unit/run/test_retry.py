"""A case that gets a second try, in a clean guest."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from runner.case.attempt import CaseJob
from runner.guest.environment import EnvironmentUnavailableError
from runner.guest.guest import Guest
from runner.guest.life import State
from runner.matrix.environment import parse
from runner.matrix.matrix import Kernel
from runner.results import CaseResult, Outcome
from runner.run import retry
from runner.run.lease import GuestLease, Need
from runner.run.retry import KernelCase
from runner.run.run import Run
from runner.suites.known import KnownKernel
from runner.suites.model import Case
from runner.versions import KernelVersion
from tests.unit.guest.doubles import KERNEL, FakeAgent, guest

JOB = CaseJob(
    suite="s",
    case=Case(name="c", object="a.bpf.c"),
    object_path=Path("a.o"),
    shown_path="s/a.bpf.c",
    nodeid="s::c[6.1]",
)


F = Outcome.FAILED
DOUBTFUL = ("kernel_warned", "kernel_soft_lockup", "kernel_rcu_stall")


class Lease:
    """Lends guests, and keeps to whom."""

    def __init__(
        self, served: int = 0, *, reported: bool = False, lost: bool = False
    ) -> None:
        # "untouched" for who wants no used guest.
        self.wanted: list[str] = []
        self._served = served
        self._reported = reported
        self._lost = lost

    def has_untouched(self, kernel: Kernel) -> bool:
        return True

    @contextmanager
    def lease(
        self, need: Need, following: Need | None = None, *, untouched: bool = False
    ) -> Iterator[Guest]:
        self.wanted.append("untouched" if untouched else need.tenant)
        lent = guest(FakeAgent())
        lent.served = 0 if untouched else self._served
        lent.has_reported = self._reported and not untouched
        if self._lost:
            lent.life.to(State.LOST)
        yield lent


def ended(
    outcome: Outcome, message: str, failure_class: str = "kernel_warned"
) -> CaseResult:
    return CaseResult(
        kernel="6.1",
        suite="s",
        case="c",
        outcome=outcome,
        message=message,
        failure_class="" if outcome is Outcome.PASSED else failure_class,
    )


def tried(
    monkeypatch: pytest.MonkeyPatch,
    *results: CaseResult,
    served: int = 0,
    reported: bool = False,
    lost: bool = False,
) -> tuple[CaseResult, list[str]]:
    left = iter(results)

    def run(job: CaseJob, _: Guest) -> CaseResult:
        found = next(left)
        counts = job.is_last and found.failure_class in DOUBTFUL
        # What a case does with it, in runner.case.run.
        return found.model_copy(update={"outcome": F} if counts else {})

    monkeypatch.setattr("runner.run.retry.case_run.run", run)
    lease = Lease(served, reported=reported, lost=lost)
    need = Need(kernel=KERNEL, tenant="t")
    result = retry._tried(JOB, cast("GuestLease", lease), need, None)
    return result, lease.wanted


def test_a_stall_of_a_busy_host_passes_in_another_guest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stalled = ended(Outcome.ERROR, "the kernel reported: stall")

    result, tenants = tried(monkeypatch, stalled, ended(Outcome.PASSED, ""))

    assert (result.outcome, result.flaky) == (Outcome.PASSED, stalled.message)
    assert tenants == ["t", "untouched"]


def test_a_stall_that_comes_again_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stalled = ended(Outcome.ERROR, "the kernel reported: stall")

    result, _ = tried(monkeypatch, stalled, stalled)

    assert (result.outcome, result.failure_class) == (F, "kernel_warned")
    assert result.message == f"{stalled.message} (a second try, in a clean guest)"


@pytest.mark.parametrize("class_", ["kernel_soft_lockup", "kernel_rcu_stall"])
def test_a_kernel_that_locks_up_twice_is_a_failure_with_its_words(
    monkeypatch: pytest.MonkeyPatch, class_: str
) -> None:
    locked = ended(Outcome.ERROR, "the guest was lost: soft lockup while …", class_)

    twice, tenants = tried(monkeypatch, locked, locked, lost=True)
    once, _ = tried(monkeypatch, locked, ended(Outcome.PASSED, ""), lost=True)

    assert tenants == ["t", "untouched"]
    assert (twice.outcome, twice.failure_class) == (F, class_)
    assert twice.message == f"{locked.message} (a second try, in a clean guest)"
    assert (once.outcome, once.flaky) == (Outcome.PASSED, locked.message)


def test_a_warning_needs_no_second_try(monkeypatch: pytest.MonkeyPatch) -> None:
    warned = ended(Outcome.FAILED, "the kernel reported: WARNING")

    assert tried(monkeypatch, warned) == (warned, ["t"])


def test_what_fails_in_a_used_guest_counts_if_it_fails_in_an_untouched_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong, again = ended(Outcome.FAILED, "3, not 4"), ended(Outcome.FAILED, "5, not 4")

    result, wanted = tried(monkeypatch, wrong, again, served=2)

    assert result == again
    assert wanted == ["t", "untouched"]


def test_what_fails_only_in_a_used_guest_passes_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = ended(Outcome.FAILED, "3, not 4")

    result, _ = tried(monkeypatch, wrong, ended(Outcome.PASSED, ""), served=1)

    assert (result.outcome, result.guest_served) == (Outcome.PASSED, 0)
    assert result.failed_in_used_guest == "3, not 4"
    assert not result.flaky


def test_what_a_kernel_reports_counts_in_a_used_guest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    warned = ended(Outcome.FAILED, "the kernel reported: WARNING")

    result, wanted = tried(monkeypatch, warned, served=1, reported=True)

    assert (result.outcome, result.message) == (warned.outcome, warned.message)
    assert wanted == ["t"]


def test_what_stalls_in_a_used_guest_gets_its_second_try_after_an_untouched_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stalled = ended(Outcome.ERROR, "the kernel reported: stall")

    result, wanted = tried(
        monkeypatch, stalled, stalled, ended(Outcome.PASSED, ""), served=1
    )

    assert (result.outcome, result.flaky) == (Outcome.PASSED, stalled.message)
    assert wanted == ["t", "untouched", "untouched"]


def test_what_passes_in_a_used_guest_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result, wanted = tried(monkeypatch, ended(Outcome.PASSED, ""), served=3)

    assert (result.guest_served, wanted) == (3, ["t"])
    assert not result.failed_in_used_guest


@pytest.mark.parametrize("outcome", list(Outcome))
def test_who_did_not_pass_leaves_a_suspect_guest(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome
) -> None:
    found = ended(outcome, "why")
    monkeypatch.setattr("runner.run.retry.case_run.run", lambda *_: found)
    lent = guest(FakeAgent())

    retry._once(JOB, lent)

    assert lent.is_suspect is (outcome in (Outcome.FAILED, Outcome.ERROR))


def test_a_kernel_that_nobody_has_fails_no_case_for_its_guest() -> None:
    environment = parse(["user={uid: 1, namespace: true, token: {maps: any}}"])
    case = SimpleNamespace(
        kernel=KERNEL,
        case=JOB.case,
        within=SimpleNamespace(guest=environment),
        loaded=SimpleNamespace(suite=SimpleNamespace(cases=())),
    )
    failures: dict[str, tuple[str, str]] = {}
    run = SimpleNamespace(
        failures=lambda: failures,
        known=lambda _: KnownKernel(version=KernelVersion.parse("5.10")),
    )

    with pytest.raises(EnvironmentUnavailableError, match="no BPF tokens"):
        retry.require_guest(cast("Run", run), cast("KernelCase", case))
    failures[KERNEL.id] = ("it is unavailable", "check your network")
    retry.require_guest(cast("Run", run), cast("KernelCase", case))
