"""What an object's programs cost a kernel: to verify, and to keep."""

from collections.abc import Iterator

from runner.bpf import verifierstats
from runner.bpf.verifierstats import VerifierStats
from runner.case.attempt import Attempt
from runner.guest.replies import ProgramInfo
from runner.results import ProgramCost

# What the verifier may process where the kernel counts it without a log, from
# 5.16 on: BPF_COMPLEXITY_LIMIT_INSNS.
_LIMIT = 1_000_000


def of(attempt: Attempt) -> tuple[ProgramCost, ...]:
    """Return what each program cost, also one that was refused, by the verifier's log.

    Programs of which the kernel says nothing are left out: all of those below 4.13.
    """
    return tuple(_costs(attempt))


def _costs(attempt: Attempt) -> Iterator[ProgramCost]:
    stats = verifierstats.of_log("".join(attempt.log))
    loaded = attempt.loaded
    infos = {} if loaded is None else {it.name: it for it in loaded.programs}
    for name in dict.fromkeys([*infos, *stats]):
        cost = _cost(name, infos.get(name), stats.get(name))
        if cost.is_known:
            yield cost


def _cost(
    name: str, info: ProgramInfo | None, stats: VerifierStats | None
) -> ProgramCost:
    insns = None if info is None else info.verified_insns
    limit = None if insns is None else _LIMIT
    return ProgramCost(
        program=name,
        # The kernel tells it from 5.16 on without a log; a log is what all have.
        verified_insns=insns if stats is None else stats.insns,
        insns_limit=limit if stats is None else stats.limit,
        peak_states=None if stats is None else stats.peak_states,
        total_states=None if stats is None else stats.total_states,
        stack_depth=None if stats is None else stats.stack_depth,
        verification_usec=None if stats is None else stats.usec,
        bytes_xlated=None if info is None else info.bytes_xlated,
        bytes_jited=None if info is None else info.bytes_jited,
        bytes_memlock=None if info is None else info.bytes_memlock,
    )
