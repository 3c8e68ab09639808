"""Which programs and files a root has, for those who look from outside."""

import json
import posixpath
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from runner.guest.roots.tree import RootTree

# What a command is looked up in, unless PATH is set for it.
SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOST_LINKS = 40
# What stands in the list for each path.
_FOLDER, _PROGRAM, _FILE, _LINK = "d", "x", "f", "@"


@dataclass(frozen=True)
class RootContents:
    """The paths of a root."""

    # Path without a leading slash → what it is; "@TARGET" for a symbolic link.
    by_path: dict[str, str]

    @classmethod
    def of(cls, tree: RootTree) -> Self:
        """Return what a tree has."""
        found = {}
        for path, inode in tree.walk():
            if inode.kind == "folder":
                found[path] = _FOLDER
            elif inode.kind == "link":
                found[path] = f"{_LINK}{inode.target}"
            else:
                is_program = inode.kind == "file" and inode.mode & 0o111
                found[path] = _PROGRAM if is_program else _FILE
        return cls(found)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote."""
        return cls(json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        """Write it to a file."""
        path.write_text(json.dumps(self.by_path))

    def resolve(self, path: str) -> str | None:
        """Return where a path leads to, by an absolute path; None for nothing."""
        way: list[str] = []
        pending = _parts(path)[::-1]
        links = 0
        while pending:
            name = pending.pop()
            if name == "..":
                way = way[:-1]
                continue
            there = self.by_path.get("/".join((*way, name)))
            if there is None:
                return None
            if not there.startswith(_LINK):
                way.append(name)
                continue
            links += 1
            if links > _MOST_LINKS:
                return None
            if there.startswith(f"{_LINK}/"):
                way = []
            pending += _parts(there[1:])[::-1]
        return "/" + "/".join(way)

    def has(self, path: str) -> bool:
        """Whether a path leads to something."""
        return self.resolve(path) is not None

    def is_program(self, path: str) -> bool:
        """Whether a path leads to a file that can be executed."""
        found = self.resolve(path)
        return found is not None and self.by_path.get(found[1:]) == _PROGRAM

    def program(self, name: str, search: str = SEARCH) -> str | None:
        """Return the path of a program by its name, as execvp() finds it."""
        for folder in search.split(":"):
            path = posixpath.join(folder, name)
            if folder.startswith("/") and self.is_program(path):
                return path
        return None

    @property
    def programs(self) -> Container[str]:
        """The paths of all programs."""
        return _Paths(self.is_program)

    @property
    def paths(self) -> Container[str]:
        """The paths of all that there is."""
        return _Paths(self.has)

    @cached_property
    def names(self) -> list[str]:
        """The names of the programs that commands are looked up in."""
        return sorted(
            {
                path.rpartition("/")[2]
                for path in self.by_path
                if f"/{path.rpartition('/')[0]}" in SEARCH.split(":")
                or path.startswith("usr/bin/")
            }
        )


class _Paths(Container[str]):
    def __init__(self, has: Callable[[str], bool]) -> None:
        self._has = has

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self._has(path)


def _parts(path: str) -> list[str]:
    return [it for it in path.split("/") if it not in ("", ".")]


def unpacked_size(tree: RootTree) -> int:
    """Return how many bytes the files of a tree have."""
    seen: set[int] = set()
    return sum(_new_sizes(tree, seen))


def _new_sizes(tree: RootTree, seen: set[int]) -> Iterator[int]:
    for _, inode in tree.walk():
        if id(inode) not in seen:
            seen.add(id(inode))
            yield inode.size
