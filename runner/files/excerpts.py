"""The lines around a line of source, for reports that are read without the source."""

from itertools import islice
from pathlib import Path

from runner.results import SourceExcerpt

# Lines before and behind, and characters of a line.
_AROUND = 5
_WIDTH = 200
# Nobody writes a longer source; a file that is one long line is none.
_MOST_BYTES = 4 << 20


def around(file: Path, line: int) -> SourceExcerpt | None:
    """Return the lines around a line, which is counted from 1.

    None for a line that the file does not have, and a file that can't be read.
    """
    first = max(1, line - _AROUND)
    try:
        if line < 1 or file.stat().st_size > _MOST_BYTES:
            return None
        with file.open(encoding="utf-8", errors="replace") as source:
            lines = list(islice(source, first - 1, line + _AROUND))
    except OSError:
        return None
    if len(lines) <= line - first:
        return None
    shown = tuple(it.rstrip("\r\n").expandtabs()[:_WIDTH] for it in lines)
    return SourceExcerpt(first=first, lines=shown)
