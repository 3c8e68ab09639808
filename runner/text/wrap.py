"""Sentences on the terminal: broken between words, with their indent on every line."""

import re
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

_WORD = re.compile(r"\S+")


def print_wrapped(
    to: "Console", text: Text, indent: str = "", hanging: str = ""
) -> None:
    """Print text, broken between words only; a word that is too long sticks out.

    Further lines have `hanging` behind the indent. What is copied has no blanks at the
    ends of lines.
    """
    lines = _wrapped(text, to.width - len(indent), len(hanging))
    for number, line in enumerate(lines):
        start = indent + hanging if number else indent
        to.print(Text(start).append_text(line), soft_wrap=True, highlight=False)


def _wrapped(text: Text, width: int, hanging: int) -> list[Text]:
    """Break before words that do not fit; `hanging` is the further lines' indent."""
    start = 0
    breaks = []
    for word in _WORD.finditer(text.plain):
        if word.start() > start and word.end() - start > width:
            breaks.append(word.start())
            start = word.start() - hanging
    lines = list(text.divide(breaks))
    for line in lines:
        line.rstrip()
    return lines
