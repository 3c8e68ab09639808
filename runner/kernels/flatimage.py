"""Kernel images that are no ELF file: arm64's, riscv's, s390's and zboot's headers.

Layouts: Documentation/arch/arm64/booting.rst, Documentation/arch/riscv/boot-image-
header.rst, arch/s390/boot/head.S and drivers/firmware/efi/libstub/zboot-header.S.
"""

import struct
from collections.abc import Iterator

from runner.bpf import btf
from runner.errors import ArtifactError
from runner.kernels import compressions

_ARM64, _RISCV = b"ARMd", b"RSC\x05"
_MAGIC = 0x38

# s390's: the entry point has a name, and behind it stand parameters, of which one says
# where the banner is (struct parmarea of asm/setup.h).
_S390, _S390_MAGIC = b"S390EP", 0x10008
_S390_BANNER = 0x10400 + 0x28
_LONGEST_BANNER = 512
# A kernel has more bytes than whatever else begins as compressed data does.
_SMALLEST = 1 << 20

_ZBOOT, _ZBOOT_MAGIC = b"zimg", 4
# Where the payload is, and how many bytes it has.
_ZBOOT_PAYLOAD = 8
# Where the PE header is, which says the machine.
_PE, _PE_MAGIC = 0x3C, b"PE\0\0"

_BTF_HEADER = "HBBIIIII"
_BTF_HEADER_SIZE = 24
# Behind the owner's name: NT_GNU_BUILD_ID of 20 bytes, of "GNU".
_NOTE = (4, 20, 3)


def pe_machine(image: bytes) -> int | None:
    """Return the machine that a PE header says, or None for an image without one."""
    if len(image) < _PE + 4:
        return None
    (at,) = struct.unpack_from("<I", image, _PE)
    if image[at : at + 4] != _PE_MAGIC or at + 6 > len(image):
        return None
    return int(struct.unpack_from("<H", image, at + 4)[0])


def is_arm64(image: bytes) -> bool:
    """Whether it is arm64's `Image`, not compressed."""
    return image[_MAGIC : _MAGIC + 4] == _ARM64


def is_riscv(image: bytes) -> bool:
    """Whether it is riscv's `Image`, not compressed."""
    return image[_MAGIC : _MAGIC + 4] == _RISCV


def is_s390(image: bytes) -> bool:
    """Whether it is s390's `bzImage`."""
    return image[_S390_MAGIC : _S390_MAGIC + len(_S390)] == _S390


def is_zboot(image: bytes) -> bool:
    """Whether it is an `vmlinuz.efi`, which unpacks itself (CONFIG_EFI_ZBOOT)."""
    return image.startswith(b"MZ") and image[_ZBOOT_MAGIC : _ZBOOT_MAGIC + 4] == _ZBOOT


def zboot_payload(image: bytes) -> bytes:
    """Return the compressed kernel. Raises ArtifactError."""
    start, size = struct.unpack_from("<II", image.ljust(16, b"\0"), _ZBOOT_PAYLOAD)
    if not size or start + size > len(image):
        raise ArtifactError("the kernel image is truncated")
    return image[start : start + size]


def s390_kernel(image: bytes) -> bytes:
    """Return the kernel inside an image, which its header does not say the place of.

    Raises ArtifactError.
    """
    problem = ArtifactError("the kernel image holds no compressed kernel")
    for at in compressions.places(image):
        try:
            found = compressions.unpacked(image[at:])
        except ArtifactError as error:
            problem = error
            continue
        if len(found) > _SMALLEST:
            return found
    raise ArtifactError(
        "the kernel image is truncated, or compressed in an unknown way"
    ) from problem


def s390_banner(image: bytes) -> str:
    """Return the banner: "6.1.0-50-s390x (someone@somewhere) #1 SMP …"."""
    if len(image) < _S390_BANNER + 8:
        return ""
    (at,) = struct.unpack_from(">Q", image, _S390_BANNER)
    found = image[at : at + _LONGEST_BANNER].partition(b"\0")[0]
    return found.decode("ascii", "replace") if at else ""


def banner(kernel: bytes) -> str:
    """Return the banner of a kernel that is not compressed: linux_banner[].

    It is "Linux version 6.1.0 (someone@somewhere) (gcc …) #1 SMP …"; empty without one.
    """
    at, words = 0, b"Linux version "
    while (at := kernel.find(words, at)) >= 0:
        at += len(words)
        # Not the words that it is made of, "Linux version %s".
        if kernel[at : at + 1].isdigit():
            found = kernel[at : at + _LONGEST_BANNER].partition(b"\0")[0]
            return found.decode("ascii", "replace").rstrip("\n")
    return ""


def btf_of(kernel: bytes) -> bytes | None:
    """Return the BTF in a kernel that no section table describes, or None.

    Where bytes look like a header they count if it describes what follows: types in
    front of strings that begin and end as strings do.
    """
    for magic, order in btf.MAGICS.items():
        # Version 1, no flag.
        wanted = magic + b"\1\0"
        at = kernel.find(wanted)
        while at >= 0:
            found = _btf_at(kernel, at, order)
            if found is not None:
                return found
            at = kernel.find(wanted, at + 1)
    return None


def _btf_at(kernel: bytes, at: int, order: str) -> bytes | None:
    if at + _BTF_HEADER_SIZE > len(kernel):
        return None
    _, _, _, header, types, types_size, strings, size = struct.unpack_from(
        order + _BTF_HEADER, kernel, at
    )
    end = at + header + strings + size
    if (header, types, strings) != (_BTF_HEADER_SIZE, 0, types_size) or not size:
        return None
    first = at + header + strings
    if end > len(kernel) or kernel[first] or kernel[end - 1]:
        return None
    return kernel[at:end]


def build_ids(kernel: bytes, order: str) -> Iterator[str]:
    """Yield the GNU build-ids in a kernel: its own, and those of its vDSOs."""
    note = struct.pack(order + "III", *_NOTE) + b"GNU\0"
    at = kernel.find(note)
    while at >= 0:
        start = at + len(note)
        yield kernel[start : start + _NOTE[1]].hex()
        at = kernel.find(note, start)
