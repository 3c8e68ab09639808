"""Which cases leave nothing in their guest that a census does not show."""

from collections.abc import Iterator

from runner.suites.model import Case, Command, CommandTruth

# Programs of the guest whose effects a census shows, whatever their arguments: on
# files, sysctls and what there is of BPF; most of them only read. A shell is none, nor
# is what sets something in /sys, or of the network that no census shows.
_SEEN = frozenset(
    {
        "bpftool",
        "cat",
        "grep",
        "head",
        "ls",
        "rm",
        "sleep",
        "stat",
        "sync",
        "sysctl",
        "touch",
        "true",
        "uname",
    }
)


def is_seen(case: Case) -> bool:
    """Whether a census of the guest shows all that a case may leave in it.

    A program of the user's own may leave anything.
    """
    return not case.command and all(it in _SEEN for it in _programs(case))


def runs_commands(case: Case) -> bool:
    """Whether a case runs a command, which may set sysctls."""
    return bool(case.command) or any(_programs(case))


def _programs(case: Case) -> Iterator[str]:
    """Yield the programs that the triggers and truths of a case run."""
    for trigger in case.trigger:
        if isinstance(trigger, Command):
            yield trigger.command[0]
    for truth in case.truth.values():
        if isinstance(truth, CommandTruth):
            yield truth.command[0]
