"""The first thing that runs: keeps the user's folder and environment out of Python.

Imports only what Python has imported before it gets here. Anything else could come from
the very folder that this is about.
"""

import os
import sys

# The folder that holds this package: a checkout, or site-packages.
_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Columns or lines that no terminal has.
_TOO_MANY = 10_000


def protect() -> None:
    """Make standard streams, the search path for modules and sizes safe to use."""
    open_descriptors()
    sys.path[:] = search_path(sys.path, os.environ.get("PYTHONPATH", ""))
    forget_sizes()


def open_descriptors() -> None:
    """Open those of the descriptors 0 to 2 that whoever started us has closed.

    Else QEMU's socket or a report would get such a number, and a stray line of output
    would end in it. Standard output is opened so that writing to it still fails, as
    gnulib's stdopen does: a verdict that nobody got is an error.
    """
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which is this one.
            os.open(os.devnull, flags)


def search_path(found: list[str], python_path: str) -> list[str]:
    """Return sys.path without the current folder, and with PYTHONPATH at its end.

    `python -m` puts the current folder first, `python -P -m` does not. A checkout of
    ours stays: this package may be found by it alone.
    """
    here = _absolute("")
    first = found[:1]
    if not sys.flags.safe_path and first and first[0] in ("", here) and here != _HOME:
        found = found[1:]
    given = {_absolute(it) for it in python_path.split(os.pathsep)}
    last = [it for it in found if python_path and it in given]
    return [it for it in found if it not in last] + last


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(path)
    except FileNotFoundError:
        # The current folder was removed.
        return path


def forget_sizes() -> None:
    """Remove sizes of a terminal from the environment that no terminal can have."""
    for name in ("COLUMNS", "LINES"):
        text = os.environ.get(name, "1")
        # Longer texts are no sizes, and int() refuses very long ones.
        good = text.isdecimal() and len(text) < 9 and 0 < int(text) < _TOO_MANY
        if not good:
            del os.environ[name]
