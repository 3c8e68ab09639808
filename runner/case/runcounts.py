"""Whether an object's programs ran, so that no check passes over what never happened.

Kernels count runs from 5.1 on. Those of programs that may sleep are counted later: 5.10
does not, 6.1 does; those of programs that extend others never are. What is not counted
ran if it was run by a test run, or if it changed a map that the case looks at. Where
the case looks at none of them, all maps of the object count, but for large ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from runner import timeouts
from runner.guest.agent import AgentSession
from runner.guest.agenterrors import AgentError
from runner.guest.replies import LoadedObject, RawDump
from runner.suites.checks.mapplaces import Looking
from runner.suites.comparable import Compared
from runner.suites.model import (
    Case,
    Drain,
    Iterate,
    MapExpectation,
    RowsExpectation,
    TestRun,
)

# Bytes of a map that is read although the case does not look at it.
_MOST = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Count:
    """How things stand before or after the triggers."""

    # Of the programs that the kernel counts.
    runs: int
    # Whether it counts all of them.
    is_whole: bool
    # What the maps hold that tell of it, where the kernel does not.
    dumps: Mapping[str, RawDump]


def count(case: Case, agent: AgentSession, loaded: LoadedObject) -> Count:
    """Return how often programs ran, or else what maps hold by now."""
    counts = [
        it.runs for it in agent.runs(loaded.handle, timeout=timeouts.READ.seconds)
    ]
    runs = sum(it for it in counts if it is not None)
    if None not in counts:
        return Count(runs=runs, is_whole=True, dumps={})
    names = {info.name for info in loaded.maps}
    small = {
        it.name
        for it in loaded.maps
        if it.max_entries * (it.key_size + it.value_size) <= _MOST
    }
    looked_at = {
        it.map for it in case.expect if isinstance(it, MapExpectation | RowsExpectation)
    } | {it.dumped for it in case.expect if isinstance(it, Compared) and it.dumped}
    told = names & looked_at or small
    if any(isinstance(it, Looking) and it.inner is not None for it in case.expect):
        # A map of maps stays as it is when one in it changes, which may be any.
        told |= small
    dumps = {}
    for name in sorted(told):
        try:
            dumps[name] = agent.dump(loaded.handle, name, timeout=timeouts.READ.seconds)
        except AgentError:
            # A map that has no rows, such as a queue.
            continue
    return Count(runs=runs, is_whole=False, dumps=dumps)


def ran(case: Case, agent: AgentSession, loaded: LoadedObject, before: Count) -> bool:
    """Whether a program ran since `before`; true where the case does not care."""
    if not case.must_run:
        return True
    after = count(case, agent, loaded)
    if after.runs > before.runs or after.is_whole:
        return after.runs > before.runs
    # They fail, or give nothing, when no program ran.
    told = any(
        isinstance(it, TestRun | Drain | Iterate) and not case.runs_extended(it)
        for it in case.trigger
    )
    return told or after.dumps != before.dumps
