"""How reports name files: never by where they lie on the machine that built them."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from runner.results import CaseResult


def shown(file: str, started: Path) -> str:
    """Return a source file's name as reports show it.

    `file` is as the debug information has it: often absolute, on the machine that
    built the object. It is shown relative to where the run was started or to the
    repository around that; a file of another machine by the longest end of its path
    that exists here, and else by its name alone.
    """
    path = PurePosixPath(file)
    if not path.is_absolute():
        return str(path)
    for folder in _folders(started):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    for length in range(len(path.parts) - 1, 0, -1):
        end = PurePosixPath(*path.parts[-length:])
        if any((folder / end).is_file() for folder in _folders(started)):
            return str(end)
    return path.name


def placed(result: CaseResult, started: Path) -> CaseResult:
    """Return a result without the paths of this machine or of one that built it."""
    file, colon, line = result.source.rpartition(":")
    source = f"{shown(file, started)}:{line}" if colon else result.source

    def relative(text: str) -> str:
        if result.source:
            text = text.replace(result.source, source)
        for folder in _folders(started):
            # Not within another path.
            text = re.sub(rf"(?<![\w./-]){re.escape(str(folder))}/", "", text)
        return text

    return result.model_copy(
        update={
            "source": source,
            "message": relative(result.message),
            "cure": relative(result.cure),
        }
    )


def _folders(started: Path) -> Iterator[Path]:
    """Yield the folder that a run was started in, and its repository's."""
    yield started
    for folder in (started, *started.parents):
        if (folder / ".git").exists():
            if folder != started:
                yield folder
            return
