"""matrix.yaml: the kernels that objects must work on, and where each comes from."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from runner import modelfile
from runner.versions import KernelVersion

ID = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"


class Entry(BaseModel):
    """Base of what a matrix is made of: frozen, and no key that it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )


class DebianSource(Entry):
    """A kernel package of a Debian suite, resolved and verified by apt."""

    type: Literal["debian"]
    suite: Annotated[
        str,
        Field(pattern=r"^[a-z][a-z0-9-]*$", examples=["bookworm", "sid"]),
    ]
    """The suite's codename; the machine's own mirror must carry it."""

    package: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9*?\[\]][a-z0-9.+*?\[\]-]*$",
            examples=["linux-image-cloud-amd64", "linux-image-6.1.0-*-cloud-amd64"],
        ),
    ] = "linux-image-cloud-amd64"
    """A package, a metapackage or a glob; of a glob's matches the newest is taken."""


class UnavailableSource(Entry):
    """A kernel that is wanted but that no source of this version can provide."""

    type: Literal["unavailable"]
    reason: Annotated[str, Field(min_length=1)]
    """What a user who asks for the kernel is told."""


Source = Annotated[DebianSource | UnavailableSource, Field(discriminator="type")]


class Kernel(Entry):
    """A row of the matrix."""

    id: Annotated[str, Field(pattern=ID, max_length=64, examples=["5.14", "sid"])]
    """How the kernel is called on the command line and in reports."""

    source: Source
    """Where the kernel's files come from."""

    btf: Literal["kernel"] = "kernel"
    """Where its BTF comes from; `kernel` is /sys/kernel/btf/vmlinux."""

    arch: Literal["x86_64"] = "x86_64"
    """The guest's architecture."""

    tags: tuple[Annotated[str, Field(pattern=ID)], ...] = ()
    """Names for groups of kernels, selected as @tag."""

    required: bool = True
    """Whether a failure on this kernel fails the run."""

    memory: Annotated[int, Field(ge=96, le=65536)] = 256
    """The guest's memory in MiB."""

    arguments: tuple[Annotated[str, Field(pattern=r"^[!-~]+$")], ...] = ()
    """More words for the kernel's command line."""

    @property
    def version(self) -> KernelVersion | None:
        """The version that the id tells, or None ("sid")."""
        if re.match(r"\d+\.\d+", self.id):
            return KernelVersion.parse(self.id)
        return None


class Matrix(Entry):
    """A whole matrix file."""

    kernels: Annotated[tuple[Kernel, ...], Field(min_length=1)]
    """The rows, in the order in which reports show them."""


def load(path: Path) -> Matrix:
    """Read a matrix file.

    Raises UsageError that tells every mistake by file and line.
    """
    matrix, source = modelfile.load(path, Matrix)
    lines: dict[str, int] = {}
    for number, kernel in enumerate(matrix.kernels):
        where = ("kernels", number, "id")
        if kernel.id in lines:
            again = f"{kernel.id!r} again; line {lines[kernel.id]} has it already"
            raise modelfile.refused(source, [source.mistake(where, again)])
        lines[kernel.id] = source.line(where)
    return matrix
