"""What can be wrong with the files that preflight reads."""

from runner.errors import ExitStatus, RunnerError


class PreflightError(RunnerError):
    """A file can't be used, or the engine failed on it: no prediction."""

    exit_status = ExitStatus.USAGE


class BadBtfError(PreflightError):
    """A BTF is malformed, or what should hold one holds none."""


class EngineError(PreflightError):
    """The relocation engine can't be built, or ended over a request."""

    exit_status = ExitStatus.INFRASTRUCTURE


class AbandonedError(PreflightError):
    """A prediction that nobody wants any more was given up."""

    exit_status = ExitStatus.INFRASTRUCTURE


class NotFollowedError(PreflightError):
    """A program was not walked to its end, so that nothing is known of it."""

    exit_status = ExitStatus.INFRASTRUCTURE
