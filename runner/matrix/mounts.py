"""File systems that a guest has besides its own, in the words of mount(8)."""

import posixpath
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from runner.files.modelfile import FileEntry

# What a guest's own programs need: its root, and what images/fstab and images/rc mount.
OWN = (
    *("/bin", "/dev", "/dev/pts", "/etc", "/lib", "/lib64", "/proc", "/run"),
    *("/run/agent", "/run/files", "/run/sshd", "/sbin", "/sys", "/sys/fs/bpf"),
    *("/sys/fs/cgroup", "/sys/kernel/debug", "/sys/kernel/security"),
    *("/sys/kernel/tracing", "/usr", "/usr/bin", "/usr/sbin", "/usr/lib"),
)
# Options that /proc/mounts shows as they are written: images/environment looks.
FLAGS = (
    *("ro", "rw", "nosuid", "nodev", "noexec", "noatime", "nodiratime"),
    *("sync", "dirsync"),
)
_BINDS = ("bind", "rbind")
# Of a mount that is there: show_mnt_opts() in fs/proc_namespace.c.
_OF_A_BIND = (*_BINDS, "ro", "rw", "nosuid", "nodev", "noexec", "noatime", "nodiratime")
_OPPOSITES = (("ro", "rw"),)


def _free(path: str) -> str:
    """Refuse a folder that hides what the guest itself needs, with a ValueError."""
    path = _plain(path)
    for own in OWN:
        if own == path or _is_below(own, path):
            cgroup = "; `guest: {cgroup: …}` says what is there" * (
                own == "/sys/fs/cgroup"
            )
            raise ValueError(
                f"{path} would hide {own}, which the guest itself needs; choose "
                f"another folder, such as /mnt/scratch{cgroup}"
            )
    return path


def _plain(path: str) -> str:
    """Return a path without what leads nowhere: "//a/../b/" is "/b"."""
    return posixpath.normpath(f"/{path.lstrip('/')}")


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(f"{folder.rstrip('/')}/")


class Mount(FileEntry):
    """A file system that a guest has."""

    type: Annotated[
        str, Field(pattern=r"^[a-z0-9_]+$", examples=["tmpfs", "hugetlbfs"])
    ]
    """What it is, as mount(8) calls it. Name its module in `modules`, if it has one."""

    path: Annotated[
        str,
        Field(pattern=r"^/[^\s:]*$", examples=["/mnt/scratch"]),
        AfterValidator(_free),
    ]
    """The folder, which is made if it is not there."""

    source: Annotated[str, Field(pattern=r"^[!-~]+$")] = "none"
    """What is mounted."""

    options: tuple[Annotated[str, Field(pattern=r"^[!-+\--~]+$")], ...] = ()
    """Options of mount(8): [size=1m, noexec]. With [bind, ro], `source` is a folder of
    the guest that is also there, read-only, and `type` is none."""

    @property
    def is_bind(self) -> bool:
        """Whether it is a folder that the guest has elsewhere."""
        return any(it in _BINDS for it in self.options)

    @property
    def flags(self) -> tuple[str, ...]:
        """Options that the guest must show afterwards."""
        return tuple(it for it in self.options if it in FLAGS)

    @model_validator(mode="after")
    def _says_what_can_be(self) -> "Mount":
        for pair in _OPPOSITES:
            if all(it in self.options for it in pair):
                raise ValueError(f"options: {' and '.join(pair)} contradict each other")
        if self.type == "none" and not self.is_bind:
            raise ValueError("type none is for options: [bind]; name a file system")
        for it in self.options:
            if it in ("remount", "move"):
                raise ValueError(f"options: {it} is not for a mount that is to be made")
            if self.is_bind and it not in _OF_A_BIND:
                raise ValueError(
                    f"options: a bind mount can't have {it}, which is for a whole file "
                    f"system; there are {', '.join(_OF_A_BIND)}"
                )
        return self


def visible(mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
    """Refuse mounts of which one hides another, with a ValueError."""
    for number, later in enumerate(mounts):
        for earlier in mounts[:number]:
            if earlier.path == later.path:
                raise ValueError(f"two mounts are on {later.path}; one hides the other")
            if _is_below(earlier.path, later.path):
                raise ValueError(
                    f"{later.path} would hide {earlier.path}, which is mounted before "
                    "it; write it first"
                )
    return mounts
