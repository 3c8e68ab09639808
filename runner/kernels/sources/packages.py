"""Files out of Debian's packages and RPM's, which their own tools make tars of."""

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from runner.errors import ArtifactError
from runner.kernels import modules
from runner.process.programs import environment

# A module or an image larger than this is none.
LARGEST = 512 << 20
# What packages call a kernel's image; SUSE's are named as the kernel's build does on
# arm64 (Image) and s390x (image).
IMAGES = ("vmlinuz", "Image", "image")
# Source: lib/rpmlead.h of RPM.
_RPM = b"\xed\xab\xee\xdb"
_DEB_TO_TAR = ["dpkg-deb", "--fsys-tarfile"]
# It reads standard input, because it writes beside a file that it is given by name.
_RPM_TO_TAR = ["rpm2archive", "--nocompression", "-"]


@contextmanager
def opened(package: Path, *, to_the_end: bool) -> Iterator[tarfile.TarFile]:
    """Give a package's files as a tar that is read once, from its start to its end.

    Raises ArtifactError for a package that can't be read; one that is cut short is
    noticed `to_the_end` only.
    """
    # To a file, because nobody reads along.
    with tempfile.TemporaryFile() as errors, _unpacking(package, errors) as process:
        assert process.stdout is not None
        problem = ""
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                yield archive
            if to_the_end:
                # A truncated archive looks to tarfile as if it had ended; the tool
                # knows.
                while process.stdout.read(1 << 20):
                    pass
                problem = "it is damaged" if process.wait() != 0 else ""
        except tarfile.TarError as error:
            problem = str(error)
        except BaseException:
            process.kill()
            raise
        process.stdout.close()
        process.wait()
        if problem:
            errors.seek(0)
            lines = errors.read().decode("utf-8", "replace").splitlines()
            said = "; ".join(dict.fromkeys(filter(None, map(str.strip, lines))))
            raise ArtifactError(
                f"{package.name} can't be read: {said or problem}",
                hint="fetch it again: python -m runner fetch",
            )


def is_rpm(package: Path) -> bool:
    """Whether a file is a package of RPM's. Raises OSError for one that is closed."""
    if not package.is_file():
        return False
    with package.open("rb") as stream:
        return stream.read(len(_RPM)) == _RPM


def _unpacking(package: Path, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    rpm = is_rpm(package)
    argv = _RPM_TO_TAR if rpm else [*_DEB_TO_TAR, str(package)]
    try:
        with open(package if rpm else os.devnull, "rb") as stream:
            return subprocess.Popen(
                argv,
                env=environment(),
                stdin=stream,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
    except OSError as error:
        raise ArtifactError(
            f"can't run {argv[0]}: {error.strerror}",
            hint="apt-get install rpm2cpio"
            if rpm
            else "run on Debian, or in a Debian container",
        ) from error


def _members(
    archive: tarfile.TarFile, wanted: Callable[[str], bool]
) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Yield path, size and content of regular files; paths are without "./"."""
    for member in archive:
        path = member.name.removeprefix("./")
        if member.isreg() and wanted(path):
            content = archive.extractfile(member)
            assert content is not None
            yield path, member.size, content


def files(package: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Return path and content of a package's regular files that are wanted.

    Paths are as in the package, without "./"; nothing is written anywhere.
    Raises ArtifactError for a package that can't be read.
    """
    with opened(package, to_the_end=True) as archive:
        for path, size, content in _members(archive, wanted):
            if size > LARGEST:
                raise ArtifactError(f"{package.name}: {path} is too large")
            yield path, content.read()


def extract(package: Path, wanted: Callable[[str], bool], output: Path) -> str | None:
    """Write the first wanted file to a path and return its name, or None.

    For files that are too large for memory. Raises ArtifactError for a damaged package.
    """
    with opened(package, to_the_end=False) as archive:
        for path, _, content in _members(archive, wanted):
            with output.open("wb") as stream:
                shutil.copyfileobj(content, stream, 1 << 20)
            return path
    return None


def write_tar(package: Path, output: Path) -> None:
    """Write all files of a package as a tar. Raises ArtifactError."""
    with (
        tempfile.TemporaryFile() as errors,
        _unpacking(package, errors) as process,
        output.open("wb") as stream,
    ):
        assert process.stdout is not None
        shutil.copyfileobj(process.stdout, stream, 1 << 20)
        if process.wait() != 0:
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace").strip()
            raise ArtifactError(f"{package.name} can't be read: {said}")


def is_of_kernel(path: str) -> bool:
    """Whether a package's file is one that an artifact is made of."""
    # boot/vmlinuz-RELEASE up to 6.x, usr/lib/modules/RELEASE/vmlinuz from 7.x on.
    file = PurePosixPath(path).name
    return (
        path.startswith("boot/")
        or modules.name_of(path) is not None
        or file in (*IMAGES, "config", "System.map", "modules.builtin")
    )
