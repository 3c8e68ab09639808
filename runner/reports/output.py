"""What commands printed, as reports show it with a failure."""

from collections.abc import Iterator
from dataclasses import dataclass

from runner.reports.text import clean
from runner.results import CaseResult, Printed

_LIMIT = "a guest keeps 2 MiB of each stream; the rest is lost"


# Characters of a line of it.
_WIDTH = 300


@dataclass(frozen=True, kw_only=True)
class Stream:
    """What a command printed to one of its streams."""

    # "stderr" or "stdout".
    name: str
    # "stderr of `x -v` (exit status 1)"
    title: str
    text: str
    # The file that has all of it, or as much as the guest kept, below the reports'
    # folder; empty when there is none.
    file: str
    is_whole: bool = True

    @property
    def where(self) -> str:
        """Which file has more of it; empty when there is none."""
        much = "all" if self.is_whole else "more"
        return f"{much} of it: {self.file}" if self.file else ""


def streams(command: Printed) -> Iterator[Stream]:
    """Yield what a command printed, stderr first: it says why."""
    for name, text, file in (
        ("stderr", command.stderr, command.stderr_file),
        ("stdout", command.stdout, command.stdout_file),
    ):
        if text.strip():
            more = f"; {_LIMIT}" if command.truncated else ""
            title = f"{name} of `{words(command)}` ({command.ending}{more})"
            yield Stream(
                name=name,
                title=title,
                text=text,
                file=file,
                is_whole=not command.truncated,
            )


def words(command: Printed) -> str:
    """Return a command on one line."""
    return " ".join(" ".join(command.argv).split())


def failed(case: CaseResult) -> Printed | None:
    """Return the last command of a case that did not end with status 0, if any."""
    return next(
        (it for it in reversed(case.commands) if it.timed_out or it.exit != 0), None
    )


def failed_streams(case: CaseResult) -> list[Stream]:
    """Return what that command printed."""
    command = failed(case)
    return [] if command is None else list(streams(command))


def last_lines(text: str, most: int) -> list[str]:
    """Return the last lines of a text; if some are left out, the first one says so."""
    lines = [
        it if len(it) <= _WIDTH else f"…{it[-_WIDTH:]}"
        for it in clean(text).rstrip().splitlines()
    ]
    left = len(lines) - most
    if left <= 0:
        return lines
    return [f"[… {left} lines]", *lines[-most:]]


def where_to_look(case: CaseResult) -> str:
    """Return which file has more of a failure: the first one with something in it."""
    if case.log.strip():
        return "read the case's log in results.json"
    for stream in failed_streams(case):
        if stream.file:
            return f"read {stream.file}"
    if case.mismatches:
        return "read the case's mismatches in results.json"
    return f"read {case.kernel}/runner.log and {case.kernel}/console.log"
