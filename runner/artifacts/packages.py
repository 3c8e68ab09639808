"""Files out of Debian packages."""

import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from runner.artifacts import modules
from runner.errors import ArtifactError

# A module or an image larger than this is none.
_LARGEST = 512 << 20


@contextmanager
def _opened(package: Path) -> Iterator[tarfile.TarFile]:
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                yield archive
        except tarfile.TarError as error:
            process.kill()
            said = process.stderr.read().decode("utf-8", "replace").strip()
            raise ArtifactError(
                f"{package.name} can't be read: {said or error}",
                hint="fetch it again: python -m runner fetch",
            ) from error


def files(package: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Return path and content of a package's regular files that are wanted.

    Paths are as in the package, without "./"; nothing is written anywhere.
    Raises ArtifactError for a package that can't be read.
    """
    with _opened(package) as archive:
        for member in archive:
            path = member.name.removeprefix("./")
            if not member.isreg() or not wanted(path):
                continue
            if member.size > _LARGEST:
                raise ArtifactError(f"{package.name}: {path} is too large")
            content = archive.extractfile(member)
            assert content is not None
            yield path, content.read()


def extract(package: Path, wanted: Callable[[str], bool], output: Path) -> str | None:
    """Write the first wanted file to a path and return its name, or None.

    For what is too large for memory. Raises ArtifactError for a damaged package.
    """
    with _opened(package) as archive:
        for member in archive:
            path = member.name.removeprefix("./")
            if member.isreg() and wanted(path):
                content = archive.extractfile(member)
                assert content is not None
                with output.open("wb") as stream:
                    shutil.copyfileobj(content, stream, 1 << 20)
                return path
    return None


def is_of_kernel(path: str) -> bool:
    """Whether a package's file is one that an artifact is made of."""
    # boot/vmlinuz-RELEASE up to 6.x, usr/lib/modules/RELEASE/vmlinuz from 7.x on.
    file = PurePosixPath(path).name
    return (
        path.startswith("boot/")
        or modules.name_of(path) is not None
        or file in ("vmlinuz", "config", "System.map", "modules.builtin")
    )
