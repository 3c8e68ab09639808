"""The source around a line: as the run kept it, from its file, or from an object."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runner.bpf import object as bpf_object
from runner.errors import RunnerError
from runner.files.sources import repository_of
from runner.reports.text import clean
from runner.results import CaseResult

# Lines before and behind the one that counts.
_AROUND = 3
# Bytes of a file of source; larger ones are none.
_MOST = 4 << 20
_PLACE = re.compile(r"(.+):(\d+)$")


@dataclass(frozen=True, kw_only=True)
class SourceText:
    """A line of source with its number."""

    number: int
    text: str
    # Whether it is the one that the failure is about.
    counts: bool = False


@dataclass(frozen=True, kw_only=True)
class ShownExcerpt:
    """Some lines around the one that a failure is about."""

    # As the report names the file: "src/probe.bpf.c".
    file: str
    lines: tuple[SourceText, ...]
    # Where the lines were read: None when the report itself has them. An object has
    # the lines with instructions only.
    read_from: Path | None
    is_of_object: bool = False


def excerpt(case: CaseResult, started: Path) -> ShownExcerpt | None:
    """Return the source around the line that a case's failure names, if it is here.

    `started` is the folder that paths of the report are relative to. Returns None if
    the report names no line, or neither the source nor the object can be read.
    """
    place = _PLACE.match(case.source)
    if place is None:
        return None
    file, number = place[1], int(place[2])
    if case.excerpt is not None:
        kept = enumerate(map(clean, case.excerpt.lines), case.excerpt.first)
        return ShownExcerpt(
            file=file, lines=tuple(_around(kept, number)), read_from=None
        )
    for path in _files(file, case.source_path, started):
        lines = _lines_of_file(path)
        if number <= len(lines):
            return ShownExcerpt(
                file=file,
                lines=tuple(_around(enumerate(lines, 1), number)),
                read_from=path,
            )
    return _of_object(case, file, number, started)


def _files(file: str, source_path: str, started: Path) -> Iterator[Path]:
    """Yield the files that a name in a report may mean, the likeliest first."""
    folders = [started, repository_of(started) or started]
    if source_path:
        # Names in debug information may be relative to where the compiler ran.
        folders += (started / source_path).parents
        if PurePosixPath(source_path).name == PurePosixPath(file).name:
            yield started / source_path
    for folder in dict.fromkeys(folders):
        yield folder / file


def _lines_of_file(path: Path) -> list[str]:
    """Return a file's lines; none if it is no text that can be read."""
    try:
        if path.stat().st_size > _MOST:
            return []
        text = path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return []
    return [clean(line).expandtabs(4) for line in text.splitlines()]


def _around(lines: Iterable[tuple[int, str]], number: int) -> Iterator[SourceText]:
    for own, text in lines:
        if abs(own - number) <= _AROUND:
            yield SourceText(number=own, text=text, counts=own == number)


def _of_object(
    case: CaseResult, file: str, number: int, started: Path
) -> ShownExcerpt | None:
    """Return the lines that an object's BTF has, if the object lies where it lay."""
    path = started / case.source_path
    name = PurePosixPath(file).name
    with suppress(RunnerError, OSError):
        if not case.source_path.endswith(".o"):
            return None
        info = bpf_object.read(path.read_bytes()).debug
        known = {
            line.number: clean(line.text)
            for lines in info.lines.values()
            for line in lines
            if PurePosixPath(line.file).name == name and line.number
        }
        if number in known:
            return ShownExcerpt(
                file=file,
                lines=tuple(_around(sorted(known.items()), number)),
                read_from=path,
                is_of_object=True,
            )
    return None
