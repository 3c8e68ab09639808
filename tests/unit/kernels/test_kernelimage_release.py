"""The release that a kernel image's header tells."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import ArtifactError
from runner.kernels import kernelimage
from tests.unit.kernels import images


def test_release_is_the_first_word_of_the_banner() -> None:
    image = images.bzimage("6.1.0-50-cloud-amd64")

    assert kernelimage.release(image) == "6.1.0-50-cloud-amd64"


def test_image_without_a_banner_is_refused() -> None:
    image = bytearray(images.bzimage())
    struct.pack_into("<H", image, 0x20E, 0)

    with pytest.raises(ArtifactError, match="has no release"):
        kernelimage.release(bytes(image))


@pytest.mark.parametrize(
    ("banner", "built"),
    [
        (
            "6.1.0-50-cloud-amd64 (debian-kernel@lists.debian.org) #1 SMP "
            "PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-04)",
            "2026-07-04",
        ),
        (
            "5.15.0-91-generic (build@host) #101-Ubuntu SMP Tue Nov 14 13:30:08 UTC "
            "2023",
            "2023-11-14",
        ),
        ("6.6.0 (root@host) #1 SMP Mon Jan  1 00:00:00 2024", "2024-01-01"),
        ("6.6.0 (root@host) #1 SMP Fri Feb 30 00:00:00 2024", ""),
        ("6.6.0", ""),
    ],
)
def test_date_is_the_one_in_the_banner(banner: str, built: str) -> None:
    assert kernelimage.built(images.bzimage(banner)) == built


@given(st.binary(max_size=2048))
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ArtifactError, match="kernel image"):
        kernelimage.release(data)


@given(st.integers(0, 0xFFFF), st.integers(0x250, 1100))
def test_banner_anywhere_is_read_or_refused(offset: int, length: int) -> None:
    image = bytearray(images.bzimage())
    struct.pack_into("<H", image, 0x20E, offset)
    with contextlib.suppress(ArtifactError):
        assert kernelimage.release(bytes(image[:length]))
