"""replay/ in a folder of reports: the files by their checksums, and what they are.

All of it is foreign input where it is read: it may come from a pull request of anybody.
"""

import re
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from runner.results import Provenance, Record

REPLAY_VERSION: Literal[1] = 1

FOLDER = "replay"
INDEX = f"{FOLDER}/replay.json"
FILES = f"{FOLDER}/files"

# Bytes of one file, and of all of them; Go programs have ten million.
MOST_FILE = 256 << 20
MOST_FILES = 1 << 30
# Of replay.json.
MOST_INDEX = 64 << 20

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

_PLAIN = re.compile(r"[^\x00-\x1f\x7f]{1,255}")
_DEEPEST = 40


class KeptFile(Record):
    """A file that a suite names."""

    path: str
    """Its path, seen from the top of its suite."""
    sha256: Sha256
    """Its SHA-256, which is its name in the folder."""
    executable: bool = False
    """Whether it may be executed."""


class KeptObject(Record):
    """An object as it was loaded."""

    path: str
    """Its source, or itself, seen from the top of its suite."""
    vmlinux: str | None = None
    """The kernel whose vmlinux.h it was compiled with."""
    build: str = ""
    """How it was compiled where the case has variants: "clang-19 -mcpu=v3"."""
    sha256: Sha256
    """The SHA-256 of the compiled object."""


class ReplaySuite(Record):
    """A suite, with the files that it needs."""

    name: str
    """Its name."""
    folder: str
    """Its folder, seen from the folder that holds all of its files (the top)."""
    files: tuple[KeptFile, ...] = ()
    """suite.yaml and the files that it names."""
    objects: tuple[KeptObject, ...] = ()
    """Its objects."""
    together: tuple[str, ...] = ()
    """Cases whose kernels are compared with each other, so that one alone says
    nothing."""
    missing: dict[str, str] = Field(default={})
    """Cases that can't be replayed from these files, and why."""


class ReplayKernel(Record):
    """A kernel, down to its packages."""

    id: str
    """Its id in the matrix."""
    row: dict[str, JsonValue]
    """Its row of the matrix."""
    locked: dict[str, JsonValue] | None = None
    """What a lock has of it; null if its files were not known."""


class ReplaySettings(Record):
    """The settings of the run."""

    boot_timeout: Annotated[float, Field(gt=0, le=1e6)]
    """Seconds."""
    timeout_scale: Annotated[float, Field(gt=0, le=1000)] | None = None
    """What --timeout-scale said; null without it."""
    cold: bool = False
    """Whether every guest booted."""
    accelerator: Literal["auto", "kvm", "tcg"] = "auto"
    """What --accel said."""
    loaders: dict[str, str] = Field(default={})
    """Versions of the other loaders' libraries, where an option named them."""


class Bundle(Record):
    """The content of replay/replay.json."""

    schema_version: Literal[1] = REPLAY_VERSION
    """The version of this format."""
    runner: str
    """The version of bpf-kernel-matrix."""
    arch: str
    """The architecture of the machine: "x86_64"."""
    settings: ReplaySettings
    """The settings of the run."""
    kernels: tuple[ReplayKernel, ...] = ()
    """The kernels that ran, and those whose types an object was compiled with."""
    suites: tuple[ReplaySuite, ...] = ()
    """The suites."""
    provenance: Provenance = Provenance()
    """What was tested."""

    def kernel(self, id_: str) -> ReplayKernel | None:
        """Return a kernel by its id."""
        return next((it for it in self.kernels if it.id == id_), None)

    def suite(self, name: str) -> ReplaySuite | None:
        """Return a suite by its name."""
        return next((it for it in self.suites if it.name == name), None)


def is_plain(path: str) -> bool:
    """Whether a path leads into the folder that it is seen from, and to no link's end.

    It is relative, without "..", and of names that every file system takes.
    """
    parts = path.split("/")
    return len(parts) <= _DEEPEST and all(
        part not in (".", "..") and _PLAIN.fullmatch(part) for part in parts
    )
