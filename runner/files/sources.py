"""How reports name files: never by where they lie on the machine that built them."""

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath


def shown(file: str, started: Path) -> str:
    """Return a source file's name as reports show it.

    `file` is as the debug information has it: often absolute, on the machine that
    built the object. It is shown relative to where the run was started or to the
    repository around that; a file of another machine by the longest end of its path
    that exists here, and else by its name alone.
    """
    path = PurePosixPath(file)
    if not path.is_absolute():
        return str(path)
    for folder in _folders(started):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    for length in range(len(path.parts) - 1, 0, -1):
        end = PurePosixPath(*path.parts[-length:])
        if any((folder / end).is_file() for folder in _folders(started)):
            return str(end)
    return path.name


def from_top(file: str, started: Path) -> str:
    """Return a source file's name from the top of its repository.

    That is what code scanning and GitHub's annotations need, wherever in the repository
    a run was started. A file that is not there keeps its name.
    """
    top = repository_of(started)
    path = Path(os.path.normpath(started / file))
    if not file or top is None or not path.is_file() or not path.is_relative_to(top):
        return file
    return path.relative_to(top).as_posix()


def relative(text: str, files: Iterable[str], started: Path) -> str:
    """Return a text with the files that it names as `shown` names them."""
    for file in files:
        if file.startswith("/"):
            text = text.replace(f"{file}:", f"{shown(file, started)}:")
    return text


def renamed(text: str, old: str, new: str) -> str:
    """Return a text with a file's name before a line, "probe.bpf.c:37", as another."""
    # Not the end of another path.
    place = rf"(?<![\w./-]){re.escape(old)}:(?=\d)"
    return re.sub(place, lambda _: f"{new}:", text)


def without_folders(text: str, started: Path) -> str:
    """Return a text with paths relative to where a run was started."""
    for folder in _folders(started):
        # Not within another path.
        text = re.sub(rf"(?<![\w./-]){re.escape(str(folder))}/", "", text)
    return text


def repository_of(folder: Path) -> Path | None:
    """Return the top of the git repository that a folder is in, if it is in one."""
    # In a worktree, and in a submodule, .git is a file.
    around = (folder, *folder.parents)
    return next((it for it in around if (it / ".git").exists()), None)


def _folders(started: Path) -> list[Path]:
    """Return the folder that a run was started in, and its repository's."""
    return list(dict.fromkeys([started, repository_of(started) or started]))
