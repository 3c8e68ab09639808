"""What building a loader takes, whatever its language."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class LibraryOrigin:
    """Where a library is from: the pinned version unless one of these is set."""

    version: str = ""
    folder: Path | None = None


class Workshop(Protocol):
    """A copy of a loader's sources in which programs may run."""

    @property
    def folder(self) -> Path:
        """The copy."""

    def download(self, *argv: str) -> None:
        """Run a program that fetches what the build needs.

        Raises UsageError if it says that a version does not exist, and else
        InfrastructureError.
        """

    def compile(self, *argv: str) -> None:
        """Run a program that needs no network. Raises UsageError or
        InfrastructureError, depending on who chose the library."""

    def printed(self, *argv: str) -> str:
        """Return what a program prints."""


@dataclass(frozen=True, kw_only=True)
class Library:
    """A library that loads BPF objects, and how a loader is built with it."""

    # As suites name it; the folder of the loader's sources, too.
    name: str
    # As people call it.
    title: str
    option: str
    # A version of it, for messages.
    example: str
    # A file that the folder of its source has.
    landmark: str
    # Of files that count in such a folder.
    suffixes: tuple[str, ...]
    # The program that builds, its Debian package, and what shows its version.
    tool: str
    package: str
    tool_version: Sequence[str]
    # What the tool prints of a version that does not exist.
    unknown_version: str
    # Put the program at a path, and return the library's version.
    make: Callable[[Workshop, LibraryOrigin, Path], str]
