"""The console that verbs print to: as wide, coloured and clickable as its terminal is.

Colours are for terminals only. NO_COLOR removes them, FORCE_COLOR and CLICOLOR_FORCE
ask for them elsewhere (https://no-color.org, https://bixense.com/clicolors).
"""

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

# Imported where something is shown: errors and JSON need nothing of it.
if TYPE_CHECKING:
    from rich.console import Console

# Columns of a file, a pipe, or a log of CI, which can be scrolled.
WIDTH_OF_LOGS = 120

# Terminals that know hyperlinks (OSC 8), by a variable that they set: all, or from a
# number on. rich sends links to every terminal that has colours.
_LINKING_PROGRAMS = frozenset(
    {"Hyper", "WezTerm", "ghostty", "iTerm.app", "mintty", "rio", "tabby", "vscode"}
)
_LINKING_TERMS = ("alacritty", "contour", "foot", "xterm-ghostty", "xterm-kitty")
# VTE (GNOME Terminal and others) from 0.50 on, Konsole from 20.12 on.
_LINKING_VERSIONS = {"VTE_VERSION": 5000, "KONSOLE_VERSION": 201200}
_LINKING = ("KITTY_WINDOW_ID", "WT_SESSION", "DOMTERM")


def make(file: TextIO | None = None, *, width: int | None = None) -> "Console":
    """Return a console for a stream, by default for standard output.

    `width` is in columns; by default it is the terminal's, or that of logs.
    """
    from rich.console import Console

    target = file or sys.stdout
    if width is None and not is_terminal(target):
        width = width_of_logs(os.environ)
    return Console(
        file=target,
        # What rich decides by itself otherwise: it knows NO_COLOR and FORCE_COLOR.
        force_terminal=True if is_forced(os.environ) else None,
        width=width,
        highlight=False,
        emoji=False,
    )


def is_terminal(file: object) -> bool:
    """Whether a stream is a terminal; FORCE_COLOR makes none of a file."""
    try:
        return bool(getattr(file, "isatty", bool)())
    # It was closed.
    except ValueError:
        return False


def is_forced(environment: Mapping[str, str]) -> bool:
    """Whether colours are wanted in files, too."""
    return environment.get("CLICOLOR_FORCE", "0") not in ("", "0")


def width_of_logs(environment: Mapping[str, str]) -> int:
    """Return the columns of what is no terminal: COLUMNS, or enough for a log."""
    columns = environment.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() and int(columns) else WIDTH_OF_LOGS


def has_links(console: "Console") -> bool:
    """Whether a terminal is known to show hyperlinks (OSC 8)."""
    return (
        is_terminal(console.file)
        and console.color_system is not None
        and knows_links(os.environ)
    )


def knows_links(environment: Mapping[str, str]) -> bool:
    """Whether these variables are those of a terminal that has hyperlinks.

    FORCE_HYPERLINK decides, if it is set. A log of CI has none, and tmux and screen
    pass them on only if they are told to.
    """
    forced = environment.get("FORCE_HYPERLINK")
    if forced is not None:
        return forced not in ("", "0")
    if environment.get("CI") or environment.get("TMUX") or environment.get("STY"):
        return False
    return (
        environment.get("TERM_PROGRAM") in _LINKING_PROGRAMS
        or environment.get("TERM", "").startswith(_LINKING_TERMS)
        or any(environment.get(it) for it in _LINKING)
        or any(
            environment.get(name, "").isdecimal() and int(environment[name]) >= least
            for name, least in _LINKING_VERSIONS.items()
        )
    )
