"""Archives in the "newc" format that Linux unpacks as an initramfs.

Format: Documentation/driver-api/early-userspace/buffer-format.rst in the kernel.
The same members give the same bytes: no times, owner 0, numbers in order.
"""

import stat
from collections.abc import Iterable
from dataclasses import dataclass

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"


@dataclass(frozen=True, kw_only=True)
class ArchiveMember:
    """A file, directory, link or device of an archive."""

    # Without a leading slash: "etc/fstab".
    path: str
    # Type and permissions, as in st_mode.
    mode: int
    data: bytes = b""
    # Major and minor number of a device.
    device: tuple[int, int] = (0, 0)


def directory(path: str, permissions: int = 0o755) -> ArchiveMember:
    """Return a directory."""
    return ArchiveMember(path=path, mode=stat.S_IFDIR | permissions)


def file(path: str, data: bytes, permissions: int = 0o644) -> ArchiveMember:
    """Return a regular file."""
    return ArchiveMember(path=path, mode=stat.S_IFREG | permissions, data=data)


def symlink(path: str, target: str) -> ArchiveMember:
    """Return a symbolic link."""
    return ArchiveMember(path=path, mode=stat.S_IFLNK | 0o777, data=target.encode())


def character_device(path: str, major: int, minor: int) -> ArchiveMember:
    """Return a character device that its owner only may use."""
    return ArchiveMember(path=path, mode=stat.S_IFCHR | 0o600, device=(major, minor))


def archive(members: Iterable[ArchiveMember]) -> bytes:
    """Return the members as one archive, parents before what they hold."""
    by_path = {member.path: member for member in members}
    ordered = [by_path[path] for path in sorted(by_path)]
    chunks = [_entry(number, member) for number, member in enumerate(ordered, 1)]
    chunks.append(_entry(0, ArchiveMember(path=_TRAILER, mode=0)))
    return b"".join(chunks)


def _entry(number: int, member: ArchiveMember) -> bytes:
    name = member.path.encode() + b"\0"
    major, minor = member.device
    links = 2 if stat.S_ISDIR(member.mode) else 1
    fields = (
        number,
        member.mode,
        0,  # uid
        0,  # gid
        links,
        0,  # mtime
        len(member.data),
        0,  # device of the file system: major, minor
        0,
        major,
        minor,
        len(name),
        0,  # checksum, which newc leaves out
    )
    head = _MAGIC + b"".join(b"%08X" % field for field in fields) + name
    return _padded(head) + _padded(member.data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
