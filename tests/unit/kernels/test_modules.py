"""Which modules a guest needs, from modules of the tests' own."""

import lzma
import struct
from contextlib import suppress

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import ArtifactError
from runner.files.shipped import IMAGES
from runner.kernels import modules
from runner.kernels.modules import Wanted
from tests.unit.kernels import images


def wanted(*required: str, optional: tuple[str, ...] = ()) -> Wanted:
    return Wanted(required=required, optional=optional)


# As in Debian's kernels: virtio_net needs failover by net_failover.
PRESENT = {
    "virtio_ring": images.module("virtio"),
    "virtio": images.module(),
    "virtio_pci": images.module("virtio", "virtio_ring", "virtio_pci_modern_dev"),
    "virtio_pci_modern_dev": images.module(),
    "virtio_net": images.module("virtio", "virtio_ring", "net-failover"),
    "net_failover": images.module("failover"),
    "failover": images.module(),
}


def test_a_list_is_read() -> None:
    text = "# comment\nvirtio_net  # the network\n\nrng_core?\nold ?# maybe\n"

    assert modules.parse_wanted(text) == wanted(
        "virtio_net", optional=("rng_core", "old")
    )


def test_the_shipped_list_is_read() -> None:
    assert (
        "virtio_rng" in modules.parse_wanted((IMAGES / "modules").read_text()).optional
    )


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("lib/modules/6.1.0/kernel/drivers/net/virtio_net.ko", "virtio_net"),
        ("net-failover.ko.xz", "net_failover"),
        ("a.b/virtio.ko.zst", "virtio"),
        ("kernel/virtio.ko.sig", None),
        ("boot/vmlinuz-6.1", None),
        ("", None),
    ],
)
def test_a_file_is_told_to_be_a_module(path: str, name: str | None) -> None:
    assert modules.name_of(path) == name


def test_builtin_modules_are_listed() -> None:
    listing = "kernel/net/net-failover.ko\nkernel/drivers/virtio/virtio.ko\n\n# no\n"

    assert modules.builtin(listing) == {"net_failover", "virtio"}


def test_each_module_is_loaded_after_what_it_needs() -> None:
    ordered = modules.load_order(wanted("virtio_pci", "virtio_net"), PRESENT, [])

    assert sorted(ordered) == sorted(PRESENT)
    for name in ordered:
        for needed in modules.dependencies(name, PRESENT[name]):
            assert ordered.index(needed) < ordered.index(name)


# As in Debian's kernels of s390x: libcrc32c looks for an algorithm as it is loaded.
WISHING = {
    "nf_conntrack": images.module("libcrc32c"),
    "libcrc32c": images.module(softdep="pre: crc32c post: after"),
    "after": images.module(),
    "crc32c_generic": images.module("cryptolib", alias="crc32c"),
    "crc32c_other": images.module(alias="crypto-crc32c"),
    "cryptolib": images.module(),
}


def test_what_a_module_wishes_for_is_loaded_before_it() -> None:
    assert modules.load_order(wanted("nf_conntrack"), WISHING, []) == [
        *("cryptolib", "crc32c_generic", "libcrc32c", "nf_conntrack")
    ]


@pytest.mark.parametrize("lacking", ["crc32c_generic", "cryptolib"])
def test_a_wish_may_stay_one(lacking: str) -> None:
    present = {name: it for name, it in WISHING.items() if name != lacking}

    ordered = modules.load_order(wanted("nf_conntrack"), present, [])

    assert ordered == ["libcrc32c", "nf_conntrack"]


def test_a_wish_by_the_algorithms_name() -> None:
    present = {
        "ext4": images.module(softdep="pre: crypto-crc32c"),
        "crc32c_x86": images.module(alias="crypto-crc32c"),
    }

    ordered = modules.load_order(wanted("ext4"), present, [])

    assert ordered == ["crc32c_x86", "ext4"]
    assert modules.load_order(wanted("ext4"), present, ["crc32c_x86"]) == ["ext4"]


def test_what_is_built_in_is_not_loaded() -> None:
    ordered = modules.load_order(
        wanted("virtio_net"), PRESENT, ["virtio", "virtio_ring"]
    )

    assert ordered == ["failover", "net_failover", "virtio_net"]
    assert modules.load_order(wanted("virtio_net"), {}, ["virtio_net"]) == []


def test_an_optional_module_may_be_missing() -> None:
    ordered = modules.load_order(
        wanted("virtio", optional=("rng_core", "failover")), PRESENT, []
    )

    assert ordered == ["virtio", "failover"]


def test_what_lacks_a_dependency_is_left_out_alone() -> None:
    present = {
        "squashfs": images.module("zstd"),
        "overlay": images.module("virtio"),
        "virtio": images.module(),
        "virtio_blk": images.module("virtio"),
    }

    ordered = modules.obtainable(
        ["virtio_blk", "squashfs", "overlay", "none"], present, loaded={"fs"}
    )

    assert ordered == ["virtio", "virtio_blk", "overlay"]
    # Without a list of what is built in, it may be there.
    lenient = modules.obtainable(["squashfs"], present, loaded=(), complete=False)
    assert lenient == ["squashfs"]


def test_a_required_module_that_is_missing_is_told() -> None:
    with pytest.raises(ArtifactError) as caught:
        modules.load_order(wanted("virtio_blk"), PRESENT, [])

    assert caught.value.message == (
        "the kernel has no module virtio_blk, which every guest needs"
    )


def test_a_dependency_that_is_missing_is_told() -> None:
    present = {"virtio_net": images.module("net_failover")}

    with pytest.raises(ArtifactError) as caught:
        modules.load_order(wanted("virtio_net"), present, [])

    assert caught.value.message == (
        "the kernel has no module net_failover, which virtio_net needs"
    )


def test_a_circle_of_dependencies_ends() -> None:
    present = {"a": images.module("b"), "b": images.module("a")}

    assert sorted(modules.load_order(wanted("a"), present, [])) == ["a", "b"]


def test_compressed_modules_are_read() -> None:
    data = images.module("virtio")
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(data)

    assert modules.decompressed("a.ko", data) == data
    assert modules.decompressed("a.ko.xz", lzma.compress(data)) == data
    assert modules.decompressed("a.ko.zst", zstandard.compress(data)) == data
    assert modules.decompressed("a.ko.zst", unsized) == data


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("a.ko.xz", b"garbage"),
        ("a.ko.xz", b""),
        ("a.ko.xz", lzma.compress(images.module())[:40]),
        ("a.ko.zst", b"garbage"),
        ("a.ko.zst", b""),
        ("a.ko.zst", zstandard.compress(images.module())[:40]),
        # A frame that claims a terabyte.
        ("a.ko.zst", b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 1 << 40) + b"\1\0\0"),
    ],
)
def test_what_can_not_be_decompressed_is_told(path: str, data: bytes) -> None:
    with pytest.raises(ArtifactError, match=f"{path} can't be decompressed"):
        modules.decompressed(path, data)


@pytest.mark.parametrize("suffix", ["xz", "zst"])
def test_a_module_that_grows_without_bounds_is_refused(suffix: str) -> None:
    large = bytes(modules.LARGEST + 1)
    if suffix == "xz":
        data = lzma.compress(large, preset=0)
    else:
        data = zstandard.ZstdCompressor(level=1, write_content_size=False).compress(
            large
        )

    with pytest.raises(ArtifactError, match="can't be decompressed"):
        modules.decompressed(f"a.ko.{suffix}", data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "module a can't be read: Magic number does not match"),
        (b"text", "module a can't be read: Magic number does not match"),
        (images.elf({".text": b"\x90"}), "module a has no .modinfo"),
    ],
)
def test_what_is_no_module_is_told(data: bytes, said: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        modules.dependencies("a", data)

    assert caught.value.message == said


def test_a_module_without_a_list_needs_nothing() -> None:
    assert modules.dependencies("a", images.elf({".modinfo": b"license=GPL\0"})) == []


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_a_damaged_module_is_refused_or_read(data: st.DataObject) -> None:
    damaged = bytearray(images.module("virtio"))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))

    with suppress(ArtifactError):
        modules.dependencies("a", bytes(damaged[: data.draw(st.integers(0, 999))]))
    for suffix in ("ko.xz", "ko.zst"):
        with suppress(ArtifactError):
            modules.decompressed(f"a.{suffix}", bytes(damaged))
