"""The phases of a case in a guest: load, trigger, look, and clean up."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import JsonValue

from runner import timeouts
from runner.case import (
    comparing,
    load,
    loaders,
    relocated,
    runcounts,
    settings,
    triggers,
    truths,
)
from runner.case.attempt import Attempt
from runner.case.observe import observe
from runner.errors import RunnerError, UsageError
from runner.guest.agenterrors import AgentError
from runner.guest.commands import CommandFailedError
from runner.guest.guest import Guest
from runner.guest.replies import LoadedObject
from runner.results import Match, Mismatch
from runner.suites import checks
from runner.suites.checks import Observations, evidence

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What the expectations of a case are worth."""

    mismatches: tuple[Mismatch, ...]
    # Where it differs from what was recorded, and records that are not there yet.
    differences: tuple[Mismatch, ...]
    unrecorded: tuple[str, ...]
    # What was as expected.
    matches: tuple[Match, ...]
    # What this kernel has no facts for, with why.
    not_available: tuple[str, ...]


def of_object(attempt: Attempt) -> Checked:
    """Run a case that loads an object. Raises RunnerErrors of all kinds."""
    case, guest = attempt.case, attempt.guest
    try:
        with attempt.phase("load"):
            attempt.began = comparing.clock(case, guest)
            _put_files(attempt)
            loaded = load.load(attempt)
            # Before anything can fail: the difference may be why.
            with guest.doing("reading instructions"):
                attempt.differences = relocated.differences(attempt, loaded)
            load.attach(attempt, loaded)
        attempt.is_ready = True
        with attempt.phase("trigger"):
            with guest.doing("counting runs"):
                before = runcounts.count(case, guest.agent, loaded)
            namespace = _stimulate(attempt, loaded)
        with attempt.phase("check"):
            observations = observe(case, guest, loaded, attempt.data, namespace)
            with guest.doing("counting runs"):
                attempt.ran = runcounts.ran(case, guest.agent, loaded, before)
            return _check(attempt, observations, namespace)
    finally:
        if attempt.loaded is not None:
            _gather(attempt)
            _release(guest)
            _close(attempt.loaded, guest)
        if attempt.extended is not None:
            _close(attempt.extended, guest)
        if attempt.other is not None:
            with _cleaning(guest):
                attempt.other.end()


def of_commands(attempt: Attempt) -> Checked:
    """Run a case whose commands load something; else as `of_object`."""
    case, guest = attempt.case, attempt.guest
    with attempt.phase("load"):
        attempt.began = comparing.clock(case, guest)
        _put_files(attempt)
    attempt.is_ready = True
    try:
        with attempt.phase("trigger"):
            namespace = _stimulate(attempt, loaders.NOTHING)
        with attempt.phase("check"):
            observations = Observations()
            if loaders.leaves_something(case):
                with guest.doing("reading what is loaded"):
                    found = loaders.look(guest)
                observations = observe(
                    case, guest, found.loaded, attempt.data, namespace
                )
                attempt.ran = not case.must_run or found.runs != 0
            return _check(attempt, observations, namespace)
    finally:
        _gather(attempt)
        _release(guest)


def _put_files(attempt: Attempt) -> None:
    with attempt.guest.doing("putting files"):
        loaders.put(attempt.case, attempt.job.folder, attempt.guest.agent)


def _check(
    attempt: Attempt, observations: Observations, namespace: Mapping[str, JsonValue]
) -> Checked:
    case, guest = attempt.case, attempt.guest
    with guest.doing("ending commands"):
        namespace = triggers.end(case, guest.agent, namespace, attempt.job.commands)
    compared = comparing.compare(attempt, observations, namespace)
    judged = evidence.judge_all(case.expect, observations, namespace)
    return Checked(
        mismatches=(*judged.mismatches, *compared.mismatches),
        differences=compared.differences,
        unrecorded=compared.missing,
        matches=(*judged.matches, *compared.matches)[: evidence.MOST],
        not_available=tuple(checks.not_available(case.expect, observations)),
    )


# ----------------------------------------------------------------- triggers


def _stimulate(attempt: Attempt, loaded: LoadedObject) -> dict[str, JsonValue]:
    """Pull the triggers and take the truths, while the commands that stay, stay.

    Raises CommandFailedError for one that does not, before whatever follows from that.
    """
    try:
        namespace = _pull(attempt, loaded)
    except (AgentError, CommandFailedError, UsageError):
        _check_alive(attempt)
        raise
    _check_alive(attempt)
    return namespace


def _check_alive(attempt: Attempt) -> None:
    guest = attempt.guest
    with guest.doing("checking background commands"):
        triggers.check_alive(attempt.case, guest.agent, attempt.job.commands)


def _pull(attempt: Attempt, loaded: LoadedObject) -> dict[str, JsonValue]:
    case, guest, commands = attempt.case, attempt.guest, attempt.job.commands
    namespace: dict[str, JsonValue] = {
        **settings.known(guest),
        "maps": {info.name: {"id": info.id} for info in loaded.maps},
        "programs": {info.name: {"id": info.id} for info in loaded.programs},
    }
    with guest.doing("listening"):
        triggers.listen(case, guest.agent, loaded.handle)
    for trigger in case.trigger:
        with guest.doing(f"running trigger {trigger.save}"):
            namespace[trigger.save] = triggers.pull(
                trigger,
                guest.agent,
                attempt.handle_for(trigger, loaded),
                namespace,
                attempt.data,
                commands,
            )
    if case.truth:
        with guest.doing("reading the truths"):
            namespace["truth"] = {
                name: truths.take(
                    truth, guest.agent, namespace, name=name, commands=commands
                )
                for name, truth in case.truth.items()
            }
    return namespace


# ----------------------------------------------------------------- cleaning


def _gather(attempt: Attempt) -> None:
    """Keep what commands printed that still run, because something else failed."""
    guest = attempt.guest
    if guest.usable:
        with _cleaning(guest), guest.doing("ending commands"):
            triggers.gather(attempt.case, guest.agent, attempt.job.commands)


def _release(guest: Guest) -> None:
    with _cleaning(guest):
        guest.agent.release(timeout=timeouts.ANSWER.seconds)


def _close(loaded: LoadedObject, guest: Guest) -> None:
    with _cleaning(guest):
        guest.agent.close_object(loaded.handle, timeout=timeouts.ANSWER.seconds)


@contextmanager
def _cleaning(guest: Guest) -> Iterator[None]:
    # A guest that is gone needs no cleaning, and is diagnosed by what lost it.
    try:
        yield
    except RunnerError as error:
        log.debug("%s: not cleaned up: %s", guest.kernel.id, error)
