"""/etc/ld.so.cache: which file the dynamic linker takes for the name of a library.

It is in this machine's byte order. Format: glibc's sysdeps/generic/dl-cache.h,
"glibc-ld.so.cache1.1", alone since glibc 2.32, and behind the format of before
("ld.so-1.7.0") up to then.
"""

import struct
from pathlib import Path

from runner.arch import ARCHITECTURES

PATH = Path("/etc/ld.so.cache")
_OLD = b"ld.so-1.7.0\0"
_NEW = b"glibc-ld.so.cache1.1"
# Magic and version, the count of libraries, the size of the texts, and the rest.
_HEADER = struct.Struct("=20s I I 20x")
# Flags, offsets of name and path, the version of the kernel, hardware capabilities.
_ENTRY = struct.Struct("=i I I I Q")
_OLD_ENTRY_SIZE = 12
# A machine that runs no guests, but programs for it run on x86_64.
_I686 = 0x0003


def read(machine: str, path: Path = PATH) -> dict[str, Path]:
    """Return the libraries of a machine by name; nothing without a cache.

    Variants for processors with more instructions are left out: a guest's processor
    need not have them.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return {}
    try:
        return _parsed(data, _flags(machine))
    except (struct.error, UnicodeDecodeError, ValueError):
        # As the linker does with one that is damaged.
        return {}


def _flags(machine: str) -> int:
    known = {it.machine: it.elf.ld_cache for it in ARCHITECTURES}
    return {**known, "i686": _I686}.get(machine, -1)


def _parsed(data: bytes, flags: int) -> dict[str, Path]:
    start = _start(data)
    magic, count, *_ = _HEADER.unpack_from(data, start)
    found: dict[str, Path] = {}
    if not magic.startswith(_NEW):
        return found
    for number in range(count):
        at = start + _HEADER.size + number * _ENTRY.size
        flag, key, value, _, hwcap = _ENTRY.unpack_from(data, at)
        if flag == flags and not hwcap:
            name = _text(data, start + key)
            found.setdefault(name, Path(_text(data, start + value)))
    return found


def _start(data: bytes) -> int:
    """Return where the new format begins; offsets in it count from there."""
    if not data.startswith(_OLD):
        return 0
    (count,) = struct.unpack_from("=I", data, len(_OLD))
    end = len(_OLD) + 4 + count * _OLD_ENTRY_SIZE
    return int((end + 7) // 8 * 8)


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()
