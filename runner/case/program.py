"""A program of the user's own in a guest: copied, run once, and its tests read."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from runner import timeouts
from runner.arch import Architecture
from runner.case import heldmaps, kernelreport, loadrecord, settings
from runner.case.heldmaps import HeldMaps
from runner.case.loadrecord import LoadRecorder
from runner.errors import GuestError, RunnerError, UsageError
from runner.failures.splats import KernelReport
from runner.files.patternlist import NO_LINES, ConsoleLines
from runner.guest import aftermath
from runner.guest.agenterrors import AgentError
from runner.guest.commands import Commands
from runner.guest.guest import Guest
from runner.guest.life import State
from runner.guest.replies import CommandEnd
from runner.guest.roots import mount
from runner.guest.roots import programs as rootprograms
from runner.guest.roots.contents import SEARCH
from runner.guest.roots.headersimage import HeadersImage
from runner.guest.roots.image import RootImage
from runner.harness import kinds
from runner.harness.model import Harness, Invocation
from runner.harness.tests import Test, Tests
from runner.programs import prepare
from runner.programs.errors import ProgramError
from runner.programs.prepare import GuestFile, PreparedProgram
from runner.results import LoadRecord, Printed
from runner.suites import commandcase
from runner.suites.commandcase import Find
from runner.suites.model import Case
from runner.suites.references import resolve
from runner.timeouts import Timeout

# Is shown what a program prints, as it comes: "stdout" or "stderr", and bytes.
Show = Callable[[str, bytes], None]

_STDIN = PurePosixPath("/run/files.stdin")
# Bytes of a file with results.
_MOST_RESULTS = 32 << 20
_MOST_FILES = 20_000


@dataclass(frozen=True, kw_only=True)
class ProgramJob:
    """A case with a command, and what it needs of the host."""

    case: Case
    # None for a program that every guest has.
    program: PreparedProgram | None
    # The file of this machine; None as above.
    source: Path | None
    # Its files, without the program's own.
    files: tuple[GuestFile, ...]
    # None where its exit status is the result.
    harness: Harness | None
    # What it runs in; None for the guest's own files.
    root: RootImage | None = None
    # The kernel's, for the root.
    headers: HeadersImage | None = None
    # Keeps what it prints.
    commands: Commands
    show: Show
    # Of its suite.
    splats: ConsoleLines = NO_LINES
    # All tests that it has, as far as that is known before it runs.
    listed: tuple[str, ...] = ()


@dataclass(kw_only=True)
class ProgramRun:
    """What became of a program that ran once in a guest."""

    tests: Tests = field(default_factory=Tests)
    # The tests that it was to run; None if nobody knows.
    wanted: tuple[str, ...] | None = None
    # None when the guest was lost, or the program never started.
    end: CommandEnd | None = None
    # What kept it from running to its end.
    error: RunnerError | None = None
    printed: Printed | None = None
    # What the kernel reported of itself meanwhile.
    report: KernelReport | None = None
    # What of BPF it left in its guest.
    left_behind: tuple[str, ...] = ()
    # Whether its guest's log had no room for all that the kernel said.
    log_incomplete: bool = False
    # What it loaded; None where nobody recorded that.
    recorded: LoadRecord | None = None
    # Those that the suite looks into, as they were when the command had ended.
    held: HeldMaps = field(default_factory=HeldMaps)
    # Whether the command traces processes itself, which the recorder is in the way of.
    is_disturbed: bool = False
    # Whether the guest is gone.
    is_lost: bool = False
    # Whether it is the last try, so that what a busy host explains as well counts.
    is_last: bool = False
    # When it began, as time.time() has it; seconds.
    began: float = 0.0
    copying: float = 0.0
    running: float = 0.0

    @property
    def blamed(self) -> Test | None:
        """The test that ran when the program or its guest ended."""
        return self.tests.current

    @property
    def suspect(self) -> str:
        """Which of the wanted tests seems to have ended all; empty if that is unknown.

        Without one that runs, it is the next one: it may have started unseen.
        """
        if self.blamed is None:
            return next(iter(self.rest), "")
        last = f"{self.blamed.name}/"
        return next((it for it in self.wanted or () if last.startswith(f"{it}/")), "")

    @property
    def rest(self) -> tuple[str, ...]:
        """The tests that have no result, and did not run when all ended."""
        last = "" if self.blamed is None else f"{self.blamed.name}/"
        ended = {it.name for it in self.tests if it.state.is_over}
        return tuple(
            it
            for it in self.wanted or ()
            if it not in ended and not last.startswith(f"{it}/")
        )


def job(
    case: Case,
    find: Find,
    *,
    architecture: Architecture,
    commands: Commands,
    show: Show,
    own: frozenset[str],
    splats: ConsoleLines = NO_LINES,
    root: RootImage | None = None,
    headers: HeadersImage | None = None,
    listed: tuple[str, ...] = (),
) -> ProgramJob:
    """Return what a case needs, whose files `find` finds.

    `own` are the paths of programs that guests have, `root` is what it runs in, with
    `headers` of its kernel, and `listed` are its tests, as far as they are known.
    Raises ProgramError for a program that no guest could start, UsageError for files
    that can't be copied.
    """
    source = commandcase.program(case, find)
    program = None
    if source is not None:
        program = prepare.prepare(
            source.resolve(),
            architecture=architecture,
            commands=own if root is None else root.contents.programs,
            there=None if root is None else root.contents.paths,
            target=_place(source),
        )
    elif root is not None:
        rootprograms.require(root, case.command[0], case.env.get("PATH", SEARCH))
    try:
        harness = kinds.harness(case.results, source)
    except OSError as error:
        words = error.strerror or str(error)
        raise ProgramError(f"{source}: {words}", failure_class="program_bad") from error
    return ProgramJob(
        case=case,
        program=program,
        source=source,
        files=tuple(_files(case, find)),
        harness=harness,
        root=root,
        headers=headers,
        commands=commands,
        show=show,
        splats=splats,
        listed=listed,
    )


def _place(source: Path) -> PurePosixPath:
    return prepare.FOLDER / prepare.guest_name(source)


def _files(case: Case, find: Find) -> Iterator[GuestFile]:
    for word in case.files:
        name, target = commandcase.split(word)
        path = find(name)
        there = (
            PurePosixPath(target)
            if target
            else commandcase.target(name, prepare.FOLDER)
        )
        yield from _tree(path, there) if path.is_dir() else [_file(path, there)]
    if case.stdin is not None:
        yield GuestFile(source=find(case.stdin), target=_STDIN, mode=0o644)


def _tree(folder: Path, target: PurePosixPath) -> Iterator[GuestFile]:
    """Yield the files of a folder, and refuse what is not a file."""
    found = [it for it in sorted(folder.rglob("*")) if not it.is_dir()]
    if len(found) > _MOST_FILES:
        raise UsageError(
            f"{folder} has {len(found)} files; at most {_MOST_FILES} are copied"
        )
    for path in found:
        yield _file(path, target / path.relative_to(folder).as_posix())


def _file(path: Path, target: PurePosixPath) -> GuestFile:
    if not path.is_file():
        raise UsageError(f"{path} is neither a file nor a folder, and can't be copied")
    return GuestFile(source=path, target=target, mode=_mode(path))


def _mode(path: Path) -> int:
    # Whoever the command runs as may read it.
    return 0o644 | (0o111 if path.stat().st_mode & 0o111 else 0)


def run(
    job: ProgramJob,
    guest: Guest,
    names: Sequence[str] | None = None,
    *,
    is_last: bool = False,
) -> ProgramRun:
    """Run a program once, with some of its tests. Never raises for what it does.

    `is_last` says that nobody tries it again.
    """
    wanted = None if names is None else tuple(names)
    done = ProgramRun(wanted=wanted, began=time.time(), is_last=is_last)
    started = time.monotonic()
    try:
        with guest.agent.unwatched():
            there = None
            if job.root is not None:
                there = mount.enter(guest, job.root, job.headers)
            files = [*(job.program.files if job.program else ()), *job.files]
            guest.copy(files, there)
            done.copying = time.monotonic() - started
            _perform(job, guest, done, there)
    except RunnerError as error:
        done.error = error
    after = aftermath.of(guest)
    done.left_behind = after.left
    done.log_incomplete = after.incomplete
    done.report = kernelreport.found(guest, after, (job.splats,))
    done.is_lost = guest.life.state is State.LOST
    done.running = time.monotonic() - started - done.copying
    return done


def _perform(
    job: ProgramJob, guest: Guest, done: ProgramRun, root: PurePosixPath | None
) -> None:
    words = _resolved(list(job.case.command), guest)
    if job.program is not None:
        words[0] = job.program.path
    environment = {} if root is None else {"PATH": SEARCH}
    environment |= zip(
        job.case.env, _resolved([*job.case.env.values()], guest), strict=True
    )
    if job.harness is None:
        _execute(job, guest, done, words, environment, root)
        return
    listed: tuple[str, ...] | None = job.listed
    if done.wanted is None:
        done.wanted = listed = _listed(job.harness, guest, words, environment, root)
    # All that there is needs no choice.
    chosen = None if done.wanted == listed else done.wanted
    pending: Invocation | None = job.harness.invocation(
        job.source or Path(), words[1:], chosen
    )
    while pending is not None:
        done.tests = pending.reader.tests
        try:
            _execute(
                job,
                guest,
                done,
                [words[0], *pending.arguments],
                {**pending.environment, **environment},
                root,
                pending,
            )
        finally:
            is_usable = guest.usable and done.end is not None
            pending.reader.close(
                _left(pending.file, guest, root) if is_usable else None
            )
            done.tests = pending.reader.tests
        refused = not done.tests.by_name and done.end is not None and done.end.exit
        pending = pending.otherwise if refused else None


def _resolved(words: list[str], guest: Guest) -> list[str]:
    """Put values in the place of references; what is a shell's own stays."""
    known = settings.known(guest, prepare.FOLDER)
    return [
        commandcase.REFERENCE.sub(lambda it: str(resolve(it[0], known)), word)
        for word in words
    ]


def _listed(
    harness: Harness,
    guest: Guest,
    words: Sequence[str],
    environment: Mapping[str, str],
    root: PurePosixPath | None,
) -> tuple[str, ...] | None:
    """Return the tests that a program lists in the guest; None if it lists none."""
    listing = harness.listing(words[1:])
    if listing is None:
        return None
    with guest.doing("listing tests"):
        output = guest.agent.run(
            [words[0], *listing, *words[1:]],
            environment=environment,
            root=root,
            timeout=timeouts.LOOK.seconds,
        )
    try:
        return harness.names(output.stdout) or None if output.exit == 0 else None
    except ValueError:
        return None


def limit(case: Case) -> Timeout:
    """Return how long a command may take."""
    return Timeout(
        name="command",
        seconds=case.timeout,
        why="the suite says so",
        option="--timeout, `timeout` in suite.yaml, or --timeout-scale",
    )


def _execute(
    job: ProgramJob,
    guest: Guest,
    done: ProgramRun,
    argv: list[str],
    environment: dict[str, str],
    root: PurePosixPath | None,
    invocation: Invocation | None = None,
) -> None:
    recording = job.commands.record("command", argv)
    recorder = LoadRecorder() if job.case.record else None
    held = heldmaps.wanted(job.case)
    done.end = None

    def take(stream: str, data: bytes) -> None:
        recording.write(stream, data)
        job.show(stream, data)
        if invocation is not None:
            invocation.reader.feed(stream, data)

    try:
        with guest.doing(f"running {argv[0]}"):
            done.end = guest.agent.stream(
                argv,
                show=take,
                stdin=None if job.case.stdin is None else _STDIN,
                environment=environment,
                folder=PurePosixPath(job.case.cwd),
                user=job.case.user,
                record=None if recorder is None else recorder.take,
                hold=held if recorder is not None else (),
                root=root,
                timeout=job.case.timeout,
            )
        if held and recorder is not None:
            done.held = heldmaps.dumps(job.case, guest)
        if done.end.left or held:
            with guest.doing("ending what the command left running"):
                guest.agent.release(timeout=timeouts.ANSWER.seconds)
    finally:
        done.printed = recording.end(done.end)
        if recorder is not None:
            earlier = [] if done.recorded is None else [done.recorded]
            done.recorded = loadrecord.merged([*earlier, recorder.result()])
            done.is_disturbed |= recorder.is_in_the_way


def _left(path: str, guest: Guest, root: PurePosixPath | None) -> str | None:
    """Return a file that the program left; None if there is none."""
    if not path:
        return None
    try:
        with guest.doing(f"reading {path}"):
            return guest.agent.read(
                path,
                limit=_MOST_RESULTS,
                root=root,
                timeout=timeouts.TRANSFER.seconds,
            )
    except (AgentError, GuestError):
        return None
