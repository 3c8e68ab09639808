"""What several verbs print: JSON, notes, and errors after which they go on."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from runner.errors import ExitStatus, RunnerError


def print_json(value: object) -> None:
    """Print a value to standard output, for programs."""
    print(json.dumps(value, indent=2))


def print_note(note: str) -> None:
    """Print what the user should know to standard error."""
    print(f"note: {note}", file=sys.stderr)


class Failures:
    """The errors of a verb that goes on with the next kernel after each."""

    def __init__(self) -> None:
        # That of the first error.
        self.status = ExitStatus.COMPATIBLE

    @contextmanager
    def printed(self) -> Iterator[None]:
        """Print the error of a block instead of raising it."""
        try:
            yield
        except RunnerError as error:
            print(f"error: {error}", file=sys.stderr)
            self.status = self.status or error.exit_status
