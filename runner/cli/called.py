"""How the user called the program, so that help and hints can be pasted."""

import sys
from pathlib import Path

COMMAND = "bpf-kernel-matrix"
# As constants of help and errors write it.
_MODULE = "python -m runner"
# The command that says more of a failure; see as_called.
EXPLAIN = f"{_MODULE} explain"


def program() -> str:
    """Return what the user typed in place of `python -m runner`."""
    return COMMAND if Path(sys.argv[0]).name == COMMAND else _MODULE


def as_called(text: str) -> str:
    """Return a text of help or of an error, with the program as the user called it."""
    return text.replace(_MODULE, program())
