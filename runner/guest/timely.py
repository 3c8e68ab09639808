"""Programs that run in the guest, and what is said of one that does not end."""

import shlex
from collections.abc import Sequence

from runner.errors import timed_out
from runner.guest.agent import AgentSession
from runner.guest.replies import CommandOutput
from runner.suites.checks.text import show
from runner.timeouts import Timeout

# Characters.
_SHOWN = 400


def run(
    agent: AgentSession, argv: Sequence[str], timeout: Timeout, *, shown: str = ""
) -> CommandOutput:
    """Run a program to its end, whatever its exit status.

    `shown` is what messages call it, if not its command line. Raises GuestError with
    the cause "timed_out", and with what it printed so far, when it does not end.
    """
    output = agent.run(argv, timeout=timeout.seconds)
    require_ended(output, shown or shlex.join(argv), timeout)
    return output


def require_ended(output: CommandOutput, shown: str, timeout: Timeout) -> None:
    """Raise GuestError as `run` does for a program that did not end in time."""
    if output.timed_out:
        raise timed_out(
            f"{shown}: still running after {lasted(output.seconds, timeout.seconds)}, "
            "and killed",
            timeout.option,
            so_far=printed(output.stdout, output.stderr),
        )


def lasted(seconds: float, asked: float) -> str:
    """Return "12 s (2 s, scaled: this machine is slow)"."""
    scaled = f" ({asked:g} s, scaled: this machine is slow)"
    return f"{seconds:g} s" + (scaled if seconds > asked else "")


def printed(stdout: str, stderr: str) -> str:
    """Return the end of what a program printed, short enough for a message."""
    text = stdout + stderr
    cut = "… " if len(text) > _SHOWN else ""
    return cut + show(text[-_SHOWN:]) if text else "nothing"
