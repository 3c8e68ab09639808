"""What programs cost, from the log of the verifier and the infos of the kernel."""

from dataclasses import dataclass, field
from typing import cast

from runner.case import cost
from runner.case.attempt import Attempt
from runner.guest.replies import LoadedObject, ProgramInfo
from tests.unit.bpf.test_verifierstats import TWO_PROGRAMS


@dataclass
class LoadedAttempt:
    loaded: LoadedObject | None
    log: list[str] = field(default_factory=list)


def loaded_with(*programs: ProgramInfo) -> LoadedObject:
    return LoadedObject(handle=1, programs=programs, maps=(), log="")


def costs(attempt: LoadedAttempt) -> dict[str, tuple[int | None, ...]]:
    found = cost.of(cast(Attempt, attempt))
    return {
        it.program: (it.verified_insns, it.insns_limit, it.stack_depth, it.bytes_jited)
        for it in found
    }


ON_FORK = ProgramInfo(
    name="on_fork", type="tracing", id=7, instructions=30, bytes_jited=120
)


def test_the_log_and_the_kernel_are_put_together() -> None:
    attempt = LoadedAttempt(loaded_with(ON_FORK), [TWO_PROGRAMS])

    # on_exec was verified, and is not loaded: its object was refused later.
    assert costs(attempt) == {
        "on_fork": (40, 1_000_000, 16, 120),
        "on_exec": (9, 1_000_000, 8, None),
    }


def test_a_kernel_that_counts_needs_no_log() -> None:
    counted = ON_FORK.model_copy(update={"verified_insns": 41})

    assert costs(LoadedAttempt(loaded_with(counted))) == {
        "on_fork": (41, 1_000_000, None, 120)
    }


def test_a_refused_object_has_what_its_log_says() -> None:
    assert set(costs(LoadedAttempt(None, [TWO_PROGRAMS]))) == {"on_fork", "on_exec"}


def test_a_program_of_which_the_kernel_says_nothing_is_left_out() -> None:
    silent = ProgramInfo(name="p", type="kprobe", id=None, instructions=2)

    assert costs(LoadedAttempt(loaded_with(silent))) == {}


def test_the_share_of_the_limit() -> None:
    [found] = cost.of(
        cast(Attempt, LoadedAttempt(loaded_with(ON_FORK), [TWO_PROGRAMS]))
    )[:1]

    assert found.share == 40 / 1_000_000
