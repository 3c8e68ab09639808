"""Small ELF files, as the kernel's build would have made them."""

import struct


def made(sections: dict[str, bytes]) -> bytes:
    """Return a 64-bit little-endian ELF file of these sections and their names."""
    names = b"\0"
    bodies = b""
    headers = [bytes(64)]
    start = 64

    def header(name: int, kind: int, offset: int, size: int) -> bytes:
        return struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, offset, size, 0, 0, 1, 0)

    for name, body in sections.items():
        headers.append(header(len(names), 1, start + len(bodies), len(body)))
        names += name.encode() + b"\0"
        bodies += body
    at = len(names)
    names += b".shstrtab\0"
    headers.append(header(at, 3, start + len(bodies), len(names)))
    bodies += names
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    # ET_REL for x86-64; sections are all it has.
    return (
        identity
        + struct.pack(
            "<HHIQQQIHHHHHH",
            *(1, 62, 1, 0, 0, start + len(bodies), 0, 64, 0, 0, 64),
            *(len(headers), len(headers) - 1),
        )
        + bodies
        + b"".join(headers)
    )


def module(*depends: str) -> bytes:
    """Return a kernel module that needs others."""
    modinfo = b"license=GPL\0depends=" + ",".join(depends).encode() + b"\0name=x\0"
    return made({".modinfo": modinfo, ".text": b"\xc3"})
