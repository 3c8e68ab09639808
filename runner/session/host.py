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

# The checkout, which holds images/ and the agent that ./dev built.
ROOT = Path(__file__).resolve().parents[2]
AGENT = ROOT / "build/agent/agent"
RECIPE = ROOT / "images"
QEMU = "qemu-system-x86_64"


@dataclass(frozen=True, kw_only=True)
class Host:
    """Programs, caches and settings for guests."""

    qemu: Path
    qemu_version: str
    tools: Tools
    cache: Cache
    accelerator: Choice = "auto"
    # Seconds from QEMU's start to the first command answered.
    boot_timeout: float = 60.0


def inspect(cache: Cache, *, accelerator: Choice, boot_timeout: float) -> Host:
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
        boot_timeout=boot_timeout,
    )


def packed_initramfs(host: Host, modules: tuple[Path, ...]) -> bytes:
    """Return the initramfs for a kernel's modules, from the cache when it is there."""
    members = [*initramfs.userland(host.tools), *initramfs.modules(modules)]

    def build(folder: Path) -> dict[str, str]:
        (folder / "initramfs").write_bytes(initramfs.pack(members))
        return {}

    entry = host.cache.entry("initramfs", initramfs.fingerprint(members), build)
    return (entry.directory / "initramfs").read_bytes()
