"""The errors that reach a user, and the exit status that each one means."""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum


class ExitStatus(IntEnum):
    """What the command's exit status says; see README.md."""

    COMPATIBLE = 0
    INCOMPATIBLE = 1
    USAGE = 2
    INFRASTRUCTURE = 3
    # 128 + SIGINT, as shells report it.
    INTERRUPTED = 130


# The cause, and the failure class, of whatever took longer than its timeout.
TIMED_OUT = "timed_out"

# What to do about a program or a file that this machine lacks.
DOCTOR_INSTALLS = "`python -m runner doctor` shows what to install"
DOCTOR_FIXES = "`python -m runner doctor --fix` installs everything that is missing"


def doctor_fixes(architecture: str) -> str:
    """Return what installs all that guests of another architecture need."""
    return (
        f"`python -m runner doctor --arch {architecture} --fix` installs all that "
        f"guests of {architecture} need"
    )


class RunnerError(Exception):
    """Something that a user has to know, with what can be done about it.

    Only the command line prints it and picks the exit status.
    """

    exit_status = ExitStatus.INFRASTRUCTURE

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message

    @property
    def told(self) -> str:
        """Return what the command line prints of it."""
        return f"error: {self}"


class UsageError(RunnerError):
    """The command line, a matrix or a suite is wrong; nothing was tried."""

    exit_status = ExitStatus.USAGE


class MistakesError(UsageError):
    """Several mistakes, each of which is reported as an error."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self._mistakes = tuple(mistakes)

    @property
    def told(self) -> str:
        """Return what the command line prints of them."""
        return "\n".join(f"error: {it}" for it in self._mistakes)


class InfrastructureError(RunnerError):
    """The machine, the network, a cache or a guest failed: no word about the object."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error says that this machine, or a limit of it, has no memory left."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    # What threading raises when there is no memory for a stack.
    no_thread = isinstance(error, RuntimeError) and "start new thread" in str(error)
    return no_thread or isinstance(error, MemoryError)


class InternalError(InfrastructureError):
    """This program failed: no word about the object either."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(
            f"internal error: {error!r}", hint="please report it with runner.log"
        )


class ArtifactError(InfrastructureError):
    """A kernel or one of its files is unavailable."""


class NotOnServerError(ArtifactError):
    """A server is there, and does not have a file."""


class MissingFileError(ArtifactError):
    """A file of this machine that a matrix names does not exist."""


class GuestError(InfrastructureError):
    """A guest did not come up, stopped answering or died."""

    def __init__(
        self, message: str, *, hint: str = "", cause: str = "lost", console: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        # A class of runner.failures.splats: "panic", "oops", "soft_lockup",
        # "out_of_memory", "early_exit"; or "no_answer", "agent_crashed" (the guest
        # lives), "timed_out", "verifier_too_slow", or "lost" when the console says
        # nothing.
        self.cause = cause
        # The console's last lines.
        self.console = console


@contextmanager
def file_errors(
    kind: type[RunnerError], where: object, *, hint: str = ""
) -> Iterator[None]:
    """Raise what the file system refuses as an error of a kind; `where` begins it."""
    try:
        yield
    except OSError as error:
        raise kind(f"{where}: {error.strerror or error}", hint=hint) from error


def timed_out(
    message: str, option: str, *, so_far: str = "", console: str = ""
) -> GuestError:
    """Return the error of a wait that was too short, or of a guest that hangs.

    `message` says what was waited for and for how long, `option` is the key or option
    that raises it, and `so_far` is what came until then.
    """
    came = f"; it printed so far: {so_far}" if so_far else ""
    return GuestError(
        f"timed out: {message}{came}",
        hint=f"raise {option} if this machine is slow; otherwise find out what hangs",
        cause=TIMED_OUT,
        console=console,
    )
