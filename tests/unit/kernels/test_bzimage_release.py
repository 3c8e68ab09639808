"""The release that a kernel image's header tells."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import ArtifactError
from runner.kernels import bzimage
from tests.unit.kernels import images


def test_release_is_the_first_word_of_the_banner() -> None:
    image = images.bzimage("6.1.0-50-cloud-amd64")

    assert bzimage.release(image) == "6.1.0-50-cloud-amd64"


def test_image_without_a_banner_is_refused() -> None:
    image = bytearray(images.bzimage())
    struct.pack_into("<H", image, 0x20E, 0)

    with pytest.raises(ArtifactError, match="has no release"):
        bzimage.release(bytes(image))


@given(st.binary(max_size=2048))
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ArtifactError, match="kernel image"):
        bzimage.release(data)


@given(st.integers(0, 0xFFFF), st.integers(0x250, 1100))
def test_banner_anywhere_is_read_or_refused(offset: int, length: int) -> None:
    image = bytearray(images.bzimage())
    struct.pack_into("<H", image, 0x20E, offset)
    with contextlib.suppress(ArtifactError):
        assert bzimage.release(bytes(image[:length]))
