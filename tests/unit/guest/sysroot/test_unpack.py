"""Packages that are unpacked below a folder."""

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from runner.errors import ArtifactError
from runner.guest.sysroot import unpack


def package(folder: Path, *members: tuple[str, bytes, str, bytes]) -> Path:
    """Make a .deb of members: path, type, the link's target, content."""
    control = tarfile.TarInfo("./control")
    text = b"Package: x\nVersion: 1\nArchitecture: arm64\nMaintainer: x\n"
    text += b"Description: x\n"
    control.size = len(text)
    for name, entries in (
        ("control.tar", [(control, text)]),
        ("data.tar", [(_entry(*it), it[3]) for it in members]),
    ):
        with tarfile.open(folder / name, "w") as archive:
            for entry, content in entries:
                archive.addfile(entry, io.BytesIO(content))
    (folder / "debian-binary").write_text("2.0\n")
    parts = ("debian-binary", "control.tar", "data.tar")
    subprocess.run(
        ["ar", "rcD", "x.deb", *parts], cwd=folder, check=True, capture_output=True
    )
    return folder / "x.deb"


def _entry(path: str, kind: bytes, target: str, content: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.linkname, entry.size = kind, target, len(content)
    entry.mode = 0o755
    return entry


def file(path: str, content: bytes = b"x") -> tuple[str, bytes, str, bytes]:
    return path, tarfile.REGTYPE, "", content


def link(path: str, target: str) -> tuple[str, bytes, str, bytes]:
    return path, tarfile.SYMTYPE, target, b""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    return root


def test_what_compilers_and_guests_need_is_there(tmp_path: Path, root: Path) -> None:
    made = package(
        tmp_path,
        file("./usr/lib/aarch64-linux-gnu/libz.so.1.2", b"\x7fELF"),
        link("./usr/lib/aarch64-linux-gnu/libz.so.1", "libz.so.1.2"),
        file("./usr/share/doc/zlib1g/copyright"),
        file("./usr/lib/aarch64-linux-gnu/gconv/UTF-7.so"),
    )

    unpack.into(made, root)

    there = sorted(it.name for it in root.rglob("*") if not it.is_dir())
    assert there == ["libz.so.1", "libz.so.1.2"]
    library = root / "usr/lib/aarch64-linux-gnu/libz.so.1"
    assert library.read_bytes() == b"\x7fELF"


def test_an_absolute_link_stays_inside(tmp_path: Path, root: Path) -> None:
    made = package(
        tmp_path,
        file("./lib/libm.so.6", b"m"),
        link("./usr/lib/libm.so", "/lib/libm.so.6"),
        link("./usr/lib/far.so", "../../../../../lib/libm.so.6"),
    )

    unpack.into(made, root)

    for name in ("libm.so", "far.so"):
        assert os.readlink(root / "usr/lib" / name) == "../../lib/libm.so.6"


def test_nothing_is_written_through_a_link(tmp_path: Path, root: Path) -> None:
    made = package(tmp_path, link("./lib/x", "/usr"), file("./lib/x/evil"))

    with pytest.raises(ArtifactError, match="lib/x/evil leads out of the package"):
        unpack.into(made, root)


def test_nothing_is_written_above(tmp_path: Path, root: Path) -> None:
    made = package(tmp_path, file("lib/../../evil"))

    with pytest.raises(ArtifactError, match="leads out"):
        unpack.into(made, root)
    assert not (tmp_path / "evil").exists()


def test_a_damaged_package_is_refused(tmp_path: Path, root: Path) -> None:
    made = package(tmp_path, file("./lib/x", b"x" * 5000))
    made.write_bytes(made.read_bytes()[:-3000])

    with pytest.raises(ArtifactError, match=r"x\.deb can't be read"):
        unpack.into(made, root)
