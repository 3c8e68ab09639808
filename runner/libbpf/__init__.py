"""The programs that are linked with libbpf: the machine's, or one that the user names.

Whether an object loads depends on the libbpf of its loader as well as on the kernel.
The guest agent loads objects and preflight's engine predicts them; both always have the
same libbpf.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from runner.files.cache import Cache, CacheEntry
from runner.files.shipped import IMAGES
from runner.libbpf import build, cross, recipe, source, systemlibbpf
from runner.libbpf.cross import CrossTarget
from runner.text.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Programs:
    """The guest agent and preflight's engine, with one libbpf."""

    agent: Path
    engine: Path
    # The folder that libbpf is from, as its user named it; empty for the system's.
    source: str = ""
    # Of the files there that count.
    sha256: str = ""


def programs(folder: Path | None, cache: Cache, progress: Progress) -> Programs:
    """Return the programs with the libbpf of a folder, or with the system's.

    They are built once for each content of that folder and of images/. Raises
    UsageError for a folder that can't be used or does not build, and
    InfrastructureError for what this machine lacks.
    """
    if folder is None:
        return _in(systemlibbpf.built(IMAGES, cache, progress))
    found = source.read(folder)
    own = _in(build.built(found, IMAGES, cache, progress))
    return replace(own, source=str(folder), sha256=found.sha256)


def agent_for(
    target: CrossTarget, folder: Path | None, cache: Cache, progress: Progress
) -> Path:
    """Return the agent for guests of another architecture.

    It has the libbpf of a folder, or that of the target's sysroot. Raises as
    `programs` does.
    """
    if folder is None:
        entry = cross.built(target, IMAGES, cache, progress)
    else:
        found = source.read(folder)
        entry = build.built(found, IMAGES, cache, progress, target)
    return entry.directory / recipe.AGENT


def _in(entry: CacheEntry) -> Programs:
    return Programs(
        agent=entry.directory / recipe.AGENT, engine=entry.directory / recipe.ENGINE
    )
