"""Load a case's object, and attach its programs."""

from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue

from runner import timeouts
from runner.bpf import object as bpf_object
from runner.case import maprows, settings, singly, states
from runner.case.attempt import Attempt
from runner.errors import UsageError
from runner.failures.classes import PROGRAM_TOO_LARGE
from runner.failures.classify import classify
from runner.guest import tracing
from runner.guest.agenterrors import AgentError
from runner.guest.otherloader import OtherSession
from runner.guest.replies import Attached, LoadedObject, OpenedObject
from runner.suites.model import OTHER_LOADERS, Map, Program
from runner.suites.references import resolve

# BPF_LOG_STATS: the verifier says why it refuses a program, and not how it came there.
_VERDICT_ONLY = 4
_EXTENSION = "freplace/"


def load(attempt: Attempt) -> LoadedObject:
    """Load the object.

    Raises AgentError for what is refused, NothingError where nothing is left.
    """
    case, guest, path = attempt.case, attempt.guest, attempt.job.shown_path
    with guest.doing(f"setting up {path}"):
        attempt.settings = settings.of_case(case, attempt.data, guest)
        tracing.learn(guest, settings.places(case, attempt.data, guest))
        attempt.bring_btf()
    if attempt.job.extended_path is not None:
        _load_extended(attempt, attempt.job.extended_path)
    with guest.doing(f"loading {path}"):
        opened, loaded = _all_or_each(attempt)
    attempt.loaded = loaded
    attempt.states = states.of(case, opened, loaded)
    states.require_loaded(attempt.states)
    for name, rows in maprows.of_case(case):
        with guest.doing(f"filling {name}"):
            _fill(attempt, loaded, name, rows)
    return loaded


def _load_extended(attempt: Attempt, path: Path) -> None:
    """Load the object that the case's programs extend, and set what they extend."""
    case, guest = attempt.case, attempt.guest
    assert case.extends is not None
    assert attempt.settings is not None
    if attempt.loader in OTHER_LOADERS:
        raise UsageError(
            f"extends: it works with the loaders libbpf and compat, not with "
            f"{attempt.loader}"
        )
    with guest.doing(f"loading {case.extends.object}"):
        opened = guest.agent.open(
            path.read_bytes(),
            name=Path(case.extends.object).name.partition(".")[0],
            btf=guest.btf,
            loader="compat" if attempt.loader == "compat" else "libbpf",
            user=guest.loads_as,
            timeout=timeouts.OPEN.seconds,
        )
        attempt.log.append(opened.log)
        attempt.extended = guest.agent.load(
            opened.handle, user=guest.loads_as, timeout=timeouts.LOAD.seconds
        )
    attempt.log.append(attempt.extended.log)
    extended = attempt.extended.handle, case.extends.program
    attempt.settings = replace(
        attempt.settings,
        extends={
            it.name: extended
            for it in bpf_object.read(attempt.data).programs
            if it.section.startswith(_EXTENSION)
        },
    )


def _fill(
    attempt: Attempt,
    loaded: LoadedObject,
    name: str,
    rows: list[dict[str, JsonValue]],
) -> None:
    if attempt.other is not None:
        raise UsageError(
            f"maps.{name}.rows: only libbpf fills maps, not {attempt.loader}",
            hint="let the loader that you test fill them, in a case with `files`",
        )
    resolved = resolve([*rows], settings.known(attempt.guest))
    assert isinstance(resolved, list)
    found = [it for it in resolved if isinstance(it, dict)]
    btf = bpf_object.read(attempt.data).btf
    attempt.guest.agent.fill(
        loaded.handle,
        name,
        maprows.encoded(btf, name, found),
        timeout=timeouts.ANSWER.seconds,
    )


def attach(attempt: Attempt, loaded: LoadedObject) -> None:
    """Attach what is to be attached.

    Raises AgentError for what is refused, NothingError where nothing is left.
    """
    _attach_all(attempt, loaded)
    if attempt.case.must_attach:
        states.require_attached(attempt.states)


def _all_or_each(attempt: Attempt) -> tuple[OpenedObject, LoadedObject]:
    """Load an object, or find out which of its programs are refused."""
    try:
        return _open_and_load(attempt)
    except AgentError as error:
        is_ours = attempt.loader not in OTHER_LOADERS
        if error.operation == "load" and attempt.case.each_program and is_ours:
            level = _VERDICT_ONLY
            if not attempt.guest.known.has("verifier_verdicts"):
                level = 0
            attempt.states = singly.judged(attempt, log_level=level)
        raise


def _open_and_load(attempt: Attempt) -> tuple[OpenedObject, LoadedObject]:
    """Load an object; the verifier's trace is asked for only if that is refused.

    The trace of a million instructions is 100 MB or more. libbpf gets it by loading
    again with a larger and larger buffer, which takes minutes and more memory than a
    guest has.
    """
    if attempt.loader in OTHER_LOADERS:
        return _by_other(attempt, attempt.loader)
    if attempt.guest.known.has("verifier_verdicts"):
        before = list(attempt.log)
        try:
            return _with_log_level(attempt, _VERDICT_ONLY)
        except AgentError as error:
            if error.operation != "load" or _is_too_large(error):
                raise
        attempt.log[:] = before
    return _with_log_level(attempt, 0)


def _is_too_large(error: AgentError) -> bool:
    found = classify(error.log, error.operation, error.errno_name)
    return found.name == PROGRAM_TOO_LARGE.name


def _by_other(attempt: Attempt, loader: str) -> tuple[OpenedObject, LoadedObject]:
    """Open and load an object with another library than libbpf."""
    guest, job = attempt.guest, attempt.job
    if job.loader_program is None:
        raise UsageError(f"loader: {loader}: there is no such loader here")
    if guest.loads_as is not None:
        raise UsageError(
            f"loader: {loader}: it always loads as root; `guest.user` works with "
            "libbpf and compat"
        )
    attempt.other = OtherSession(guest, job.loader_program(loader))
    opened = attempt.other.open(
        attempt.data,
        name=attempt.object_name,
        btf=attempt.btf,
        settings=attempt.settings,
        timeout=timeouts.OPEN.seconds,
    )
    attempt.log.append(opened.log)
    loaded = attempt.other.load(opened.handle, timeout=timeouts.LOAD.seconds)
    attempt.log.append(loaded.log)
    return opened, loaded


def _with_log_level(attempt: Attempt, level: int) -> tuple[OpenedObject, LoadedObject]:
    agent, guest = attempt.guest.agent, attempt.guest
    opened = agent.open(
        attempt.data,
        name=attempt.object_name,
        btf=attempt.btf,
        loader="compat" if attempt.loader == "compat" else "libbpf",
        settings=attempt.settings,
        user=guest.loads_as,
        timeout=timeouts.OPEN.seconds,
    )
    attempt.log.append(opened.log)
    try:
        loaded = agent.load(
            opened.handle,
            log_level=level,
            user=attempt.guest.loads_as,
            timeout=timeouts.LOAD.seconds,
        )
    except AgentError:
        agent.close_object(opened.handle, timeout=timeouts.ANSWER.seconds)
        raise
    attempt.log.append(loaded.log)
    return opened, loaded


def _attached(attempt: Attempt, handle: int, name: str, place: str | None) -> Attached:
    timeout = timeouts.ANSWER.seconds
    if attempt.other is not None:
        return attempt.other.attach(handle, name, place, timeout=timeout)
    agent, user = attempt.guest.agent, attempt.guest.loads_as
    return agent.attach(handle, name, place, user=user, timeout=timeout)


def _attach_all(attempt: Attempt, loaded: LoadedObject) -> None:
    """Attach the programs, all of them, so that one message names all that can't be.

    Raises AgentError: the first one, which names the others.
    """
    refused: dict[str, AgentError] = {}
    for name in (it.name for it in loaded.programs):
        wanted = attempt.case.programs.get(name, Program())
        if wanted.attach is False or not attempt.case.attach:
            continue
        with attempt.guest.doing(f"attaching {name}"):
            place = settings.place(wanted, attempt.guest)
            try:
                attached = _attached(attempt, loaded.handle, name, place)
            except AgentError as error:
                error.place = place or ""
                refused[name] = error
                attempt.states = attempt.states.refused(name, error.message)
                continue
        attempt.log.append(attached.log)
        attempt.states = attempt.states.tried(
            name, attached=attached.attached, loader=attempt.loader
        )
    refused |= _register_all(attempt, loaded)
    if refused:
        first, *others = refused.values()
        # The first one's log is put down by who judges it.
        attempt.log += [it.log for it in others]
        first.also = tuple(refused)[1:]
        raise first


def _register_all(attempt: Attempt, loaded: LoadedObject) -> dict[str, AgentError]:
    """Register struct_ops maps; return which ones the kernel refuses, and why."""
    refused: dict[str, AgentError] = {}
    for it in attempt.states.struct_ops:
        wanted = attempt.case.maps.get(it.name, Map())
        if not wanted.attach or not attempt.case.attach:
            continue
        if attempt.other is not None:
            why = f"the loader {attempt.loader} does not register struct_ops maps"
            attempt.states = attempt.states.not_registered(it.name, why)
            continue
        with attempt.guest.doing(f"registering {it.name}"):
            try:
                words = attempt.guest.agent.register(
                    loaded.handle,
                    it.name,
                    user=attempt.guest.loads_as,
                    timeout=timeouts.ANSWER.seconds,
                )
            except AgentError as error:
                error.place = f"struct_ops/{it.name}"
                refused[it.name] = error
                attempt.states = attempt.states.not_registered(it.name, error.message)
                continue
        attempt.log.append(words)
        attempt.states = attempt.states.registered(
            it.name, bpf_object.read(attempt.data).struct_ops.get(it.name, ())
        )
    return refused
