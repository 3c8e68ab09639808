"""Metadata that others wrote: read within reason, or refused."""

import contextlib
import gzip
import io
import lzma
from collections.abc import Iterable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import ArtifactError
from runner.kernels.sources.rpm import metadata
from runner.kernels.sources.rpm.metadata import RpmPackage

URL = "http://127.0.0.1/repodata/primary.xml"
HEAD = (
    '<metadata xmlns="http://linux.duke.edu/metadata/common" '
    'xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">'
)
PACKAGE = """
<package type="rpm"><name>kernel</name><arch>x86_64</arch>
<version epoch="1" ver="5.14.0" rel="1.el9"/>
<checksum type="sha256" pkgid="YES">ABCD</checksum><summary>&lt;b&gt;</summary>
<size package="12" installed="3" archive="4"/><location href="k.rpm"/>
<format><rpm:provides><rpm:entry name="kernel"/></rpm:provides></format></package>
"""
PRIMARY = f"{HEAD}{PACKAGE}</metadata>".encode()


def read(*pieces: bytes, wanted: str = "kernel") -> tuple[list[RpmPackage], set[str]]:
    return metadata.packages_of(pieces, wanted.__eq__, URL)


def test_package_is_read_as_it_is_described() -> None:
    (package,), names = read(PRIMARY)

    assert package.nevra == "kernel-1:5.14.0-1.el9.x86_64"
    assert (package.size, package.href) == (12, "k.rpm")
    assert package.checksum.value == "abcd"
    assert names == {"kernel"}


def test_pieces_may_end_anywhere() -> None:
    pieces = [PRIMARY[at : at + 1] for at in range(len(PRIMARY))]

    assert read(*pieces) == read(PRIMARY)


def test_package_elsewhere_is_found_by_its_base() -> None:
    moved = PRIMARY.replace(
        b"<location ", b'<location xml:base="http://127.0.0.1/other/" '
    )

    (package,), _ = read(moved)

    assert package.href == "http://127.0.0.1/other/k.rpm"


def test_packages_that_nobody_wants_only_leave_their_names() -> None:
    assert read(PRIMARY, wanted="bash") == ([], {"kernel"})


def test_document_type_is_refused_before_its_entities_count() -> None:
    bomb = (
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]>'
        b"<metadata>&b;</metadata>"
    )

    with pytest.raises(ArtifactError, match="has a document type"):
        read(bomb)


def test_file_of_this_machine_is_never_included() -> None:
    nosy = (
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
        b"<metadata><package><name>&a;</name></package></metadata>"
    )

    with pytest.raises(ArtifactError, match="has a document type"):
        read(nosy)


def test_weak_checksum_is_refused() -> None:
    with pytest.raises(ArtifactError, match="checksum of the type 'sha'"):
        read(PRIMARY.replace(b"sha256", b"sha"))


def test_long_text_is_not_kept() -> None:
    (package,), _ = read(PRIMARY.replace(b"ABCD", b"A" * 100_000))

    assert len(package.checksum.value) < 5000


@pytest.mark.parametrize("text", [b"", b"<metadata>", b"nothing", b"\0", b"<a></b>"])
def test_something_else_than_xml_is_refused(text: bytes) -> None:
    with pytest.raises(ArtifactError, match="is not XML"):
        read(text)


def test_another_document_is_refused() -> None:
    with pytest.raises(ArtifactError, match="is not a primary"):
        read(b"<html/>")
    with pytest.raises(ArtifactError, match="not the metadata of an RPM repository"):
        metadata.index_of(b"<html/>", URL)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "names no primary.xml"),
        ('<data type="modules"><location href="m"/></data>', "names no primary.xml"),
        ('<data type="primary"/>', "does not say where"),
        (
            '<data type="primary"><location href="p"/><checksum type="sha">1</checksum>'
            "</data>",
            "checksum of the type 'sha'",
        ),
        (
            '<data type="primary"><location href="p"/></data>',
            "checksum of the type 'unknown'",
        ),
    ],
)
def test_repomd_that_lacks_something_is_refused(data: str, message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        metadata.index_of(f"<repomd>{data}</repomd>".encode(), URL)


@given(st.binary() | st.text().map(str.encode))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(ArtifactError):
        read(data)
    with pytest.raises(ArtifactError):
        metadata.index_of(data, URL)


# ------------------------------------------------------------------------- unpacking


def unpacked(data: bytes) -> bytes:
    return b"".join(_pieces(data))


def _pieces(data: bytes) -> Iterable[bytes]:
    return metadata.unpacked(io.BytesIO(data), URL, None)


@pytest.mark.parametrize(
    "pack", [gzip.compress, lzma.compress, zstandard.compress, bytes]
)
def test_metadata_is_unpacked_as_its_first_bytes_say(pack: object) -> None:
    assert callable(pack)
    assert unpacked(pack(PRIMARY * 1000)) == PRIMARY * 1000


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_metadata_that_ends_early_is_refused(pack: object) -> None:
    assert callable(pack)
    with pytest.raises(ArtifactError, match="can't be unpacked"):
        unpacked(pack(PRIMARY)[:-5])


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstandard.compress])
def test_metadata_that_grows_beyond_reason_is_refused(
    pack: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(pack)
    monkeypatch.setattr(metadata, "LARGEST", 1 << 22)
    packed = pack(bytes(1 << 26))

    pieces: list[int] = []
    with pytest.raises(ArtifactError, match="is too large"):
        pieces.extend(map(len, _pieces(packed)))
    assert max(pieces) <= 1 << 20


@given(st.binary(), st.sampled_from([b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0"]))
def test_garbage_that_looks_packed_is_refused_or_empty(
    data: bytes, magic: bytes
) -> None:
    # Any other exception fails the test.
    with contextlib.suppress(ArtifactError):
        unpacked(magic + data)
