"""The programs that are linked with libbpf: the machine's, or one that the user names.

Whether an object loads depends on the libbpf of its loader as well as on the kernel.
The guest agent loads objects and preflight's engine predicts them; both always have the
same libbpf.
"""

from dataclasses import dataclass
from pathlib import Path

from runner.files.cache import Cache
from runner.files.checkout import IMAGES, ROOT
from runner.libbpf import build, source
from runner.text.progress import Progress

# What ./dev built in this checkout, with the system's libbpf.
AGENT = ROOT / "build/agent/agent"
ENGINE = ROOT / "build/preflight/engine"


@dataclass(frozen=True, kw_only=True)
class Programs:
    """The guest agent and preflight's engine, with one libbpf."""

    agent: Path = AGENT
    engine: Path = ENGINE
    # The folder that libbpf is from, as its user named it; empty for the machine's.
    source: str = ""
    # Of the files there that count.
    sha256: str = ""


def programs(folder: Path | None, cache: Cache, progress: Progress) -> Programs:
    """Return the programs with the libbpf of a folder, or with the machine's.

    They are built once for each content of that folder and of images/. Raises
    UsageError for a folder that can't be used or does not build, and
    InfrastructureError for what this machine lacks.
    """
    if folder is None:
        return Programs()
    found = source.read(folder)
    entry = build.built(found, IMAGES, cache, progress)
    return Programs(
        agent=entry.directory / build.AGENT,
        engine=entry.directory / build.ENGINE,
        source=str(folder),
        sha256=found.sha256,
    )
