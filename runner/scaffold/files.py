"""Files that are written once: what is there is kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from runner.errors import InfrastructureError, file_errors


class Fate(StrEnum):
    """What becomes of a file."""

    WRITTEN = "wrote"
    WOULD_BE_WRITTEN = "would write"
    KEPT = "kept"


@dataclass(frozen=True, kw_only=True)
class NewFile:
    """A file to write, or one that is there and stays."""

    path: Path
    # Empty for one that stays.
    text: str = ""
    # What it is, or why it stays.
    words: str


@dataclass(frozen=True, kw_only=True)
class FileFate:
    """A file, and what became of it."""

    file: NewFile
    fate: Fate


def write(files: Iterable[NewFile], *, dry_run: bool) -> Iterable[FileFate]:
    """Write what is not there yet, and yield what became of each file.

    Raises InfrastructureError where a file can't be written.
    """
    for file in files:
        if not file.text or file.path.exists() or file.path.is_symlink():
            yield FileFate(file=file, fate=Fate.KEPT)
        elif dry_run:
            yield FileFate(file=file, fate=Fate.WOULD_BE_WRITTEN)
        else:
            yield FileFate(file=file, fate=_written(file))


def _written(file: NewFile) -> Fate:
    with file_errors(InfrastructureError, str(file.path)):
        file.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Whoever else writes it meanwhile keeps it.
            with file.path.open("x") as opened:
                opened.write(file.text)
        except FileExistsError:
            return Fate.KEPT
    return Fate.WRITTEN
