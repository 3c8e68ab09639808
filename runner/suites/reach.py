"""What a suite may name: the files of its repository."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from runner.files.sources import repository_of


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The folders and files inside of which a suite's objects and files lie."""

    # The suite's.
    folder: Path
    # Resolved; the suite's folder is one of them.
    roots: tuple[Path, ...]
    # "repository", or what stands in for one.
    name: str

    @classmethod
    def of(cls, folder: Path, more: Sequence[Path] = ()) -> Self:
        """Return what a suite reaches: its git repository, its own folder, and more.

        `more` are the matrix's folder, and the objects of the command line.
        """
        repository = repository_of(folder.resolve())
        roots = [folder, *([] if repository is None else [repository]), *more]
        return cls(
            folder=folder,
            roots=tuple(dict.fromkeys(it.resolve() for it in roots)),
            name="suite's folder" if repository is None else "repository",
        )

    def holds(self, name: str) -> bool:
        """Whether a path, seen from the suite's folder, leads to something inside.

        Raises OSError, ValueError or RuntimeError for something that is not a path.
        """
        path = (self.folder / name).resolve()
        return any(path.is_relative_to(root) for root in self.roots)

    def shown(self, name: str, suite: str) -> str:
        """Return a path as reports show it: the same wherever the repository lies.

        In the suite's own folder it is below the suite's name.
        """
        if not Path(name).is_absolute() and ".." not in Path(name).parts:
            return f"{suite}/{name}"
        path = (self.folder / name).resolve()
        # The longest way, so that it says most.
        ways = [path.relative_to(it) for it in self.roots if path.is_relative_to(it)]
        return str(max(ways, key=lambda it: len(it.parts), default=path))
