"""What is inside a kernel image of any architecture: the kernel, its release, its BTF.

Images are told apart by their first bytes. Those that say nothing of the architecture
themselves, such as arm64's Image.gz, are looked into.
"""

import re
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from runner.errors import ArtifactError
from runner.kernels import bzimage, compressions, elfsections, flatimage, packed

_ELF_MAGIC = b"\x7fELF"
_GZIP, _ZSTD = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"
# Debian writes "(2026-07-04)"; others as date(1) does: "Tue Nov 14 13:30:08 UTC 2023".
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_CTIME = re.compile(
    r"\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +(\d+) "
    r"[\d:]+ (?:\w+ )?(\d{4})"
)
_BTF_MAGICS = (b"\x9f\xeb", b"\xeb\x9f")
_BTF_HEADER_SIZE = 24
# Around a gzip file; source: kernel/configs.c.
_CONFIG_START = b"IKCFG_ST"
_CONFIG_END = b"IKCFG_ED"
# What a PE header calls machines, as runner/arch does.
_PE_MACHINES = {0x8664: "x86_64", 0xAA64: "arm64", 0x5064: "riscv64"}


@dataclass(frozen=True, kw_only=True)
class _Format:
    """A layout of images."""

    # As the kernel's build calls it.
    name: str
    # Whether an image has it.
    matches: Callable[[bytes], bool]
    # Its architecture as runner/arch names it; "" if its kernel says it.
    architecture: Callable[[bytes], str]
    # The kernel that is not compressed; or another image, which is looked into.
    inside: Callable[[bytes], bytes]
    # The line that names release and date, if it stands outside of what is compressed.
    banner: Callable[[bytes], str] | None = None
    # Whether an image of a format that this table has is inside.
    is_wrapped: bool = False


def _compressed(image: bytes) -> bool:
    return image.startswith((_GZIP, _ZSTD))


_FORMATS = (
    _Format(
        name="bzImage",
        matches=bzimage.matches,
        architecture=lambda image: "x86_64",
        inside=lambda image: compressions.unpacked(bzimage.payload(image)),
        banner=bzimage.banner,
    ),
    _Format(
        name="zboot",
        matches=flatimage.is_zboot,
        architecture=lambda image: _PE_MACHINES.get(
            flatimage.pe_machine(image) or 0, ""
        ),
        inside=lambda image: compressions.unpacked(flatimage.zboot_payload(image)),
        is_wrapped=True,
    ),
    _Format(
        name="Image",
        matches=flatimage.is_arm64,
        architecture=lambda image: "arm64",
        inside=bytes,
    ),
    _Format(
        name="Image",
        matches=flatimage.is_riscv,
        architecture=lambda image: "riscv64",
        inside=bytes,
    ),
    _Format(
        name="bzImage",
        matches=flatimage.is_s390,
        architecture=lambda image: "s390x",
        inside=flatimage.s390_kernel,
        banner=flatimage.s390_banner,
    ),
    # arm64 and riscv: `make Image.gz`, which boot loaders unpack.
    _Format(
        name="Image.gz",
        matches=_compressed,
        architecture=lambda image: "",
        inside=compressions.unpacked,
        is_wrapped=True,
    ),
)


def architecture(image: bytes) -> str:
    """Return an image's architecture as runner/arch names it.

    Raises ArtifactError for something that is not a kernel image.
    """
    found = _format(image)
    return found.architecture(image) or architecture(_inside(found, image))


def kernel(image: bytes) -> bytes:
    """Return the kernel inside an image: x86's is an ELF file, others' are flat.

    Raises ArtifactError for something that is not a kernel image or is damaged.
    """
    found = _format(image)
    inside = _inside(found, image)
    return kernel(inside) if found.is_wrapped else inside


def bootable(image: bytes) -> bytes:
    """Return an image as QEMU boots it: zboot's and gzip's are unpacked.

    QEMU unpacks gzip only, and old ones take no zboot. Raises ArtifactError.
    """
    found = _format(image)
    return bootable(_inside(found, image)) if found.is_wrapped else image


def release(image: bytes) -> str:
    """Return what `uname -r` will say: the first word of the image's banner.

    Raises ArtifactError for something that is not a kernel image or has no banner.
    """
    words = _banner(image).split()
    if not words or not words[0][0].isdecimal():
        raise ArtifactError("the kernel image's header has no release")
    return words[0]


def built(image: bytes) -> str:
    """Return the date in an image's banner, as YYYY-MM-DD; empty if there is none.

    It is when the kernel was built, or what its vendor puts there instead. Raises
    ArtifactError for something that is not a kernel image.
    """
    banner = _banner(image)
    dated = _DATE.search(banner)
    if dated is not None:
        return dated[0]
    told = _CTIME.search(banner)
    if told is None:
        return ""
    try:
        day = datetime.strptime(f"{told[1]} {told[2]} {told[3]}", "%b %d %Y")
    except ValueError:
        # No such day: "Feb 30".
        return ""
    return str(day.date())


def btf(image: bytes) -> bytes | None:
    """Return the BTF that an image carries, or None when it carries none.

    Raises ArtifactError for what is no kernel image or can't be decompressed.
    """
    found = kernel(image)
    return btf_of_elf(found) if _is_elf(image) else flatimage.btf_of(found)


def btf_of_elf(data: bytes) -> bytes | None:
    """Return the .BTF section of an ELF file, or None.

    Raises ArtifactError if it is not an ELF file or the section is not BTF.
    """
    try:
        content = elfsections.section(data, ".BTF")
    except ValueError as error:
        raise ArtifactError(f"the kernel's ELF file can't be read: {error}") from error
    if content is None:
        return None
    if len(content) < _BTF_HEADER_SIZE or not content.startswith(_BTF_MAGICS):
        raise ArtifactError("the kernel's .BTF section does not begin as BTF does")
    return content


def config(image: bytes) -> bytes | None:
    """Return the .config that a kernel carries (CONFIG_IKCONFIG=y), or None.

    Raises ArtifactError for what is no kernel image or can't be decompressed.
    """
    found = kernel(image)
    start = found.find(_CONFIG_START)
    end = found.find(_CONFIG_END, start)
    if start < 0 or end < 0:
        return None
    try:
        packed_config = found[start + len(_CONFIG_START) : end]
        return packed.whole(
            zlib.decompressobj(wbits=31), packed_config, compressions.LARGEST
        )
    except (zlib.error, EOFError):
        # Only the marks, as in a program that looks for them.
        return None


def build_ids(image: bytes) -> Collection[str]:
    """Return the GNU build-ids that the kernel may have, in hexadecimal.

    An ELF file tells its own. A flat kernel has more: those of its vDSOs. Raises
    ArtifactError for what is no kernel image or can't be decompressed.
    """
    found = kernel(image)
    if _is_elf(image):
        own = elfsections.build_id(found)
        return {own} if own else set()
    order = ">" if flatimage.is_s390(image) else "<"
    return set(flatimage.build_ids(found, order))


def _is_elf(image: bytes) -> bool:
    return bzimage.matches(image)


def _banner(image: bytes) -> str:
    found = _format(image)
    if found.banner is not None:
        return found.banner(image)
    return flatimage.banner(kernel(image))


def _inside(found: _Format, image: bytes) -> bytes:
    inside = found.inside(image)
    if found.is_wrapped and _format(inside).is_wrapped:
        raise ArtifactError("the kernel image is compressed more than once")
    return inside


def _format(image: bytes) -> _Format:
    if image.startswith(_ELF_MAGIC):
        raise ArtifactError(
            "this is an ELF file, such as vmlinux, not a kernel image",
            hint="use the image of the kernel tree: arch/x86/boot/bzImage, "
            "arch/arm64/boot/Image, arch/s390/boot/bzImage",
        )
    found = next((it for it in _FORMATS if it.matches(image)), None)
    if found is None:
        raise ArtifactError(
            "this is not a kernel image: it has no boot header of x86, arm64, s390 or "
            "riscv"
        )
    return found
