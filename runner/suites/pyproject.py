"""[tool.bpf-kernel-matrix] of a pyproject.toml: what a command means by default."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.errors import UsageError
from runner.text.nearest import near

FILE = "pyproject.toml"
_TABLE = "bpf-kernel-matrix"


@dataclass(frozen=True, kw_only=True)
class PyProject:
    """The table's keys; empty where it does not have them."""

    path: Path
    # Folders of suites, Python test files, or folders that hold them.
    suites: tuple[Path, ...] = ()
    # The matrix file.
    matrix: Path | None = None
    # Which kernels are meant without --kernels.
    kernels: tuple[str, ...] = ()


def read(folder: Path) -> PyProject:
    """Read the table of a folder's pyproject.toml; paths are relative to that file.

    Raises UsageError for a key that it does not know, and for a value of another type.
    """
    path = folder / FILE
    text = _text(path)
    table = _table(path, text)
    known = ("suites", "matrix", "kernels")
    for key in table:
        if key not in known:
            meant = near(key, known, f"the keys are {', '.join(known)}")
            raise _mistake(path, text, key, f"unknown key {key!r}{meant}")
    matrix = table.get("matrix")
    if matrix is not None and not (isinstance(matrix, str) and matrix):
        raise _mistake(path, text, "matrix", "matrix: should be a path, in quotes")
    return PyProject(
        path=path,
        suites=tuple(folder / it for it in _list(path, text, table, "suites")),
        matrix=None if matrix is None else folder / matrix,
        kernels=_list(path, text, table, "kernels"),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: can't be read: {error}") from error


def _table(path: Path, text: str) -> Mapping[str, object]:
    # Most projects have no such table, and reading TOML takes time.
    if _TABLE not in text:
        return {}
    try:
        tool = tomllib.loads(text).get("tool", {})
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}") from error
    table = tool.get(_TABLE, {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise _mistake(path, text, _TABLE, f"tool.{_TABLE} should be a table")
    return table


def _list(
    path: Path, text: str, table: Mapping[str, object], key: str
) -> tuple[str, ...]:
    given = table.get(key)
    if given is None:
        return ()
    if (
        not isinstance(given, list)
        or not given
        or not all(isinstance(it, str) and it for it in given)
    ):
        raise _mistake(path, text, key, f"{key}: should be a list of strings")
    return tuple(given)


def _mistake(path: Path, text: str, key: str, what: str) -> UsageError:
    # tomllib does not say where a key is.
    _, table, below = text.partition(f"[tool.{_TABLE}]")
    found = re.search(rf'^\s*"?{re.escape(key)}"?\s*=', below, re.MULTILINE)
    if not table or found is None:
        return UsageError(f"{path}: [tool.{_TABLE}] {what}")
    end = len(text) - len(below) + found.end()
    return UsageError(f"{path}:{text.count(chr(10), 0, end) + 1}: {what}")
