"""How a request to the agent fails: the agent says no, or nothing right."""

from runner.errors import GuestError, RunnerError


class AgentError(RunnerError):
    """The agent could not do what it was asked for; the session goes on."""

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        errno_name: str | None = None,
        log: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        # "open", "load", "attach", …
        self.operation = operation
        # "EINVAL", "LIBBPF_ERRNO__FORMAT", or None when no system call failed.
        self.errno_name = errno_name
        # All that libbpf printed during the operation, the verifier's log included.
        self.log = log
        # What else was refused, by its names, if one refusal represents several.
        self.also: tuple[str, ...] = ()
        # Where a program was to be attached; empty for where its section says.
        self.place = ""


class AgentLost(GuestError):  # noqa: N818
    """The agent is gone, did not answer in time, or answered what can't be.

    Its cause is "gone", "no_answer" or "lost".
    """

    def __init__(
        self,
        message: str,
        *,
        cause: str = "lost",
        operation: str = "",
        seconds: float = 0.0,
        reachable: bool = True,
    ) -> None:
        super().__init__(message, cause=cause)
        # What it was asked for: "load", "run", …
        self.operation = operation
        # How long it was waited for, if it did not answer.
        self.seconds = seconds
        # False if its guest did not answer either.
        self.reachable = reachable


class Unreachable(TimeoutError):  # noqa: N818
    """A guest that is waited for does not answer on SSH either."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"nothing came for {seconds:.0f} s")
        self.seconds = seconds
