"""Lines of styled text for the terminal: templates in, wrapped lines out.

A template's blanks at the beginning of a line are its indent. Filters put parts of a
line into characters that no text has, so that any text may stand in a part.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from jinja2 import Template
from markupsafe import Markup
from rich.console import Console
from rich.text import Text

from runner.reports import templating
from runner.reports.style import LOOKS, shown
from runner.reports.text import clean, one_line
from runner.results import Outcome
from runner.text.console import has_links, is_terminal
from runner.text.wrap import print_wrapped

# Around the style and the text of a part; a line's end within it.
_BEGIN, _MIDDLE, _END, _LINE_END = "\x01", "\x02", "\x03", "\x04"
_MARKS = re.compile("[\x01-\x04]")
# Before the look of a part that is not broken into lines, such as code.
_CUT = "cut "


def template(name: str, filters: Mapping[str, Callable[..., object]]) -> Template:
    """Return a template of styled text that has these filters, too."""
    return templating.of_text(
        {
            "bold": lambda text: _marked(text, "bold"),
            "cut": lambda text, look="": _marked(text, f"{_CUT}{look}"),
            "dim": lambda text: _marked(text, "dim"),
            "linked": _linked,
            "mark": _marked,
            "one_line": one_line,
            "plain": lambda text: _marked(text, ""),
            "shown": shown,
            **filters,
        },
        finalize=lambda it: Markup(it),
    ).get_template(name)


def print_text(console: Console, text: str) -> None:
    """Print what a template says, line by line."""
    for line in text.split("\n")[:-1]:
        if line:
            print_parts(console, *_parsed(line))
        else:
            console.print()


def _marked(text: str, look: str) -> Markup:
    """Return a part of a line with its style, between characters that no text has."""
    kept = _MARKS.sub("", text).replace("\n", _LINE_END)
    return Markup(f"{_BEGIN}{look}{_MIDDLE}{kept}{_END}")


def _linked(text: str, file: Path | None, look: str = "") -> Markup:
    """Return a part that opens a file, where the terminal has links."""
    uri = "" if file is None else file.absolute().as_uri()
    return _marked(text, f"{look} link {uri}" if uri else look)


def _parsed(line: str) -> tuple[list[tuple[str, str]], str]:
    """Return a line's parts, each with its style, and its indent."""
    indent = line[: len(line) - len(line.lstrip(" "))]
    parts = [it.partition(_MIDDLE) for it in line.strip(" ").split(_END) if it]
    return [
        (text.replace(_LINE_END, "\n"), look.removeprefix(_BEGIN))
        for look, _, text in parts
    ], indent


def sign(outcome: Outcome, console: Console) -> str:
    """Return an outcome's sign in the console's encoding."""
    look = LOOKS[outcome]
    return look.ascii_sign if console.options.ascii_only else look.sign


def fit(text: str, console: Console) -> str:
    """Return text with only what the console's encoding has."""
    if not console.options.ascii_only:
        return clean(text)
    return clean(text).replace("…", "...").encode("ascii", "replace").decode()


def print_parts(
    console: Console, parts: Sequence[tuple[str, str]], indent: str
) -> None:
    """Print styled text, broken between words only; what is too long sticks out.

    Further lines stand below the second part. Code is cut at a terminal's edge.
    """
    text = Text()
    links = has_links(console)
    for part, look in parts:
        style = look.removeprefix(_CUT)
        if not links:
            style = style.partition("link ")[0].strip()
        text.append(fit(part, console), style)
    if any(look.startswith(_CUT) for _, look in parts):
        if is_terminal(console.file):
            text.truncate(console.width - len(indent), overflow="ellipsis")
        console.print(Text(indent).append_text(text), soft_wrap=True, highlight=False)
        return
    print_wrapped(console, text, indent, _hanging(parts, indent))


def _hanging(parts: Sequence[tuple[str, str]], indent: str) -> str:
    """Return what further lines begin with: blanks below the second part."""
    first = parts[0][0]
    if len(parts) > 1:
        return " " * len(first) if indent else ""
    # A line of a program's output keeps its own indent.
    return " " * (len(first) - len(first.lstrip(" ")))
