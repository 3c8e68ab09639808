"""The initramfs of a guest: tools of this machine, modules of the kernel."""

import functools
import gzip
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runner.arch import Architecture
from runner.bpf import bpftool
from runner.errors import DOCTOR_INSTALLS, InfrastructureError, file_errors
from runner.guest.image import cpio, libraries

# Where a guest expects the agent, and how the runner starts it. It is root's shell too.
AGENT = "/usr/bin/agent"
# The script that makes a root of the user's own out of a disk, or of memory.
ROOT = "/etc/root"
# The script that makes a guest what a suite wants it to be.
ENVIRONMENT = "/etc/environment"

_DIRECTORIES = (
    "bin",
    "dev",
    "etc",
    "etc/dropbear",
    "lib",
    "lib/modules",
    "lib64",
    "proc",
    "root",
    "run",
    "sbin",
    "sys",
    "tmp",
    "usr",
    "usr/bin",
    "usr/sbin",
)

_TEXTS = {
    "etc/passwd": f"root:x:0:0:root:/root:{AGENT}\n"
    "nobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    # dropbear lets nobody in whose shell is not listed.
    "etc/shells": f"{AGENT}\n",
}


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What goes into every guest of an architecture."""

    architecture: Architecture
    # Where its programs and libraries are: this machine's own, or a sysroot.
    root: Path = Path("/")
    # Static, so that it needs nothing of what is beside it.
    agent: Path
    # The folder that holds inittab, fstab, rc, root, environment and applets.
    recipe: Path

    def program(self, *places: str) -> Path:
        """Return the first of some paths that is there, or else the first."""
        paths = [self.root / it for it in places]
        return next((it for it in paths if it.exists()), paths[0])


def sources(tools: Tools) -> dict[str, tuple[Path, int]]:
    """Return the files of this machine that go into a guest: path in it → file, mode.

    Raises InfrastructureError that names what this machine lacks.
    """
    programs = {
        "usr/sbin/dropbear": tools.program("usr/sbin/dropbear"),
        bpftool.PROGRAM.lstrip("/"): tools.program("usr/sbin/bpftool"),
    }
    binaries = {
        **libraries.closure(programs.values(), tools.architecture, tools.root),
        **programs,
        "bin/busybox": tools.program("bin/busybox", "usr/bin/busybox"),
        AGENT.lstrip("/"): tools.agent,
    }
    return {
        **{path: (source, 0o755) for path, source in binaries.items()},
        "etc/inittab": (tools.recipe / "inittab", 0o644),
        "etc/fstab": (tools.recipe / "fstab", 0o644),
        "etc/rc": (tools.recipe / "rc", 0o755),
        ROOT.lstrip("/"): (tools.recipe / "root", 0o755),
        ENVIRONMENT.lstrip("/"): (tools.recipe / "environment", 0o755),
    }


@functools.cache
def own_files(tools: Tools) -> Mapping[PurePosixPath, Path]:
    """Return the files of this machine that every guest has, by their paths in it."""
    return {
        PurePosixPath("/") / path: source.resolve()
        for path, (source, _) in sources(tools).items()
    }


def commands(recipe: Path) -> frozenset[str]:
    """Return the paths of the programs that every guest has. Raises as `sources`."""
    names = _read(recipe / "applets").decode().split()
    return frozenset(f"/bin/{name}" for name in [*names, "busybox"]) | {bpftool.PROGRAM}


def inputs(tools: Tools) -> list[Path]:
    """Return all that `userland` is made of, this program's own part included."""
    own = Path(__file__).parent.glob("*.py")
    files = (source for source, _ in sources(tools).values())
    return [*files, tools.recipe / "applets", *sorted(own)]


def userland(tools: Tools) -> list[cpio.ArchiveMember]:
    """Return all of a guest but its modules and keys.

    Raises InfrastructureError that names what this machine lacks.
    """
    applets = _read(tools.recipe / "applets").decode().split()
    return [
        *(cpio.directory(path) for path in _DIRECTORIES),
        cpio.directory(f"lib/{tools.architecture.debian.triplet}"),
        cpio.character_device("dev/console", 5, 1),
        cpio.character_device("dev/null", 1, 3),
        *(
            cpio.file(path, _read(source), mode)
            for path, (source, mode) in sources(tools).items()
        ),
        *(cpio.file(path, text.encode()) for path, text in _TEXTS.items()),
        # Names that scripts and cases may call busybox by.
        *(cpio.symlink(f"bin/{name}", "busybox") for name in applets),
        cpio.symlink("init", tools.architecture.board.init),
        # Where libbpf looks for the kernel's configuration, and the agent may write.
        cpio.symlink("boot", "run/agent"),
    ]


def modules(paths: Iterable[Path]) -> list[cpio.ArchiveMember]:
    """Return kernel modules and the list by which the guest loads them in order."""
    ordered = list(paths)
    listing = "".join(f"{path.name}\n" for path in ordered)
    return [
        cpio.file("etc/modules", listing.encode()),
        *(cpio.file(f"lib/modules/{path.name}", _read(path)) for path in ordered),
    ]


def secrets(files: Mapping[str, bytes]) -> bytes:
    """Return the archive of a guest's keys, to be appended to its initramfs.

    Linux unpacks archives that follow each other; a plain one may follow a
    compressed one at a 4-byte boundary (init/initramfs.c).
    """
    return cpio.archive(
        [
            cpio.directory("root/.ssh", 0o700),
            *(cpio.file(path, data, 0o600) for path, data in files.items()),
        ]
    )


def pack(members: Iterable[cpio.ArchiveMember]) -> bytes:
    """Return the members compressed; gzip is what every kernel here can unpack."""
    # Without a time in the header, so that the same members give the same bytes.
    packed = gzip.compress(cpio.archive(members), compresslevel=9, mtime=0)
    return packed + b"\0" * (-len(packed) % 4)


def fingerprint(members: Iterable[cpio.ArchiveMember]) -> str:
    """Return the SHA-256 of what would be packed, without packing it."""
    return hashlib.sha256(cpio.archive(members)).hexdigest()


def _read(path: Path) -> bytes:
    what = f"a guest needs {path}"
    with file_errors(InfrastructureError, what, hint=DOCTOR_INSTALLS):
        return path.read_bytes()
