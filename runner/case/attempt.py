"""A case in a guest: what it needs of the host, and what is known of it so far."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from runner.case import programs_of_object
from runner.case.prediction import Foretold, predicted
from runner.case.states import ObjectStates
from runner.failures.classes import is_one_of
from runner.files.patternlist import NO_LINES, ConsoleLines
from runner.guest.commands import Commands
from runner.guest.guest import Guest
from runner.guest.objectsettings import ObjectSettings
from runner.guest.otherloader import OtherSession
from runner.guest.replies import LoadedObject
from runner.loaders import LoaderProgram
from runner.programs.prepare import GuestFile
from runner.results import Agreement, RelocationDifference
from runner.suites.model import Case, Loader, Trigger

# Where it is in the guest, if a case has one of its own.
_BTF = PurePosixPath("/run/case.btf")


@dataclass(frozen=True, kw_only=True)
class CaseJob:
    """A case with what it needs of the host."""

    suite: str
    case: Case
    # The compiled object; None for a case whose commands load something.
    object_path: Path | None
    # How reports name it: its path in the suite.
    shown_path: str
    # The compiled object that it extends; None where it extends none.
    extended_path: Path | None = None
    nodeid: str
    # Where the case's files are.
    folder: Path = Path()
    # Keeps what its commands print.
    commands: Commands = field(default_factory=Commands)
    # Of its suite.
    splats: ConsoleLines = NO_LINES
    # Returns a loader with another library, built when it is first asked for; raises as
    # `runner.loaders.program` does.
    loader_program: Callable[[str], LoaderProgram] | None = None
    # Whether what the case records replaces what was recorded before.
    update: bool = False
    # Whether it is tried for the last time, so that what a busy host explains as well
    # counts.
    is_last: bool = False


@dataclass(kw_only=True)
class Attempt:
    """A case on a guest, and what has been gathered when it ends, however it ends."""

    job: CaseJob
    guest: Guest
    log: list[str] = field(default_factory=list)
    # Of the phases that began, by their names.
    seconds: dict[str, float] = field(default_factory=dict)
    # The loader, if it is another one than the agent; ended with the attempt.
    other: OtherSession | None = None
    # What its programs extend, from when it is loaded.
    extended: LoadedObject | None = None
    # What is loaded, even if attaching it is refused later.
    loaded: LoadedObject | None = None
    # Where another library relocated it otherwise than libbpf.
    differences: tuple[RelocationDifference, ...] = ()
    # Whether that is attached, too, so that a failure is not the load's.
    is_ready: bool = False
    # Whether a program of the object ran.
    ran: bool = True
    # The guest's clock when the case began, in nanoseconds; None if nobody asks.
    began: int | None = None
    # What kernels are compared by; None if nothing is compared.
    agreement: Agreement | None = None
    # What is set of the object before it is loaded; None when that is not known.
    settings: ObjectSettings | None = None
    # What became of its programs.
    states: ObjectStates = field(default_factory=ObjectStates)

    @cached_property
    def case(self) -> Case:
        """The case, with each program that it names by a pattern.

        Raises ObjectError for an object that can't be read then.
        """
        return programs_of_object.expanded(self.job.case, self.data)

    @property
    def loader(self) -> Loader:
        """What loads the object on this kernel."""
        return self.case.loader_on(self.guest.on)

    def counts(self, failure_class: str) -> bool:
        """Whether a failure that a busy host explains as well is one already.

        It is where the suite declares it, and where nobody tries the case again.
        """
        declared = self.job.case.failure_on(self.guest.on)
        return self.job.is_last or (
            declared is not None and is_one_of(failure_class, declared.classes)
        )

    def handle_for(self, trigger: Trigger, loaded: LoadedObject) -> int:
        """Return the handle of the object that a trigger is about.

        `loaded` is the case's own, which the agent has not loaded in every case.
        """
        if self.extended is not None and self.case.runs_extended(trigger):
            return self.extended.handle
        return loaded.handle

    @property
    def btf(self) -> PurePosixPath | None:
        """The guest's file that the object is relocated against; None: the kernel."""
        return self.guest.btf if self.case.btf is None else _BTF

    def bring_btf(self) -> None:
        """Copy the BTF that the case names into the guest.

        Raises AgentError and GuestError.
        """
        if self.case.btf is not None:
            source = self.job.folder / self.case.btf
            self.guest.copy([GuestFile(source=source, target=_BTF, mode=0o644)])

    @property
    def object_name(self) -> str:
        """What libbpf calls the object."""
        return Path(self.job.shown_path).name.partition(".")[0]

    @cached_property
    def data(self) -> bytes:
        """The compiled object; empty for a case without one."""
        path = self.job.object_path
        return b"" if path is None else path.read_bytes()

    @cached_property
    def foretold(self) -> Foretold:
        """What preflight says of it; asked when the settings are known, if ever."""
        path = self.job.object_path
        # The settings come from the case, and some of them from the guest.
        if path is None or self.settings is None:
            return Foretold()
        extended = self.job.extended_path
        return predicted(self.case, path, self.settings, self.guest, extended)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a part of it."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = time.monotonic() - started
