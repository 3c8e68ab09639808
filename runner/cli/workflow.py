"""What a step tells the GitHub workflow that runs it, by the files that it names."""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from runner.errors import InfrastructureError

OUTPUT = "GITHUB_OUTPUT"
SUMMARY = "GITHUB_STEP_SUMMARY"
ENVIRONMENT = "GITHUB_ENV"

# Of a step's summary; GitHub drops a longer one whole.
# https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
MOST_SUMMARY = 1024 * 1024


def set_outputs(values: Mapping[str, str]) -> None:
    """Set outputs of the step; nothing outside of a workflow.

    Raises InfrastructureError when the workflow's file can't be written.
    """
    _append(OUTPUT, "".join(_line(name, value) for name, value in values.items()))


def add_summary(text: str) -> None:
    """Show Markdown on the workflow's page; nothing outside of a workflow.

    Raises InfrastructureError when the workflow's file can't be written.
    """
    _append(SUMMARY, text)


def is_there() -> bool:
    """Whether this is a step of a workflow."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def room_for_summary() -> int:
    """Return how many bytes this step may still add to its summary."""
    path = os.environ.get(SUMMARY)
    try:
        return MOST_SUMMARY - Path(path or os.devnull).stat().st_size
    except OSError:
        return MOST_SUMMARY


@contextmanager
def muted(file: TextIO) -> Iterator[None]:
    """Let what objects, guests and suites say be no command to the workflow."""
    if not is_there():
        yield
        return
    # Random, so that nothing that is printed can end it.
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", file=file, flush=True)
    try:
        yield
    finally:
        print(f"::{token}::", file=file, flush=True)


def _line(name: str, value: str) -> str:
    if "\n" not in value:
        return f"{name}={value}\n"
    # Random, so that no value can end itself and set others.
    end = f"end-{secrets.token_hex(16)}"
    return f"{name}<<{end}\n{value}\n{end}\n"


def _append(variable: str, text: str) -> None:
    path = os.environ.get(variable)
    if not path or not text:
        return
    try:
        with Path(path).open("a", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as error:
        raise InfrastructureError(
            f"{variable}: {path} can't be written: {error.strerror or error}",
            hint="outside of a workflow, unset the variable",
        ) from error
