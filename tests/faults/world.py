"""The machine that a run sees: all files as they are, and three folders to write to."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from runner.errors import RunnerError
from runner.files.cache import APPLICATION
from tests.vm.conftest import ROOT

# Makes a world and holds it: $1 is its folder, $2 the folders below its cache, with
# colons. Mounts end with the last process that sees them.
_HOLD = """\
set -e
world=$1 cache=$2
mount --make-rprivate /
mount -t overlay overlay "$world/cache/NAME" \
    -o "lowerdir=$cache,upperdir=$world/cached/new,workdir=$world/cached/work"
mount -t overlay overlay "$world/root" \
    -o "lowerdir=/,upperdir=$world/outside,workdir=$world/outside.work"
for folder in /proc /sys /dev; do mount --rbind "$folder" "$world/root$folder"; done
mount --bind "$world" "$world/root$world"
for folder in cache/NAME cached reports temporary; do
    mount --rbind "$world/$folder" "$world/root$world/$folder"
done
echo ready
exec sleep infinity
""".replace("NAME", APPLICATION)


# Folders that are disks of their own; what a run adds to its cache is on "cached".
Disk = Literal["cached", "temporary", "reports"]
_DISKS: tuple[Disk, ...] = ("cached", "temporary", "reports")


@dataclass(frozen=True, kw_only=True)
class World:
    """Its folders; what a run may write to is `cache`, `temporary` and `reports`."""

    folder: Path
    # What lies below the cache: the nearest first.
    caches: tuple[Path, ...]
    # The pid of the process that keeps its mounts.
    holder: int = 0
    # Files that a fault put in the place of others, with what they had before.
    ours: dict[Path, bytes] = field(default_factory=dict)

    @property
    def suite(self) -> Path:
        """The only suite of the run."""
        return self.folder / "suite"

    @property
    def reports(self) -> Path:
        """Where the run writes its reports."""
        return self.folder / "reports"

    @property
    def temporary(self) -> Path:
        """The run's TMPDIR."""
        return self.folder / "temporary"

    @property
    def home(self) -> Path:
        """The run's XDG_CACHE_HOME."""
        return self.folder / "cache"

    @property
    def changed(self) -> Path:
        """What the run changed in its cache, and what faults put there."""
        return self.folder / "cached/new"

    @property
    def outside(self) -> Path:
        """What it wrote anywhere else."""
        return self.folder / "outside"

    def cached(self) -> Iterator[Path]:
        """Yield all files of the cache, relative to it."""
        seen: set[Path] = set()
        for layer in (self.changed, *self.caches):
            kinds = [it for it in sorted(layer.iterdir()) if it.name != "temporary"]
            for path in (file for kind in kinds for file in sorted(kind.rglob("*"))):
                name = path.relative_to(layer)
                if name not in seen and path.is_file() and not path.is_symlink():
                    seen.add(name)
                    yield name

    def of_cache(self, name: Path) -> Path:
        """Return a file of the cache that may be damaged: a copy of this world's."""
        own = self.changed / name
        if not own.exists():
            layer = next(it for it in self.caches if (it / name).exists())
            for folder in reversed(name.parents):
                (self.changed / folder).mkdir(exist_ok=True)
                shutil.copystat(layer / folder, self.changed / folder)
            shutil.copy2(layer / name, own)
        return own

    def put(self, path: Path, text: str) -> None:
        """Let the run read another text in a file's place."""
        self.ours[path] = path.read_bytes()
        self._write(path, text.encode())

    def _write(self, path: Path, data: bytes) -> None:
        # Whoever writes below a mounted overlay leaves it undefined.
        words = ["nsenter", f"--mount={self.namespace}", "--"]
        words += ["chroot", f"{self.folder}/root", "tee", "--", str(path)]
        subprocess.run(words, input=data, stdout=subprocess.DEVNULL, check=True)

    def written(self) -> list[Path]:
        """Return the files that a run wrote, or removed, where it should not."""
        found = (it for it in self.outside.rglob("*") if not it.is_dir())
        return sorted(
            {Path("/") / it.relative_to(self.outside) for it in found}
            - self.ours.keys()
        )

    def restore(self, suite: Path) -> None:
        """Take back what a fault changed, but for the cache and the reports."""
        for disk in _DISKS:
            self._resize(disk, "50%")
        for path, data in self.ours.items():
            self._write(path, data)
        shutil.rmtree(self.suite)
        shutil.copytree(suite, self.suite)

    def fill(self, disk: Disk, kilobytes: int) -> None:
        """Leave no more room on a disk than that."""
        found = os.statvfs(self.folder / disk)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        self._resize(disk, f"{(used >> 10) + kilobytes}k")

    def _resize(self, disk: Disk, size: str) -> None:
        words = ("mount", "-o", f"remount,size={size}", str(self.folder / disk))
        subprocess.run(words, check=True)

    @property
    def namespace(self) -> str:
        """The mount namespace of all that runs in it, as /proc has it."""
        return f"/proc/{self.holder}/ns/mnt"

    def entering(self) -> list[str]:
        """Return the words before a program's that make it see this world alone."""
        # A campaign that is stopped leaves no run behind.
        return [
            *("setpriv", "--pdeathsig", "TERM", "--"),
            *("nsenter", f"--mount={self.namespace}", "--"),
            *("chroot", f"{self.folder}/root", "env", "-C", str(self.folder)),
        ]


@contextmanager
def world(folder: Path, suite: Path, caches: tuple[Path, ...]) -> Iterator[World]:
    """Make a world in memory; it ends, with all that is in it, after use."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Its guests are nobody's.
    _mount(folder, mode="711")
    made = World(folder=folder, caches=caches)
    with ExitStack() as stack:
        stack.callback(folder.rmdir)
        stack.callback(_umount, folder)
        for disk in _DISKS:
            _mount(folder / disk)
        for name in ("cached/work", "outside", "outside.work", "root"):
            (folder / name).mkdir()
        for private in (made.home / APPLICATION, made.changed):
            private.mkdir(parents=True, mode=0o700)
        shutil.copytree(suite, made.suite)
        yield replace(made, holder=stack.enter_context(_held(made)))


def _mount(folder: Path, mode: str = "700") -> None:
    folder.mkdir()
    words = ("mount", "-t", "tmpfs", "-o", f"mode={mode}", "tmpfs", str(folder))
    subprocess.run(words, check=True)


def _umount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def _held(made: World) -> Iterator[int]:
    """Make the mounts of a world; yield the pid of what keeps them."""
    layers = ":".join(map(str, made.caches))
    with subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL", "--", "unshare", "-m"),
            *("sh", "-c", _HOLD, "sh", str(made.folder), layers),
        ],
        stdout=subprocess.PIPE,
    ) as holder:
        try:
            assert holder.stdout is not None
            if holder.stdout.readline() != b"ready\n":
                raise RunnerError("a world can't be made: overlay mounts need root")
            yield holder.pid
        finally:
            holder.kill()


def settings(made: World) -> dict[str, str]:
    """Return what a run's environment has for this world."""
    return {
        "XDG_CACHE_HOME": str(made.home),
        "TMPDIR": str(made.temporary),
        "BPF_KERNEL_MATRIX_CACHE_LIMIT": "100G",
        # Python's own caches are no writing of the runner's.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(ROOT),
    }
