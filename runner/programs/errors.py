"""Why a program of this machine can't run in a guest."""

from runner.errors import UsageError


class ProgramError(UsageError):
    """A program that no guest could start."""

    def __init__(self, message: str, *, failure_class: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        # Its name in runner.failures.
        self.failure_class = failure_class
