"""The agent for guests of another architecture: what compiles it, and against what."""

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from runner.arch import Architecture
from runner.errors import InfrastructureError, doctor_fixes
from runner.files.cache import Cache, CacheEntry, key_of
from runner.libbpf import recipe
from runner.libbpf.recipe import AGENT, LibbpfWorkshop
from runner.text.progress import Progress

# To be raised when the same sources are to give another agent.
_RECIPE = "cross 2"


@dataclass(frozen=True, kw_only=True)
class CrossTarget:
    """Another architecture, and the unpacked system that programs for it run in."""

    architecture: Architecture
    # A folder with its headers and libraries.
    sysroot: Path
    # What that was made of.
    key: str

    @property
    def compiler(self) -> str:
        """The compiler's name: "aarch64-linux-gnu-gcc"."""
        return f"{self.architecture.debian.triplet}-gcc"

    @property
    def words(self) -> list[str]:
        """What make is told, for this project's programs and for libbpf."""
        prefix = self.architecture.debian.triplet
        compiler = shlex.join([self.compiler, f"--sysroot={self.sysroot}"])
        return [
            f"CC={compiler}",
            f"AR={prefix}-ar",
            f"LD={prefix}-ld",
            f"STATIC={' '.join(self._link)}",
        ]

    @property
    def _link(self) -> tuple[str, ...]:
        port = self.architecture.debian
        return (port.link, *(port.linker.words if port.linker else ()))

    @property
    def identity(self) -> list[str]:
        """What its programs depend on besides their sources."""
        linker = self.architecture.debian.linker
        tools = [self.compiler, *([linker.program] if linker else [])]
        said = [recipe.printed(it, "--version").partition("\n")[0] for it in tools]
        return [self.architecture.name, self.key, *said]


def missing(architecture: Architecture) -> dict[str, str]:
    """Return what building an agent takes and this machine lacks, with packages."""
    port = architecture.debian
    tools = {"make": "make", f"{port.triplet}-gcc": port.compiler}
    if port.linker:
        tools[port.linker.program] = port.linker.package
    return {it: tools[it] for it in tools if shutil.which(it) is None}


def require(architecture: Architecture) -> None:
    """Check for all that the build takes. Raises InfrastructureError."""
    lacking = missing(architecture)
    if lacking:
        raise InfrastructureError(
            f"the agent for {architecture.name} can't be built: "
            f"{', '.join(lacking)} missing",
            hint=f"apt-get install {' '.join(lacking.values())}; "
            f"{doctor_fixes(architecture.name)}",
        )


class CrossBuildError(InfrastructureError):
    """The agent does not build for another architecture."""


def built(
    target: CrossTarget, images: Path, cache: Cache, progress: Progress
) -> CacheEntry:
    """Return the cache's entry with the agent, with the sysroot's libbpf.

    Raises InfrastructureError that names packages that are missing, or has the
    compiler's words.
    """
    require(target.architecture)
    own = recipe.own_sources(images)
    key = key_of(_RECIPE, *recipe.digests(own), *target.identity)
    log = cache.folder("logs") / f"programs-{key[:16]}.log"

    def make(folder: Path) -> Mapping[str, JsonValue]:
        name = target.architecture.name
        with (
            cache.scratch() as scratch,
            progress.task(f"building the guest agent for {name}, once"),
        ):
            log.write_text("")
            shop = LibbpfWorkshop(
                folder=scratch, log=log, name=f"for {name}", error=CrossBuildError
            )
            shop.programs(own, folder, target.words, "", parts=[AGENT])
            return {"origin": f"the agent for {name}"}

    return cache.entry(recipe.KIND, key, make)
