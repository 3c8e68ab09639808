"""Files of recorded rows: what `record` compares with, and `--update` writes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, JsonValue

from runner.files import modelfile, yamltext
from runner.files.modelfile import FileEntry
from runner.suites.checks import leaves

_HEAD = """\
# What the kernel gave when this was recorded. Review it like code, because later runs
# expect it, right or wrong. `--update` writes it again.
"""
_WIDTH = 100


class RecordFile(FileEntry):
    """A file of recorded rows."""

    case: str
    """The case that it was recorded for: SUITE::CASE."""
    subject: str
    """What was recorded: map tasks."""
    kernel: str
    """The kernels that gave it, with their releases."""
    rows: Annotated[tuple[JsonValue, ...], Field(min_length=1)]
    """The rows in their normal form."""


def read(path: Path) -> RecordFile | None:
    """Read a file; None if there is none.

    Raises UsageError that lists every mistake by file and line.
    """
    if not path.exists():
        return None
    file, source = modelfile.load(path, RecordFile)
    if not leaves.has_compared(file.rows):
        what = "have no value to compare with"
        raise modelfile.refused(source, [source.mistake(("rows",), what)])
    return file


def text(file: RecordFile) -> str:
    """Return what a file holds: the same text for the same rows."""
    return _HEAD + yamltext.text(
        {
            "case": file.case,
            "subject": file.subject,
            "kernel": file.kernel,
            "rows": list(file.rows),
        },
        width=_WIDTH,
    )


def rows_text(rows: Sequence[JsonValue]) -> list[str]:
    """Return rows as lines of such a file, to show what changed."""
    if not rows:
        return []
    return yamltext.text(list(rows), width=_WIDTH).splitlines()
