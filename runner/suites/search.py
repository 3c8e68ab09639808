"""Looks for suites below a folder, without going where nobody keeps any."""

import os
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from runner.errors import UsageError
from runner.files.shipped import ROOT

SUITE_FILE = "suite.yaml"
PYTHON_TESTS = "test_*.py"

# A kernel's tree has 5,000 folders.
_MOST_FOLDERS = 20_000
# Programs put other people's files there.
_FOREIGN = frozenset({"node_modules", "__pycache__"})
# A folder that holds one of these is a Python environment, a cache or build output
# (https://bford.info/cachedir), or another repository.
TAG = "CACHEDIR.TAG"
TAG_TEXT = "Signature: 8a477f597d28d172789f06886806bc55\n"
_MARKS = ("pyvenv.cfg", TAG, ".git")


def below(folder: Path, name: str = SUITE_FILE) -> list[Path]:
    """Return the files of a name or pattern below a folder, sorted.

    Hidden folders, caches, Python environments and other repositories are left out, and
    links are not followed out of the folder. Raises UsageError for too many folders.
    """
    inside = folder.resolve()
    return sorted(
        path
        for path in _files(folder)
        if fnmatch(path.name, name) and _is_inside(path, inside)
    )


def _is_inside(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder)
    except (OSError, RuntimeError):
        # A link that leads to itself: who reads it says so.
        return True


def has_python_tests(folder: Path) -> bool:
    """Whether there are files of Python tests below a folder."""
    return any(fnmatch(path.name, PYTHON_TESTS) for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    # os.walk() does not enter links to folders.
    for number, (at, folders, files) in enumerate(os.walk(folder)):
        if number == _MOST_FOLDERS:
            raise UsageError(
                f"{folder}: there are more than {_MOST_FOLDERS} folders below it",
                hint="name the folders of your suites: --suite PATH, or the key "
                "`suites` in the matrix file",
            )
        folders[:] = sorted(it for it in folders if _is_entered(Path(at, it)))
        yield from (Path(at, name) for name in files)


def _is_entered(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in _FOREIGN:
        return False
    # A checkout of this project: its suites are not those of a project that holds it.
    return folder.resolve() != ROOT and not any(
        (folder / mark).exists() for mark in _MARKS
    )
