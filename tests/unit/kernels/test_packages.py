"""Files out of real packages, whole and broken."""

import os
from pathlib import Path

import pytest

from runner.errors import ArtifactError
from runner.kernels.sources import packages
from tests.unit.kernels.packaging import make_package
from tests.unit.kernels.rpm.made import Spec, make_rpm

# Larger than a pipe and than what compresses away.
FILES = {
    "boot/vmlinuz-6.1": os.urandom(300_000),
    "lib/modules/6.1/a.ko": b"module",
    "usr/share/doc/x": b"text",
}


def everything(path: str) -> bool:
    return True


@pytest.mark.parametrize("compression", ["xz", "gzip", "zstd", "none"])
def test_files_are_read_from_every_compression(
    tmp_path: Path, compression: str
) -> None:
    package = make_package(tmp_path, "a", FILES, compression=compression)

    assert dict(packages.files(package, everything)) == FILES


def test_only_what_is_wanted_is_read(tmp_path: Path) -> None:
    package = make_package(tmp_path, "a", FILES)

    found = dict(packages.files(package, lambda path: path.startswith("lib/")))

    assert found == {"lib/modules/6.1/a.ko": b"module"}


def test_links_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "a-tree/boot").mkdir(parents=True)
    (tmp_path / "a-tree/boot/link").symlink_to("/etc/passwd")
    package = make_package(tmp_path, "a", {"boot/file": b"x"})

    assert dict(packages.files(package, everything)) == {"boot/file": b"x"}


def test_a_reader_may_stop_early(tmp_path: Path) -> None:
    package = make_package(tmp_path, "a", FILES)
    found = packages.files(package, everything)

    assert next(found)[0] == "boot/vmlinuz-6.1"
    found.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("compression", ["xz", "gzip", "zstd", "none"])
@pytest.mark.parametrize("part", [0, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_package_is_refused(
    tmp_path: Path, compression: str, part: float
) -> None:
    package = make_package(tmp_path, "a", FILES, compression=compression)
    os.truncate(package, int(package.stat().st_size * part))

    with pytest.raises(ArtifactError) as caught:
        dict(packages.files(package, everything))

    assert caught.value.message.startswith("a_1_amd64.deb can't be read: dpkg-deb")
    assert caught.value.hint == "fetch it again: python -m runner fetch"


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"!<arch>\n", bytes(range(256)) * 20]
)
def test_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    package = tmp_path / "a.deb"
    package.write_bytes(content)

    with pytest.raises(ArtifactError, match=r"a\.deb can't be read: dpkg-deb"):
        dict(packages.files(package, everything))


def test_a_missing_package_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"No such file or directory"):
        dict(packages.files(tmp_path / "a.deb", everything))


def test_a_machine_without_dpkg_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ArtifactError, match="can't run dpkg-deb: No such file"):
        dict(packages.files(tmp_path / "a.deb", everything))


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "LARGEST", 1000)
    package = make_package(tmp_path, "a", FILES)

    with pytest.raises(ArtifactError, match=r"boot/vmlinuz-6\.1 is too large"):
        dict(packages.files(package, everything))


def test_one_file_is_extracted(tmp_path: Path) -> None:
    package = make_package(tmp_path, "a", FILES)
    output = tmp_path / "output"

    found = packages.extract(package, lambda path: "vmlinuz" in path, output)

    assert found == "boot/vmlinuz-6.1"
    assert output.read_bytes() == FILES[found]
    assert packages.extract(package, lambda path: False, output) is None


def test_nothing_is_extracted_from_a_truncated_package(tmp_path: Path) -> None:
    package = make_package(tmp_path, "a", FILES)
    os.truncate(package, package.stat().st_size // 2)

    with pytest.raises(ArtifactError, match="can't be read: dpkg-deb"):
        packages.extract(package, everything, tmp_path / "output")


@pytest.mark.parametrize("payload", ["gzip", "xz", "zstd"])
def test_rpm_packages_are_opened_as_well(tmp_path: Path, payload: str) -> None:
    package = make_rpm(
        tmp_path,
        Spec(
            name="kernel",
            files={"boot/vmlinuz-5": b"image", "etc/x": b"x"},
            links={"boot/vmlinuz": "vmlinuz-5"},
            payload=payload,
        ),
    )

    found = dict(packages.files(package, packages.is_of_kernel))
    name = packages.extract(package, "etc/x".__eq__, tmp_path / "x")

    assert found == {"boot/vmlinuz-5": b"image"}
    assert (name, (tmp_path / "x").read_bytes()) == ("etc/x", b"x")


def test_truncated_rpm_package_is_refused(tmp_path: Path) -> None:
    package = make_rpm(tmp_path, Spec(name="kernel", files={"boot/x": bytes(9999)}))
    package.write_bytes(package.read_bytes()[:-20])

    with pytest.raises(ArtifactError, match=r"\.rpm can't be read: "):
        dict(packages.files(package, lambda path: True))


def test_machine_without_rpm_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make_rpm(tmp_path, Spec(name="kernel"))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ArtifactError, match="can't run rpm2archive") as it:
        list(packages.files(package, lambda path: True))
    assert it.value.hint == "apt-get install rpm2cpio"
