"""Lists of regular expressions in files, each with its reason."""

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from typing import Annotated

from pydantic import AfterValidator, Field

from runner.files.exampleconsole import UNRELATED
from runner.files.modelfile import FileEntry

# No pattern finds something in each of these unless it does in nearly every line.
_ANY_LINES = ("a", "Z 0", "-: (9)")


def _checked(pattern: str) -> str:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
    if all(compiled.search(line) for line in _ANY_LINES):
        raise ValueError(
            f"{pattern!r} matches everything; write more of the line that you mean"
        )
    return pattern


class LinePattern(FileEntry):
    """What a line is known by."""

    pattern: Annotated[
        str,
        Field(min_length=1, examples=["^my_module: lost \\d+ events"]),
        AfterValidator(_checked),
    ]
    """A regular expression of Python, which is looked for in each line, after the time
    that printk puts in front of it. `^` is the beginning of the kernel's own words."""

    reason: Annotated[str, Field(min_length=1)]
    """What such a line means, or why it does not matter."""

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The pattern."""
        return re.compile(self.pattern)


def _narrow(allowed: LinePattern) -> LinePattern:
    """Refuse what would hide faults that nobody thought of when it was written."""
    found = list(_allowed(allowed.compiled))
    if len(found) > 1:
        raise ValueError(
            f"{allowed.pattern!r} allows lines that have nothing to do with each "
            f"other, such as {found[0]!r} and {found[-1]!r}; write more of the line "
            "that you mean, such as its file or function, or a pattern for each"
        )
    return allowed


def _allowed(pattern: re.Pattern[str]) -> Iterator[str]:
    """Yield a line of each fault that a pattern finds."""
    for lines in UNRELATED:
        yield from islice(filter(pattern.search, lines), 1)


class ConsoleLines(FileEntry):
    """Lines on a kernel's console that fail a case, and lines that do not."""

    deny: tuple[LinePattern, ...] = ()
    """Lines that fail the case that made the kernel print them (`kernel_warned`). Only
    lines that the guest's console was started to show: warnings and errors. For notices
    and information, set `arguments: [loglevel=7]`."""

    allow: tuple[Annotated[LinePattern, AfterValidator(_narrow)], ...] = ()
    """Lines that fail no case, although `deny` or images/splats.yaml has them. A
    pattern that also allows unrelated lines, such as `^WARNING: ` or `at mm/`, is
    refused."""


NO_LINES = ConsoleLines()
