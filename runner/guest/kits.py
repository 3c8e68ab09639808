"""What of this machine the guests of an architecture share: QEMU, and their programs.

Of this machine's own architecture they are its own. For another one they come from a
sysroot, and the agent is built by a cross compiler.
"""

import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path

from runner import arch, libbpf
from runner.arch import Architecture
from runner.errors import DOCTOR_FIXES, InfrastructureError, doctor_fixes
from runner.files import shipped
from runner.files.cache import Cache
from runner.guest.image.initramfs import Tools
from runner.guest.qemu import vm
from runner.libbpf import Programs, cross
from runner.libbpf.cross import CrossTarget
from runner.memo import found_once
from runner.text.progress import Progress, progress

RECIPE = shipped.IMAGES


@dataclass(frozen=True, kw_only=True)
class GuestKit:
    """What guests of one architecture share."""

    architecture: Architecture
    qemu: Path
    qemu_version: str
    tools: Tools


@dataclass(kw_only=True)
class GuestKits:
    """The kits of a run's architectures, each made when its first guest is wanted."""

    cache: Cache
    # Those of this machine's architecture.
    programs: Programs
    _made: dict[str, GuestKit | InfrastructureError] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, architecture: Architecture, bars: Progress | None = None) -> GuestKit:
        """Return an architecture's kit.

        Raises InfrastructureError that names the package that is missing, and
        UsageError for a --libbpf that does not build for it.
        """
        with self._lock:
            if architecture.name not in self._made:
                try:
                    made = self._make(architecture, bars or progress())
                    self._made[architecture.name] = made
                except InfrastructureError as error:
                    # What was missing once is missing for all kernels of a run.
                    self._made[architecture.name] = error
            found = self._made[architecture.name]
        if isinstance(found, InfrastructureError):
            raise found
        return found

    def _make(self, architecture: Architecture, bars: Progress) -> GuestKit:
        qemu = _qemu(architecture)
        return GuestKit(
            architecture=architecture,
            qemu=qemu,
            qemu_version=version_of(qemu, self.cache),
            tools=self._tools(architecture, bars),
        )

    def _tools(self, architecture: Architecture, bars: Progress) -> Tools:
        if architecture is arch.native():
            return Tools(
                architecture=architecture, agent=self.programs.agent, recipe=RECIPE
            )
        # Before anything is downloaded.
        cross.require(architecture)
        # It talks to servers, which guests of this machine's architecture never need.
        from runner.guest import sysroot

        unpacked = sysroot.obtain(architecture, self.cache, bars)
        target = CrossTarget(
            architecture=architecture, sysroot=unpacked.folder, key=unpacked.key
        )
        folder = Path(self.programs.source) if self.programs.source else None
        return Tools(
            architecture=architecture,
            root=unpacked.folder,
            agent=libbpf.agent_for(target, folder, self.cache, bars),
            recipe=RECIPE,
        )


def _qemu(architecture: Architecture) -> Path:
    board = architecture.board
    found = shutil.which(board.program)
    if found is None:
        own = architecture is arch.native()
        fixes = DOCTOR_FIXES if own else doctor_fixes(architecture.name)
        raise InfrastructureError(
            f"{board.program} is not on the PATH",
            hint=f"apt-get install {board.package}; {fixes}",
        )
    return Path(found)


def version_of(qemu: Path, cache: Cache) -> str:
    """Return QEMU's version, asked for once."""
    return found_once(cache, "qemu", [str(qemu)], lambda: (vm.version(qemu), [qemu]))
