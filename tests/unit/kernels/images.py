"""Small kernel images, real in every part that is looked at."""

import gzip
import struct

# The config of a kernel that can be a guest.
GUEST_CONFIG = "".join(
    f"CONFIG_{name}=y\n"
    for name in (
        *("64BIT", "PCI", "BLK_DEV_INITRD", "RD_GZIP", "BINFMT_ELF", "BINFMT_SCRIPT"),
        *("PRINTK", "SERIAL_8250_CONSOLE", "PROC_FS", "SYSFS", "DEVTMPFS", "TMPFS"),
        *("INET", "BPF_SYSCALL", "VIRTIO_PCI", "VIRTIO_NET"),
    )
).encode()


def elf(sections: dict[str, bytes]) -> bytes:
    """Return an ELF file of 64 bits with these sections and no segment."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    body = b""
    headers = [bytes(64)]
    offset = 1
    for name, data in (*sections.items(), (".shstrtab", names)):
        kind = 3 if name == ".shstrtab" else 1
        headers.append(
            struct.pack(
                "<IIQQQQIIQQ", offset, kind, 0, 0, 64 + len(body), len(data), 0, 0, 1, 0
            )
        )
        offset += len(name) + 1
        body += data
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01" + bytes(9),
        *(2, 62, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64),
        *(len(headers), len(headers) - 1),
    )
    return header + body + b"".join(headers)


def bzimage(release: str = "4.4.1", sections: dict[str, bytes] | None = None) -> bytes:
    """Return a bzImage whose setup is one sector and whose payload is gzip."""
    payload = gzip.compress(elf(sections or {".text": b"\x90"}), mtime=0)
    setup = bytearray(1024)
    setup[0x1F1] = 1
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, 0x20D)
    banner = f"{release} (someone@somewhere) #1 SMP".encode() + b"\0"
    struct.pack_into("<H", setup, 0x20E, 0x300 - 0x200)
    setup[0x300 : 0x300 + len(banner)] = banner
    struct.pack_into("<II", setup, 0x248, 0, len(payload))
    return bytes(setup) + payload


def module(*depends: str, softdep: str = "", alias: str = "") -> bytes:
    """Return a kernel module that needs others."""
    modinfo = b"license=GPL\0depends=" + ",".join(depends).encode() + b"\0name=x\0"
    for key, value in (("softdep", softdep), ("alias", alias)):
        modinfo += f"{key}={value}\0".encode() if value else b""
    return elf({".modinfo": modinfo, ".text": b"\xc3"})


BTF = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, 0, 0, 1) + b"\0"
VMLINUX = elf({".text": b"\x90" * 5000, ".BTF": BTF})


def image(
    payload: bytes,
    *,
    sectors: int = 3,
    version: int = 0x20F,
    offset: int = 16,
    length: int | None = None,
) -> bytes:
    """Return a bzImage of a payload: its header, and code on both sides of it."""
    header = bytearray(b"\x90" * ((sectors or 4) + 1) * 512)
    header[0x1F1] = sectors
    header[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", header, 0x206, version)
    struct.pack_into(
        "<II", header, 0x248, offset, len(payload) if length is None else length
    )
    return bytes(header) + b"\xcc" * offset + payload + b"\xcc" * 100


def _banner(release: str) -> bytes:
    banner = f"Linux version {release} (someone@somewhere) (gcc) #1 SMP 2026-07-02"
    return b"Linux version %s\0" + banner.encode() + b"\n\0"


def _note(build_id: bytes, order: str) -> bytes:
    return struct.pack(order + "III", 4, len(build_id), 3) + b"GNU\0" + build_id


def flat_kernel(
    release: str, btf: bytes = b"", *, order: str = "<", build_id: bytes = bytes(20)
) -> bytes:
    """Return a kernel that is no ELF file, with what is looked for in one."""
    return (
        _banner(release)
        # As a table of magic numbers may hold it: no header.
        + struct.pack(order + "HBB", 0xEB9F, 1, 0)
        + b"\xcc" * 40
        + _note(b"\x11" * 20, order)
        + _note(build_id, order)
        + btf
        + b"\xcc" * 100
    )


def arm64_image(release: str = "6.1.0", btf: bytes = b"") -> bytes:
    """Return arm64's Image: a header of 64 bytes, a PE header, the kernel."""
    header = bytearray(b"MZ" + bytes(126))
    header[0x38:0x3C] = b"ARMd"
    struct.pack_into("<I", header, 0x3C, 0x40)
    header[0x40:0x46] = b"PE\0\0" + struct.pack("<H", 0xAA64)
    return bytes(header) + flat_kernel(release, btf)


def riscv_image(release: str = "6.12.1", btf: bytes = b"") -> bytes:
    """Return riscv's Image."""
    header = bytearray(b"MZ" + bytes(62))
    header[0x30:0x3C] = b"RISCV\0\0\0RSC\x05"
    return bytes(header) + flat_kernel(release, btf)


def zboot_image(payload: bytes, machine: int = 0xAA64) -> bytes:
    """Return a vmlinuz.efi: a PE file that unpacks its payload."""
    header = bytearray(b"MZ\0\0zimg" + bytes(120))
    struct.pack_into("<II", header, 8, len(header), len(payload))
    struct.pack_into("<I", header, 0x3C, 0x40)
    header[0x40:0x46] = b"PE\0\0" + struct.pack("<H", machine)
    return bytes(header) + payload + bytes(16)


def s390_image(
    payload: bytes, release: str = "6.12.1", *, entry: bytes = b"S390EP"
) -> bytes:
    """Return s390's bzImage: a boot loader with its parameters, and a payload."""
    header = bytearray(0x11000)
    header[0x10008:0x1000E] = entry
    struct.pack_into(">Q", header, 0x10400 + 0x28, 0x8000)
    banner = f"{release} (someone@somewhere) #1 SMP 2026-08-29".encode()
    header[0x8000 : 0x8000 + len(banner)] = banner
    # What unpackers know by, and what is too small for a kernel.
    header[0x9000:0x9006] = b"\xfd7zXZ\0"
    small = gzip.compress(b"small", mtime=0)
    header[0x9100 : 0x9100 + len(small)] = small
    return bytes(header) + payload + b"\xcc" * 100
