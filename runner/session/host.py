"""What of this machine every guest of a run shares."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from runner.artifacts.cache import Cache
from runner.errors import InfrastructureError
from runner.image import initramfs
from runner.image.initramfs import Tools
from runner.qemu import vm
from runner.qemu.accelerator import Choice
from runner.session.snapshots import Snapshots

# The checkout, which holds images/ and the agent that ./dev built.
ROOT = Path(__file__).resolve().parents[2]
AGENT = ROOT / "build/agent/agent"
RECIPE = ROOT / "images"
QEMU = "qemu-system-x86_64"
_INITRAMFS = "initramfs"


@dataclass(frozen=True, kw_only=True)
class Host:
    """Programs, caches and settings for guests."""

    qemu: Path
    qemu_version: str
    tools: Tools
    cache: Cache
    snapshots: Snapshots
    accelerator: Choice = "auto"
    # Whether every guest boots, without snapshots.
    cold: bool = False
    # Seconds from QEMU's start to the first command answered.
    boot_timeout: float = 60.0


def inspect(
    cache: Cache, *, accelerator: Choice, boot_timeout: float, cold: bool = False
) -> Host:
    """Look at this machine. Raises InfrastructureError for what it lacks."""
    found = shutil.which(QEMU)
    if found is None:
        raise InfrastructureError(
            f"{QEMU} is not on the PATH",
            hint="install it with: ./dev setup (Debian: qemu-system-x86)",
        )
    if not AGENT.exists():
        raise InfrastructureError(
            f"the guest agent is not built: {AGENT.relative_to(ROOT)} is missing",
            hint="build it with: ./dev setup",
        )
    qemu = Path(found)
    return Host(
        qemu=qemu,
        qemu_version=vm.version(qemu),
        tools=Tools(agent=AGENT, recipe=RECIPE),
        cache=cache,
        accelerator=accelerator,
        snapshots=Snapshots(cache),
        cold=cold,
        boot_timeout=boot_timeout,
    )


@dataclass(frozen=True, kw_only=True)
class Initramfs:
    """An initramfs in the cache, but for a guest's keys."""

    path: Path
    # SHA-256 of what is in it.
    checksum: str

    def read(self) -> bytes:
        """Return it."""
        return self.path.read_bytes()


def packed_initramfs(host: Host, modules: tuple[Path, ...]) -> Initramfs:
    """Return the initramfs for a kernel's modules, packed when it is not cached."""
    members = [*initramfs.userland(host.tools), *initramfs.modules(modules)]

    def build(folder: Path) -> dict[str, str]:
        (folder / _INITRAMFS).write_bytes(initramfs.pack(members))
        return {}

    checksum = initramfs.fingerprint(members)
    entry = host.cache.entry("initramfs", checksum, build)
    return Initramfs(path=entry.directory / _INITRAMFS, checksum=checksum)
