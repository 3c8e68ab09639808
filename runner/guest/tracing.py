"""Ask a kernel that runs what it can be traced by."""

import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from runner import timeouts
from runner.errors import InfrastructureError
from runner.facts import traced
from runner.facts.traced import EventRecord, Functions, Traced
from runner.guest.agent import AgentSession
from runner.guest.agenterrors import AgentError
from runner.guest.guest import Guest
from runner.kernels import facts as kernel_facts

log = logging.getLogger(__name__)

# As libbpf looks for tracefs.
_TRACEFS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")


def learn(guest: Guest, places: Iterable[str]) -> None:
    """Learn of a guest's kernel what places, written as sections, name.

    It is kept for later guests, and for checks without any. Raises AgentLost.
    """
    if guest.facts is None:
        return
    started = time.monotonic()
    found = grown(guest.agent, guest.facts.traced, places)
    if found is None:
        return
    seconds = time.monotonic() - started
    log.info("%s: asked what it traces, %.2f s", guest.kernel.id, seconds)
    guest.facts = replace(guest.facts, traced=found)
    # A full disk costs the time to ask again.
    with suppress(InfrastructureError):
        kernel_facts.keep_traced(guest.cache, guest.artifact.image_sha256, found)


def grown(agent: AgentSession, known: Traced, places: Iterable[str]) -> Traced | None:
    """Return what is known with what `places` name on top; None for nothing new.

    Places are written as sections. What the kernel lacks, or does not say, stays
    unknown. Raises AgentLost.
    """
    asked = list(places)
    missing = traced.events_of(asked) - known.events.keys()
    records = {name: _record(agent, name) for name in sorted(missing)}
    events = {name: it for name, it in records.items() if it is not None}
    functions = known.functions
    if functions is None and traced.names_functions(asked):
        functions = _functions(agent)
    if not events and functions is known.functions:
        return None
    return Traced(events={**known.events, **events}, functions=functions)


def _record(agent: AgentSession, event: str) -> EventRecord | None:
    text = _read(agent, f"events/{event}/format")
    return None if text is None else traced.parse_format(text)


def _functions(agent: AgentSession) -> Functions | None:
    try:
        return traced.pack_functions(agent.functions(timeout=timeouts.READ.seconds))
    except AgentError as error:
        log.info("the kernel's functions are unknown: %s", error.message)
        return None


def _read(agent: AgentSession, path: str) -> str | None:
    """Return the text of a file in tracefs; None for one that is not there."""
    for root in _TRACEFS:
        try:
            return agent.read(f"{root}/{path}", timeout=timeouts.READ.seconds)
        except AgentError:
            continue
    return None
