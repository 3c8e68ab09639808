"""The first thing that runs: keeps the user's folder and environment out of Python.

Imports only what Python has imported before it gets here. Anything else could come from
the very folder that this is about.
"""

import os
import sys

# The folder that holds this package: a checkout, or site-packages.
HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
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
    """Return sys.path without the current folder, and without those of PYTHONPATH.

    `python -m` puts the current folder first, `python -P -m` does not. Nothing of the
    user's may come before our libraries. Nor may it come after them, because libraries
    also import what they can do without, such as simplejson. The folder that holds this
    package stays: the package and its libraries may be found nowhere else.
    """
    foreign = python_folders(python_path)
    if not sys.flags.safe_path:
        foreign += [it for it in found[:1] if it in ("", _absolute(""))]
    return [it for it in found if it not in foreign or it == HOME]


def python_folders(python_path: str) -> list[str]:
    """Return the folders that a PYTHONPATH adds to sys.path."""
    return [_absolute(it) for it in python_path.split(os.pathsep) if python_path]


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
