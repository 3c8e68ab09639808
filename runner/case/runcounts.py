"""Whether an object's programs ran, so that no check passes over what never happened.

Kernels count runs from 5.1 on. Below that, a program ran if it was run by a test run,
or if it changed a map that the case looks at.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from runner import timeouts
from runner.guest.agent import AgentError, AgentSession, LoadedObject, RawDump
from runner.suites.model import (
    Case,
    Drain,
    Iterate,
    MapExpectation,
    RowsExpectation,
    TestRun,
)


@dataclass(frozen=True, kw_only=True)
class Count:
    """How things stand before or after the triggers."""

    # Of all programs; None where the kernel does not tell.
    runs: int | None
    # What the maps hold that the case looks at, where the kernel does not tell.
    dumps: Mapping[str, RawDump]


def count(case: Case, agent: AgentSession, loaded: LoadedObject) -> Count:
    """Return how often programs ran, or else what maps hold by now."""
    counts = [
        it.runs for it in agent.runs(loaded.handle, timeout=timeouts.READ.seconds)
    ]
    known = [it for it in counts if it is not None]
    if len(known) == len(counts):
        return Count(runs=sum(known), dumps={})
    names = {info.name for info in loaded.maps}
    looked_at = {
        it.map for it in case.expect if isinstance(it, MapExpectation | RowsExpectation)
    }
    dumps = {}
    for name in sorted(names & looked_at):
        try:
            dumps[name] = agent.dump(loaded.handle, name, timeout=timeouts.READ.seconds)
        except AgentError:
            # A map that has no rows, such as a queue.
            continue
    return Count(runs=None, dumps=dumps)


def ran(case: Case, agent: AgentSession, loaded: LoadedObject, before: Count) -> bool:
    """Whether a program ran since `before`; true where the case does not care."""
    if not case.must_run:
        return True
    after = count(case, agent, loaded)
    if before.runs is not None and after.runs is not None:
        return after.runs > before.runs
    # They fail, or give nothing, when no program ran.
    told = any(isinstance(it, TestRun | Drain | Iterate) for it in case.trigger)
    return told or after.dumps != before.dumps
