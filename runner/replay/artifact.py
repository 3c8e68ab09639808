"""A foreign folder of reports, as a folder, a zip or a tar: only read, and bounded.

Nothing is unpacked. A file is found by its whole name, read up to a limit whatever
length the archive claims, and held against its checksum. So no name, link or device in
an archive ever becomes one of this machine.
"""

import hashlib
import os
import stat
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pydantic import ValidationError

from runner import reports
from runner.errors import UsageError
from runner.replay.bundle import (
    FILES,
    INDEX,
    MOST_FILE,
    MOST_INDEX,
    REPLAY_VERSION,
    Bundle,
)
from runner.reports import resultsfile
from runner.results import RunResults

# Entries of an archive, and bytes of the results in it.
_MOST_ENTRIES = 200_000
_MOST_RESULTS = 512 << 20

_EXPECTED = (
    "give the --reports folder of a run, its results.json, or the artifact that CI "
    "keeps of it (.zip or .tar)"
)
# What broken archives raise, of every library that takes part.
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, ValueError),
    *(NotImplementedError, RuntimeError, OSError, MemoryError, KeyError, IndexError),
)


class ReportsArtifact(AbstractContextManager["ReportsArtifact"], ABC):
    """Where a run's reports are read from."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def _open(self, name: str) -> IO[bytes] | None:
        """Open a file below the folder of reports; None when there is none."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""

    def read(self, name: str, most: int) -> bytes:
        """Return a file of at most `most` bytes.

        Raises UsageError for one that is missing, larger, or can't be read.
        """
        try:
            stream = self._open(name)
            if stream is None:
                raise UsageError(f"{self.path}: there is no {name} in it")
            with stream:
                data = stream.read(most + 1)
        except _BROKEN as error:
            raise UsageError(
                f"{self.path}: {name} can't be read: {error or type(error).__name__}",
                hint="download the artifact again",
            ) from error
        if len(data) > most:
            raise UsageError(f"{self.path}: {name} is larger than {most >> 20} MiB")
        return data

    def results(self) -> RunResults:
        """Return the run. Raises UsageError for what is none."""
        return resultsfile.parse(
            self.read(reports.RESULTS, _MOST_RESULTS), self.path / reports.RESULTS
        )

    def bundle(self) -> Bundle:
        """Return what the run kept. Raises UsageError where it kept nothing."""
        try:
            data = self.read(INDEX, MOST_INDEX)
        except UsageError as error:
            raise UsageError(
                error.message,
                hint="it was written by a version before 0.2, or not all of the folder "
                "was uploaded; give the whole folder, not results.json alone",
            ) from error
        try:
            return Bundle.model_validate_json(data)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"]))
            raise UsageError(
                f"{self.path}: {INDEX}: {where}: {fault['msg']}",
                hint=f"this version reads format {REPLAY_VERSION}; use the version of "
                "bpf-kernel-matrix that wrote it",
            ) from error

    def file(self, sha256: str) -> bytes:
        """Return a file of the bundle. Raises UsageError for another content."""
        data = self.read(f"{FILES}/{sha256}", MOST_FILE)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise UsageError(
                f"{self.path}: {FILES}/{sha256} has another checksum",
                hint="download the artifact again",
            )
        return data


def open_artifact(path: Path) -> ReportsArtifact:
    """Open what a word of the command line names. Raises UsageError."""
    try:
        if path.is_dir():
            return _ReportsFolder(path)
        if path.name == reports.RESULTS:
            return _ReportsFolder(path.parent)
        if zipfile.is_zipfile(path):
            return _ZipArtifact(path)
        if _is_tar(path):
            return _TarArtifact(path)
    except UsageError:
        raise
    except _BROKEN as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{path}: {words}", hint=_EXPECTED) from error
    raise UsageError(f"{path} is not an artifact of a run", hint=_EXPECTED)


def _is_tar(path: Path) -> bool:
    try:
        tarfile.TarFile(path).close()
    except tarfile.TarError:
        return False
    return True


class _ReportsFolder(ReportsArtifact):
    def _open(self, name: str) -> IO[bytes] | None:
        # No link of the folder leads out of it.
        inside = self.path.resolve()
        whole = inside / name
        if not whole.exists() or whole.resolve() != whole:
            return None
        file = os.open(whole, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            return None
        return os.fdopen(file, "rb")


class _ZipArtifact(ReportsArtifact):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._archive = zipfile.ZipFile(path)
        names = self._archive.namelist()
        if len(names) > _MOST_ENTRIES:
            raise UsageError(f"{path}: there are {len(names)} files in it")
        self._top = _top_of(names)
        self._names = frozenset(names)

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def _open(self, name: str) -> IO[bytes] | None:
        whole = f"{self._top}{name}"
        return self._archive.open(whole) if whole in self._names else None


class _TarArtifact(ReportsArtifact):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        # Not compressed: else a small file could be endless.
        self._archive = tarfile.TarFile(path)
        self._members: dict[str, tarfile.TarInfo] = {}
        for member in self._archive:
            # Nothing but files: a link would lead to another one.
            if member.isreg():
                self._members[member.name.removeprefix("./")] = member
            if len(self._members) > _MOST_ENTRIES:
                raise UsageError(f"{path}: there are too many files in it")
        self._top = _top_of(list(self._members))

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def _open(self, name: str) -> IO[bytes] | None:
        member = self._members.get(f"{self._top}{name}")
        return None if member is None else self._archive.extractfile(member)

    def __enter__(self) -> Self:
        return self


def _top_of(names: list[str]) -> str:
    """Return the folder in an archive that the reports are in: "" or "NAME/"."""
    tops = [
        name.removesuffix(reports.RESULTS)
        for name in names
        if name == reports.RESULTS or name.endswith(f"/{reports.RESULTS}")
    ]
    return min(tops, key=lambda it: (it.count("/"), it), default="")
