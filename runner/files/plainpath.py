"""Paths as people write them: src/probe.bpf.c, not tests/../src/probe.bpf.c."""

import os
from pathlib import Path


def plain(path: Path) -> Path:
    """Return a path without `..` inside, where that leads to the same file.

    Behind a link to a folder, `..` is another folder than it looks.
    """
    if ".." not in path.parts:
        return path
    short = Path(os.path.normpath(path))
    return short if short.resolve() == path.resolve() else path
