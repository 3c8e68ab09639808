"""One case on one guest: load, attach, trigger, look, judge."""

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import JsonValue

from runner import checks, timeouts
from runner.agent import AgentError, LoadedObject, ObjectSettings, OpenedObject
from runner.bpf import object as bpf_object
from runner.bpf.debuginfo import DebugInfo
from runner.bpf.object import ObjectError
from runner.checks import Observations
from runner.checks.text import listing
from runner.classes import (
    COMMAND_FAILED,
    LOADER_CRASHED,
    LOADER_FAILED,
    NEVER_RAN,
    NOTHING_ATTACHED,
    NOTHING_CHECKED,
    NOTHING_LOADED,
    OUT_OF_MEMORY,
    PREDICTION_WRONG,
    PROGRAM_TOO_LARGE,
    UNEXPECTED_PASS,
    VERIFIER_TOO_SLOW,
    WRONG_VALUE,
    FailureClass,
)
from runner.classify import (
    Classification,
    as_class,
    classify,
    classify_oops,
    classify_printed,
)
from runner.errors import TIMED_OUT, GuestError, RunnerError, UsageError
from runner.preflight.model import Prediction
from runner.results import CaseResult, Mismatch, Outcome, Phases
from runner.session import blame, loaders, runs, settings, states, triggers, truths
from runner.session.guest import Guest
from runner.session.observe import observe
from runner.session.prediction import Booted, Foretold, disagreement, predicted
from runner.session.printed import CommandFailedError, Commands, last_line
from runner.session.states import States
from runner.suite import Case, Program
from runner.versions import KernelVersion, VersionRange

log = logging.getLogger(__name__)

# BPF_LOG_STATS (06ee7115b0d1): the verifier says why it refuses a program, and not how
# it came there.
_VERDICT_ONLY = 4
_HAS_VERDICT_ONLY = KernelVersion.parse("5.2")

# What refuses objects; other operations fail.
_LOADING = ("open", "load", "attach")

# What the console says of a guest that the object took down with it. Anything else
# that ends a guest is the infrastructure's.
_DEADLY = {"panic", "oops", "soft_lockup", "rcu_stall", "out_of_memory"}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a case ended, before its suite's declared gaps are looked at."""

    outcome: Outcome
    message: str = ""
    failure_class: str = ""
    cure: str = ""
    source: str = ""
    mismatches: tuple[Mismatch, ...] = ()
    checked: int = 0
    not_available: tuple[str, ...] = ()
    console: str = ""


@dataclass
class _Progress:
    """What has been gathered when a case ends, however it ends."""

    log: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    # Whether a program of the object ran.
    ran: bool = True
    # What is set of the object before it is loaded; None when that is not known.
    settings: ObjectSettings | None = None
    # What preflight says of it, once it was asked.
    foretold: Foretold | None = None
    # What became of its programs.
    states: States = field(default_factory=States)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = time.monotonic() - started


@dataclass(frozen=True, kw_only=True)
class Job:
    """A case with what it needs of the host."""

    suite: str
    case: Case
    # The compiled object; None for a case whose commands load something.
    object_path: Path | None
    # How reports name it: its path in the suite.
    shown_path: str
    nodeid: str
    # Where the case's files are.
    folder: Path = Path()
    # Keeps what its commands print.
    commands: Commands = field(default_factory=Commands)


def run(job: Job, guest: Guest) -> CaseResult:
    """Run a case and judge it. Never raises for what the object or the guest does."""
    progress = _Progress()
    started = time.monotonic()
    path = job.object_path
    data = b"" if path is None else path.read_bytes()
    guest.commands, already = job.commands, job.commands.count
    with guest.agent.unwatched():
        attempt = _attempt(job, data, guest, progress)
    foretold = _predict(job, guest, progress)
    prediction = foretold.prediction
    verdict = _settle(job.case, guest, attempt)
    if prediction is not None and attempt.outcome is not Outcome.ERROR:
        loaded = "trigger" in progress.seconds
        verdict = _held_against(prediction, attempt, verdict, loaded=loaded)
    return CaseResult(
        kernel=guest.kernel.id,
        suite=job.suite,
        case=job.case.name,
        outcome=verdict.outcome,
        message=verdict.message,
        failure_class=verdict.failure_class,
        cure=verdict.cure,
        source=verdict.source,
        mismatches=verdict.mismatches,
        checked=verdict.checked,
        not_available=verdict.not_available,
        predicted=prediction.verdict.value if prediction else "",
        not_predicted=foretold.why_not,
        log="".join(progress.log),
        console=verdict.console,
        commands=job.commands.since(already),
        programs=progress.states.programs,
        struct_ops=progress.states.struct_ops,
        object_path=job.shown_path,
        object_sha256=hashlib.sha256(data).hexdigest() if data else "",
        duration=time.monotonic() - started,
        phases=Phases(**progress.seconds),
        nodeid=job.nodeid,
    )


def _predict(job: Job, guest: Guest, progress: _Progress) -> Foretold:
    """Return what preflight says, asked once, or why it says nothing."""
    path, wanted = job.object_path, progress.settings
    # The settings come from the case, and some of them from the guest.
    if progress.foretold is None and path is not None and wanted is not None:
        progress.foretold = predicted(job.case, path, wanted, guest)
    return progress.foretold or Foretold()


def _held_against(
    prediction: Prediction, attempt: Verdict, verdict: Verdict, *, loaded: bool
) -> Verdict:
    """Return the verdict; a failure when the prediction was another."""
    said = disagreement(
        prediction, Booted(loaded=loaded, failure_class=attempt.failure_class)
    )
    if not said:
        return verdict
    return replace(
        verdict,
        outcome=Outcome.FAILED,
        message=said,
        failure_class=PREDICTION_WRONG.name,
        cure=PREDICTION_WRONG.explanation,
    )


def _attempt(job: Job, data: bytes, guest: Guest, progress: _Progress) -> Verdict:
    try:
        phases = _run_commands if job.object_path is None else _run_phases
        mismatches, missing = phases(job, data, guest, progress)
    except CommandFailedError as error:
        return _command_failed(error, job.case)
    except states.NothingError as error:
        return _nothing(error)
    except AgentError as error:
        progress.log.append(error.log)
        return _refused(error, data, guest, _predict(job, guest, progress).prediction)
    except GuestError as error:
        return _lost(error, guest, loading="trigger" not in progress.seconds)
    except UsageError as error:
        return _broken(error, "suite_error", Outcome.FAILED)
    except RunnerError as error:
        return _broken(error, "infrastructure", Outcome.ERROR)
    checked = len(job.case.expect) - len(missing)
    if not checked:
        return Verdict(
            outcome=Outcome.FAILED,
            message="; ".join(["nothing was checked", *missing]),
            failure_class=NOTHING_CHECKED.name,
            cure=NOTHING_CHECKED.cure,
            not_available=missing,
        )
    if not mismatches and not progress.ran:
        return Verdict(
            outcome=Outcome.FAILED,
            message="no program of the object ran",
            failure_class=NEVER_RAN.name,
            cure=NEVER_RAN.cure,
            not_available=missing,
        )
    if not mismatches:
        return Verdict(
            outcome=Outcome.PASSED,
            message="" if job.case.must_run else progress.states.shortfall,
            checked=checked,
            not_available=missing,
        )
    return Verdict(
        outcome=Outcome.FAILED,
        message=str(mismatches[0]),
        failure_class=WRONG_VALUE.name,
        cure=WRONG_VALUE.cure if progress.ran else NEVER_RAN.explanation,
        mismatches=tuple(mismatches),
        checked=checked,
        not_available=missing,
    )


def _run_phases(
    job: Job, data: bytes, guest: Guest, progress: _Progress
) -> tuple[list[Mismatch], tuple[str, ...]]:
    """Return what does not hold, and what this kernel can't tell."""
    case = job.case
    with progress.phase("load"):
        with guest.doing("putting files"):
            loaders.put(case, job.folder, guest.agent)
        loaded = _load(job, data, guest, progress)
    try:
        with progress.phase("trigger"):
            with guest.doing("counting runs"):
                before = runs.count(case, guest.agent, loaded)
            namespace = _stimulate(job, guest, loaded, data)
        with progress.phase("check"):
            observations = observe(case, guest, loaded, data)
            with guest.doing("counting runs"):
                progress.ran = runs.ran(case, guest.agent, loaded, before)
            return _judged(job, guest, observations, namespace)
    finally:
        _gather(job, guest)
        _clean(guest, loaded)


def _run_commands(
    job: Job, data: bytes, guest: Guest, progress: _Progress
) -> tuple[list[Mismatch], tuple[str, ...]]:
    """Run a case whose commands load something; else as _run_phases."""
    case = job.case
    with progress.phase("load"), guest.doing("putting files"):
        loaders.put(case, job.folder, guest.agent)
    try:
        with progress.phase("trigger"):
            namespace = _stimulate(job, guest, loaders.NOTHING, data)
        with progress.phase("check"):
            observations = Observations()
            if loaders.leaves_something(case):
                with guest.doing("reading what is loaded"):
                    found = loaders.look(guest)
                observations = observe(case, guest, found.loaded, data)
                progress.ran = not case.must_run or found.runs != 0
            return _judged(job, guest, observations, namespace)
    finally:
        _gather(job, guest)
        _release(guest)


def _judged(
    job: Job,
    guest: Guest,
    observations: Observations,
    namespace: Mapping[str, JsonValue],
) -> tuple[list[Mismatch], tuple[str, ...]]:
    case = job.case
    with guest.doing("ending commands"):
        namespace = triggers.end(case, guest.agent, namespace, job.commands)
    mismatches = checks.check_all(case.expect, observations, namespace)
    return mismatches, tuple(checks.not_available(case.expect, observations))


def _load(job: Job, data: bytes, guest: Guest, progress: _Progress) -> LoadedObject:
    case = job.case
    with guest.doing(f"setting up {job.shown_path}"):
        progress.settings = settings.of_case(case, data, guest)
    with guest.doing(f"loading {job.shown_path}"):
        if guest.artifact.version < _HAS_VERDICT_ONLY:
            opened, loaded = _opened_and_loaded(job, data, guest, progress, log_level=0)
        else:
            opened, loaded = _loaded_by_verdict(job, data, guest, progress)
    progress.states = states.of(case, opened, loaded)
    states.require_loaded(progress.states)
    _attach(case, guest, loaded, progress)
    if case.must_attach:
        states.require_attached(progress.states)
    return loaded


def _loaded_by_verdict(
    job: Job, data: bytes, guest: Guest, progress: _Progress
) -> tuple[OpenedObject, LoadedObject]:
    """Load an object; the verifier's trace is asked for only if that is refused.

    The trace of a million instructions is 100 MB or more. libbpf gets it by loading
    again with a larger and larger buffer, which takes minutes and more memory than a
    guest has.
    """
    before = list(progress.log)
    try:
        return _opened_and_loaded(job, data, guest, progress, log_level=_VERDICT_ONLY)
    except AgentError as error:
        if error.operation != "load" or _is_too_large(error):
            raise
    progress.log[:] = before
    return _opened_and_loaded(job, data, guest, progress, log_level=0)


def _is_too_large(error: AgentError) -> bool:
    found = classify(error.log, error.operation, error.errno_name, {})
    return found.name == PROGRAM_TOO_LARGE.name


def _opened_and_loaded(
    job: Job, data: bytes, guest: Guest, progress: _Progress, *, log_level: int
) -> tuple[OpenedObject, LoadedObject]:
    agent = guest.agent
    opened = agent.open(
        data,
        name=Path(job.shown_path).name.partition(".")[0],
        btf=guest.btf,
        loader=job.case.loader_on(guest.artifact.version),
        settings=progress.settings,
        timeout=timeouts.OPEN.seconds,
    )
    progress.log.append(opened.log)
    try:
        loaded = agent.load(
            opened.handle, log_level=log_level, timeout=timeouts.LOAD.seconds
        )
    except AgentError:
        agent.close_object(opened.handle, timeout=timeouts.ANSWER.seconds)
        raise
    progress.log.append(loaded.log)
    return opened, loaded


def _attach(
    case: Case, guest: Guest, loaded: LoadedObject, progress: _Progress
) -> None:
    """Attach the programs, all of them, so that all that can't be are reported at once.

    Raises AgentError: the first one, which names the others.
    """
    refused: dict[str, AgentError] = {}
    for program in loaded.programs:
        wanted = case.programs.get(program.name, Program())
        if wanted.attach is False or not case.attach:
            continue
        with guest.doing(f"attaching {program.name}"):
            try:
                attached = guest.agent.attach(
                    loaded.handle,
                    program.name,
                    settings.place(wanted, guest),
                    timeout=timeouts.ANSWER.seconds,
                )
                progress.log.append(attached.log)
                progress.states = progress.states.tried(
                    program.name, attached=attached.attached
                )
            except AgentError as error:
                refused[program.name] = error
                progress.states = progress.states.refused(program.name, error.message)
    if refused:
        first, *others = refused.values()
        # The first one's log is put down by who judges it.
        progress.log += [it.log for it in others]
        first.also = tuple(refused)[1:]
        raise first


def _stimulate(
    job: Job, guest: Guest, loaded: LoadedObject, data: bytes
) -> dict[str, JsonValue]:
    """Pull the triggers and take the truths, while the commands that stay, stay.

    Raises CommandFailedError for one that does not, before whatever follows from that.
    """
    try:
        namespace = _stimulated(job, guest, loaded, data)
    except (AgentError, CommandFailedError, UsageError):
        _check_alive(job, guest)
        raise
    _check_alive(job, guest)
    return namespace


def _check_alive(job: Job, guest: Guest) -> None:
    with guest.doing("checking background commands"):
        triggers.check_alive(job.case, guest.agent, job.commands)


def _stimulated(
    job: Job, guest: Guest, loaded: LoadedObject, data: bytes
) -> dict[str, JsonValue]:
    case = job.case
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
                trigger, guest.agent, loaded.handle, namespace, data, job.commands
            )
    if case.truth:
        with guest.doing("reading the truths"):
            namespace["truth"] = {
                name: truths.take(
                    truth, guest.agent, namespace, name=name, commands=job.commands
                )
                for name, truth in case.truth.items()
            }
    return namespace


def _gather(job: Job, guest: Guest) -> None:
    """Keep what commands printed that still run, because something else failed."""
    if guest.usable:
        with _cleaning(guest), guest.doing("ending commands"):
            triggers.gather(job.case, guest.agent, job.commands)


def _clean(guest: Guest, loaded: LoadedObject) -> None:
    _release(guest)
    with _cleaning(guest):
        guest.agent.close_object(loaded.handle, timeout=timeouts.ANSWER.seconds)


def _release(guest: Guest) -> None:
    with _cleaning(guest):
        guest.agent.release(timeout=timeouts.ANSWER.seconds)


@contextmanager
def _cleaning(guest: Guest) -> Iterator[None]:
    # A guest that is gone needs no cleaning, and is diagnosed by what lost it.
    try:
        yield
    except RunnerError as error:
        log.debug("%s: not cleaned up: %s", guest.kernel.id, error)


def _broken(error: RunnerError, class_: str, outcome: Outcome) -> Verdict:
    return Verdict(
        outcome=outcome, message=error.message, failure_class=class_, cure=error.hint
    )


def _command_failed(error: CommandFailedError, case: Case) -> Verdict:
    loads = error.loads and not case.object
    failure = LOADER_FAILED if loads else COMMAND_FAILED
    found = classify_printed(error.words) if loads else None
    quoted = last_line(error.words)
    printed = f'it printed "{quoted}". ' if quoted else "it printed nothing. "
    cure = found.cure if found else failure.cure
    return Verdict(
        outcome=Outcome.FAILED,
        message=error.message,
        failure_class=found.name if found else failure.name,
        cure=printed + cure[0].upper() + cure[1:],
    )


def _nothing(error: states.NothingError) -> Verdict:
    failure: FailureClass = NOTHING_ATTACHED if error.loaded else NOTHING_LOADED
    return Verdict(
        outcome=Outcome.FAILED,
        message=error.message,
        failure_class=failure.name,
        cure=failure.cure,
    )


def _refused(
    error: AgentError, data: bytes, guest: Guest, prediction: Prediction | None
) -> Verdict:
    operation = error.operation
    if operation not in _LOADING:
        return _broken(error, f"{operation}_failed", Outcome.FAILED)
    info = _debug_information(data)
    found = classify(
        error.log,
        operation,
        error.errno_name,
        {program.name: program.size for program in info.programs.values()},
    )
    blamed = blame.blame(
        blame.Evidence(
            found=found,
            log=error.log,
            data=data,
            info=info,
            prediction=prediction,
            version=guest.artifact.version,
        )
    )
    at = f" at {blamed.source}" if blamed.source else ""
    return Verdict(
        outcome=Outcome.FAILED,
        message=f"{operation} refused{at}: {found.line or error.message}{_also(error)}",
        failure_class=found.name,
        cure=blamed.cure or found.cure,
        source=blamed.source,
    )


def refusal(error: AgentError) -> Classification:
    """Return what a refusal means that a test in Python has met."""
    if error.operation in _LOADING:
        return classify(error.log, error.operation, error.errno_name)
    if error.operation == "run":
        return as_class(COMMAND_FAILED)
    return Classification(name=f"{error.operation}_failed", line="", cure=error.hint)


def _also(error: AgentError) -> str:
    return f"; and so for {listing(error.also)}" if error.also else ""


def _debug_information(data: bytes) -> DebugInfo:
    try:
        return bpf_object.read(data).debug
    except ObjectError as error:
        # libbpf is the judge of that.
        log.debug("%s", error)
        return DebugInfo(programs={}, lines={}, relocations={})


def is_deadly(error: GuestError) -> bool:
    """Whether a guest died of what ran in it, which is a word about the object."""
    return error.cause in _DEADLY


def class_of_loss(error: GuestError) -> str:
    """Return the class of a guest that was lost while something ran in it."""
    return f"kernel_{error.cause}" if is_deadly(error) else error.cause


def _lost(error: GuestError, guest: Guest, *, loading: bool) -> Verdict:
    if error.cause == VERIFIER_TOO_SLOW.name:
        return _broken(error, error.cause, Outcome.FAILED)
    if error.cause == TIMED_OUT:
        broken = _broken(error, TIMED_OUT, Outcome.ERROR)
        return replace(broken, console=error.console)
    if loading and error.cause == "agent_crashed":
        return _classified(as_class(LOADER_CRASHED), error)
    if loading and error.cause == "oops":
        found = classify_oops(guest.vm.console(), guest.artifact.version)
        if found is not None:
            return _classified(found, error)
    if error.cause == "out_of_memory":
        return _classified(as_class(OUT_OF_MEMORY), error)
    return Verdict(
        outcome=Outcome.FAILED if is_deadly(error) else Outcome.ERROR,
        message=f"the guest was lost: {error.message}",
        failure_class=class_of_loss(error),
        cure=error.hint,
        console=error.console,
    )


def _classified(found: Classification, error: GuestError) -> Verdict:
    return Verdict(
        outcome=Outcome.FAILED,
        message=f"the guest was lost: {error.message}",
        failure_class=found.name,
        cure=found.cure,
        console=error.console,
    )


def _settle(case: Case, guest: Guest, verdict: Verdict) -> Verdict:
    """Hold a verdict against the failure that the suite declares."""
    declared = case.expect_failure
    if declared is None or verdict.outcome is Outcome.ERROR:
        return verdict
    if declared.kernels and guest.artifact.version not in VersionRange.parse(
        declared.kernels
    ):
        return verdict
    expected = f"{' or '.join(declared.classes)} ({declared.reason})"
    if verdict.outcome is Outcome.PASSED:
        return Verdict(
            outcome=Outcome.FAILED,
            message=f"passed, but the suite declares that it fails: {expected}",
            failure_class=UNEXPECTED_PASS.name,
            cure=UNEXPECTED_PASS.cure,
        )
    if verdict.failure_class not in declared.classes:
        return Verdict(
            outcome=Outcome.FAILED,
            message=f"failed as {verdict.failure_class}, not as declared, {expected}: "
            f"{verdict.message}",
            failure_class=verdict.failure_class,
            cure=verdict.cure,
            source=verdict.source,
            mismatches=verdict.mismatches,
            console=verdict.console,
        )
    # On all kernels it is what the case is about; on some it is a gap.
    return Verdict(
        outcome=Outcome.SKIPPED if declared.kernels else Outcome.PASSED,
        message=f"fails as declared: {expected}",
        failure_class=verdict.failure_class,
        source=verdict.source,
        checked=1,
        console=verdict.console,
    )
