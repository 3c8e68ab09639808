"""The suites that a command line means, as the paths that pytest collects."""

from collections.abc import Sequence
from pathlib import Path

from runner.errors import UsageError
from runner.matrix.matrix import Matrix
from runner.suites import project, search, suitefile
from runner.suites.project import Project
from runner.suites.search import PYTHON_TESTS, SUITE_FILE

_PYTHON = ".py"
_HINT = "docs/suite.md explains what a suite is"


def paths(given: Sequence[Path], found: Project, matrix: Matrix) -> list[Path]:
    """Return suite files, Python test files, and folders that hold some of these.

    Raises UsageError when there is nothing to run, and for a path that is no suite.
    """
    # Single files, where that is possible: pytest has its own idea of the folders that
    # hold tests, and leaves out build/.
    return [
        path
        for one in project.suites(given, found, matrix)
        for path in ([one] if has_python_tests(one) else _suite_files(one))
    ]


def files(given: Sequence[Path], found: Project, matrix: Matrix) -> list[Path]:
    """Return suite files only. Raises as `paths` does."""
    return [
        file
        for path in paths(given, found, matrix)
        for file in suitefile.files_below(path)
    ]


def has_python_tests(path: Path) -> bool:
    """Whether a path is or holds a file of Python tests."""
    if path.is_dir():
        return search.has_python_tests(path)
    return path.suffix == _PYTHON and path.is_file()


def _suite_files(path: Path) -> list[Path]:
    files = suitefile.files_below(path)
    if files:
        return files
    if path.is_dir():
        raise UsageError(
            f"{path}: there is no {SUITE_FILE} and no {PYTHON_TESTS} below it",
            hint=_HINT,
        )
    raise UsageError(f"{path} is not a suite", hint=_instead(path))


def _instead(path: Path) -> str:
    if path.suffix == ".o":
        return f"to load a compiled object without a suite: --object {path}"
    return f"give its folder, its {SUITE_FILE}, or a Python test file. {_HINT}"
