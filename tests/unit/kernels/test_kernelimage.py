"""Kernel images of every compression, whole and broken."""

import bz2
import gzip
import lzma
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress

import lz4.block
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import ArtifactError
from runner.kernels import compressions, kernelimage
from tests.unit.kernels import images
from tests.unit.kernels.images import BTF, VMLINUX, elf, image


def lz4_legacy(data: bytes) -> bytes:
    blocks = b""
    for start in range(0, len(data), 8 << 20):
        block = lz4.block.compress(data[start : start + (8 << 20)], store_size=False)
        blocks += struct.pack("<I", len(block)) + block
    return b"\x02\x21\x4c\x18" + blocks


def lzma_alone(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_ALONE)


def zstd_unsized(data: bytes) -> bytes:
    # As `zstd` does when it reads from a pipe.
    compressor = zstandard.ZstdCompressor(write_content_size=False)
    return compressor.compress(data)


def with_size(compress: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    # scripts/Makefile.lib appends the size behind all but gzip.
    return lambda data: compress(data) + struct.pack("<I", len(data))


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": with_size(bz2.compress),
    "lzma": with_size(lzma_alone),
    "xz": with_size(lzma.compress),
    "lz4": with_size(lz4_legacy),
    "zstd": with_size(zstd_unsized),
    "nothing": lambda data: data,
}


NO_IMAGE = (
    "this is not a kernel image: it has no boot header of x86, arm64, s390 or riscv"
)

every_compression = pytest.mark.parametrize("name", COMPRESSIONS)


@every_compression
def test_the_elf_file_and_its_btf_are_found(name: str) -> None:
    made = image(COMPRESSIONS[name](VMLINUX))

    assert kernelimage.kernel(made) == VMLINUX
    assert kernelimage.btf(made) == BTF


@pytest.mark.parametrize("name", ["lz4", "zstd", "xz"])
def test_large_images_are_read_in_pieces(name: str) -> None:
    large = elf({".text": bytes(range(256)) * (80 << 10), ".BTF": BTF})

    assert kernelimage.btf(image(COMPRESSIONS[name](large))) == BTF


def test_no_setup_sectors_means_four() -> None:
    # As the boot protocol has it, for backwards compatibility.
    assert kernelimage.kernel(image(gzip.compress(VMLINUX), sectors=0)) == VMLINUX


def test_config_is_found_in_the_image() -> None:
    kept = gzip.compress(b"CONFIG_BPF=y\n")
    made = elf({".rodata": b"\0IKCFG_ST" + kept + b"IKCFG_ED\0"})

    assert kernelimage.config(image(gzip.compress(made))) == b"CONFIG_BPF=y\n"


@pytest.mark.parametrize("data", [b"", b"IKCFG_ST", b"IKCFG_STxIKCFG_ED"])
def test_image_without_a_config_has_none(data: bytes) -> None:
    made = image(gzip.compress(elf({".rodata": data})))

    assert kernelimage.config(made) is None


def test_a_kernel_without_btf_has_none() -> None:
    assert kernelimage.btf(image(gzip.compress(elf({".text": b"\x90"})))) is None


@every_compression
def test_a_truncated_payload_is_refused(name: str) -> None:
    payload = COMPRESSIONS[name](VMLINUX)

    with pytest.raises(ArtifactError) as caught:
        kernelimage.btf(image(payload[: len(payload) // 2]))

    assert caught.value.message.startswith(
        "the kernel's ELF file can't be read"
        if name == "nothing"
        else f"the kernel image can't be decompressed by {name}"
    )


@pytest.mark.parametrize("name", [name for name in COMPRESSIONS if name != "nothing"])
def test_what_grows_without_bounds_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = COMPRESSIONS[name](bytes(1 << 20))
    monkeypatch.setattr(compressions, "LARGEST", 1 << 18)

    with pytest.raises(ArtifactError, match=f"decompressed by {name}"):
        kernelimage.kernel(image(payload))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", NO_IMAGE),
        (VMLINUX, "this is an ELF file, such as vmlinux, not a kernel image"),
        (image(b"")[:0x240], NO_IMAGE),
        (image(b"x", version=0x207), "boot protocol 2.7 is too old"),
        (image(b""), "the kernel image is truncated"),
        (image(b"x", length=1 << 31), "the kernel image is truncated"),
        (image(b"x", offset=1)[:-101], "the kernel image is truncated"),
        (
            image(b"UNKNOWN"),
            "the kernel image is compressed in an unknown way (554e4b4e4f57)",
        ),
        (
            image(gzip.compress(b"no ELF")),
            "the kernel's ELF file can't be read: Magic number does not match",
        ),
        (
            image(gzip.compress(elf({".BTF": b"garbage" * 8}))),
            "the kernel's .BTF section does not begin as BTF does",
        ),
        (
            image(gzip.compress(elf({".BTF": BTF[:10]}))),
            "the kernel's .BTF section does not begin as BTF does",
        ),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_what_is_no_kernel_is_told(data: bytes, said: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        kernelimage.btf(data)

    assert caught.value.message == said


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_damage_is_an_artifact_error_or_nothing_at_all(data: st.DataObject) -> None:
    compress = COMPRESSIONS[data.draw(st.sampled_from(sorted(COMPRESSIONS)))]
    damaged = bytearray(image(compress(VMLINUX)))
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(
            st.integers(0, 255)
        )
    damaged = damaged[: data.draw(st.integers(0, len(damaged)))]

    with suppress(ArtifactError):
        kernelimage.btf(bytes(damaged))
    with suppress(ArtifactError):
        assert kernelimage.release(bytes(damaged))


@settings(deadline=None, max_examples=300)
@given(
    magic=st.sampled_from(
        [
            *(b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"\x5d\0\0", b"BZh9"),
            *(b"\x02\x21\x4c\x18", b"\x28\xb5\x2f\xfd"),
            *(b"\x7fELF\x02\x01", b"\x7fELF\x01\x02"),
        ]
    ),
    rest=st.binary(max_size=400),
)
def test_garbage_behind_a_magic_is_refused(magic: bytes, rest: bytes) -> None:
    with suppress(ArtifactError):
        kernelimage.btf(image(magic + rest))


@settings(deadline=None, max_examples=500)
@given(data=st.data())
def test_a_damaged_elf_file_is_refused_or_read(data: st.DataObject) -> None:
    damaged = bytearray(elf({".text": b"\x90", ".BTF": BTF}))
    headers = range(len(damaged) - 4 * 64, len(damaged))
    positions = st.sampled_from([*range(64), *headers])
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(positions)] = data.draw(st.integers(0, 255))

    with suppress(ArtifactError):
        kernelimage.btf_of_elf(bytes(damaged))


def test_a_compressed_section_is_read_or_refused() -> None:
    body = struct.pack("<IIQQ", 1, 0, len(BTF), 1) + zlib.compress(BTF)
    made = bytearray(elf({".BTF": body}))
    # SHF_COMPRESSED on the section behind the empty one.
    (headers,) = struct.unpack_from("<Q", made, 40)
    struct.pack_into("<Q", made, headers + 64 + 8, 0x800)

    assert kernelimage.btf_of_elf(bytes(made)) == BTF
    made[64 + 24] ^= 0xFF
    with pytest.raises(ArtifactError):
        kernelimage.btf_of_elf(bytes(made))


# ------------------------------------------------------- of other architectures

ZBOOT_PAYLOADS = ("gzip", "xz", "lzma", "lz4", "zstd")
BTF_BIG = struct.pack(">HBBIIIII", 0xEB9F, 1, 0, 24, 0, 0, 0, 1) + b"\0"
LARGE = images.flat_kernel("6.12.1", BTF_BIG, order=">", build_id=b"\x22" * 20) + bytes(
    1 << 20
)


def of_every_layout() -> dict[str, bytes]:
    image = images.arm64_image("6.1.0", BTF)
    return {
        "arm64 Image": image,
        "arm64 Image.gz": gzip.compress(image),
        "arm64 Image.zst": zstandard.compress(image),
        **{
            f"arm64 zboot {name}": images.zboot_image(COMPRESSIONS[name](image))
            for name in ZBOOT_PAYLOADS
        },
        "riscv64 Image": images.riscv_image("6.1.0", BTF),
        "s390x bzImage xz": images.s390_image(lzma.compress(LARGE), "6.1.0"),
        "s390x bzImage gzip": images.s390_image(gzip.compress(LARGE), "6.1.0"),
        "s390x bzImage zstd": images.s390_image(zstandard.compress(LARGE), "6.1.0"),
        "x86_64 bzImage": images.bzimage("6.1.0", {".BTF": BTF}),
    }


EVERY_LAYOUT = of_every_layout()


@pytest.mark.parametrize("name", EVERY_LAYOUT)
def test_every_layout_is_read(name: str) -> None:
    image = EVERY_LAYOUT[name]
    architecture, *_ = name.split()

    assert kernelimage.architecture(image) == architecture
    assert kernelimage.release(image) == "6.1.0"
    assert kernelimage.btf(image) == (BTF_BIG if architecture == "s390x" else BTF)


def test_a_kernel_without_btf_has_none_in_any_layout() -> None:
    assert kernelimage.btf(images.arm64_image()) is None
    plain = gzip.compress(images.flat_kernel("6.1.0", order=">") + bytes(1 << 20))
    assert kernelimage.btf(images.s390_image(plain)) is None


def test_the_date_is_of_the_image() -> None:
    assert kernelimage.built(images.arm64_image()) == "2026-07-02"
    assert kernelimage.built(EVERY_LAYOUT["s390x bzImage xz"]) == "2026-08-29"


def test_a_flat_kernels_build_id_is_among_those_of_its_vdsos() -> None:
    found = kernelimage.build_ids(EVERY_LAYOUT["s390x bzImage xz"])

    assert set(found) == {"11" * 20, "22" * 20}


@pytest.mark.parametrize("name", EVERY_LAYOUT)
def test_what_qemu_boots_is_not_packed(name: str) -> None:
    boots = kernelimage.bootable(EVERY_LAYOUT[name])

    packed = name.startswith(("arm64 Image.", "arm64 zboot"))
    assert (boots != EVERY_LAYOUT[name]) is packed
    assert kernelimage.release(boots) == "6.1.0"


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (images.zboot_image(b""), "the kernel image is truncated"),
        (images.zboot_image(b"x" * 99)[:150], "the kernel image is truncated"),
        (images.s390_image(b"", entry=b"S360EP"), NO_IMAGE),
        (
            images.s390_image(lzma.compress(LARGE)[:100]),
            "the kernel image is truncated, or compressed in an unknown way",
        ),
        (
            gzip.compress(gzip.compress(images.arm64_image())),
            "the kernel image is compressed more than once",
        ),
        (gzip.compress(b"text"), NO_IMAGE),
    ],
    ids=["empty zboot", "cut zboot", "no s390", "cut s390", "packed twice", "text"],
)
def test_what_is_no_kernel_of_another_architecture_is_told(
    image: bytes, said: str
) -> None:
    with pytest.raises(ArtifactError) as caught:
        kernelimage.btf(image)

    assert caught.value.message == said


SMALLER = {
    name: it for name, it in EVERY_LAYOUT.items() if not name.startswith("s390x")
}


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_damage_of_any_layout_is_an_artifact_error_or_nothing_at_all(
    data: st.DataObject,
) -> None:
    damaged = bytearray(SMALLER[data.draw(st.sampled_from(sorted(SMALLER)))])
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    image = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])

    for read in (
        kernelimage.architecture,
        kernelimage.release,
        kernelimage.built,
        kernelimage.btf,
        kernelimage.config,
        kernelimage.build_ids,
        kernelimage.bootable,
    ):
        with suppress(ArtifactError):
            read(image)
