"""The programs of a refused object, each loaded and attached alone, as veristat does.

libbpf gives up at the first program that the kernel refuses. Which of the others work
is what one wants to know next.
"""

from collections.abc import Iterator
from dataclasses import replace

from runner import timeouts
from runner.bpf import object as bpf_object
from runner.case import settings, states
from runner.case.attempt import Attempt
from runner.case.states import ObjectStates
from runner.failures.classes import UNCLASSIFIED
from runner.failures.classify import classify
from runner.guest.agenterrors import AgentError
from runner.guest.replies import OpenedObject, OpenedProgram
from runner.results import ProgramState
from runner.suites.checks.text import listing
from runner.suites.model import Program


def judged(attempt: Attempt, *, log_level: int) -> ObjectStates:
    """Return what becomes of each program that was to be loaded.

    Raises AgentError for an object that can't be opened, and GuestError.
    """
    opened = _open(attempt, only=None)
    _close(attempt, opened)
    return ObjectStates(
        programs=tuple(
            _alone(attempt, it, log_level) if it.load else _left_out(attempt, it)
            for it in opened.programs
        ),
        attaches=attempt.case.attach,
        alone=True,
    )


def summary(found: ObjectStates) -> str:
    """Return it in words: "alone, 2 of 3 programs load: a, b; not c [class]"."""
    tried = [it for it in found.programs if it.loaded or it.failure_class]
    if not found.alone or len(tried) < 2:
        return ""
    refused = [f"{it.name} [{it.failure_class}]" for it in tried if not it.loaded]
    loaded = [_named(it, found) for it in tried if it.loaded]
    words = f"alone, {len(loaded)} of {len(tried)} programs load"
    if loaded:
        words += f": {listing(loaded)}"
    return f"{words}; refused alone: {listing(refused)}" if refused else words


def _named(program: ProgramState, found: ObjectStates) -> str:
    if program.attached or not found.attaches:
        return program.name
    return f"{program.name} (not attached)"


def _open(attempt: Attempt, *, only: str | None) -> OpenedObject:
    """Open the object as its case does, with one program or with all."""
    assert attempt.settings is not None
    wanted = attempt.settings
    if only is not None:
        names = {it.name for it in bpf_object.read(attempt.data).programs}
        wanted = replace(wanted, load={it: it == only for it in sorted(names)})
    return attempt.guest.agent.open(
        attempt.data,
        name=attempt.object_name,
        btf=attempt.btf,
        loader="compat" if attempt.loader == "compat" else "libbpf",
        settings=wanted,
        user=attempt.guest.loads_as,
        timeout=timeouts.OPEN.seconds,
    )


def _close(attempt: Attempt, opened: OpenedObject) -> None:
    attempt.guest.agent.close_object(opened.handle, timeout=timeouts.ANSWER.seconds)


def _left_out(attempt: Attempt, program: OpenedProgram) -> ProgramState:
    return ProgramState(
        name=program.name,
        section=program.section,
        type=program.type or "",
        why=states.why_not_loaded(attempt.case, program.name),
    )


def _alone(attempt: Attempt, program: OpenedProgram, log_level: int) -> ProgramState:
    """Load and attach a program, and close it again."""
    state = ProgramState(
        name=program.name, section=program.section, type=program.type or ""
    )
    opened = _open(attempt, only=program.name)
    try:
        return state.model_copy(
            update=dict(_ended(attempt, opened, program.name, log_level))
        )
    finally:
        _close(attempt, opened)


def _ended(
    attempt: Attempt, opened: OpenedObject, name: str, log_level: int
) -> Iterator[tuple[str, object]]:
    """Yield how it ended: fields of its state, each with its value."""
    agent, user = attempt.guest.agent, attempt.guest.loads_as
    try:
        agent.load(
            opened.handle,
            log_level=log_level,
            user=user,
            timeout=timeouts.LOAD.seconds,
        )
        yield "loaded", True
        wanted = attempt.case.programs.get(name, Program())
        if not attempt.case.attach or wanted.attach is False:
            yield "why", "the case sets attach: false"
            return
        attached = agent.attach(
            opened.handle,
            name,
            settings.place(wanted, attempt.guest),
            user=user,
            timeout=timeouts.ANSWER.seconds,
        )
        yield "attached", attached.attached
        if not attached.attached:
            yield "why", "its section does not say where, and the case does not either"
    except AgentError as error:
        found = classify(error.log, error.operation, error.errno_name)
        name = found.name or UNCLASSIFIED
        yield "failure_class", name
        yield (
            "why",
            f"{error.operation} refused: {found.line or error.message} [{name}]",
        )
