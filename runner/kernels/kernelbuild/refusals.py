"""What can't be built, found out before anything is compiled."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, RootModel, model_validator

from runner.errors import ArtifactError
from runner.files import modelfile
from runner.files.modelfile import FileEntry
from runner.kernels.kernelbuild.ranges import ArchitectureName, Range
from runner.kernels.kernelbuild.toolchain import GCC, Toolchain
from runner.process import programs
from runner.versions import KernelVersion, VersionRange

_FILE = "refused.yaml"
# Seconds; a program says its version at once.
_TIMEOUT = 60.0
# "gcc (Debian 12.2.0-14+deb12u1) 12.2.0": a package's version is another number.
_PACKAGE = re.compile(r"\([^)]*\)")
_NUMBER = re.compile(r"\d+(?:\.\d+)+")


class Refusal(FileEntry):
    """A combination of kernel, options and tools that is known to fail."""

    # All kernels when it is empty.
    kernels: Range | None = None
    # All architectures when it is empty.
    arch: ArchitectureName | None = None
    # Options without CONFIG_, which must all be as said for the row to count.
    options: Mapping[str, str] = Field(default_factory=dict)
    # A program that must be there, gcc for the row's own compiler; without program and
    # header, options alone are what fails.
    program: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] | None = None
    # Which versions of the program fail; when it is empty, only its absence does.
    fails: Range | None = None
    # A file that C code must be able to include.
    header: Annotated[str, Field(pattern=r"^[a-z0-9_/.-]+\.h$")] | None = None
    # Where the build would stop, and why.
    why: Annotated[str, Field(min_length=1)]
    # What to do.
    instead: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.program and self.header:
            raise ValueError("has both of the keys program and header")
        if self.fails is not None and self.program is None:
            raise ValueError("has the key fails, but no program")
        if not (self.program or self.header or self.options):
            raise ValueError("needs one of the keys program, header and options")
        return self

    def counts(
        self, version: KernelVersion, config: Mapping[str, str], architecture: str
    ) -> bool:
        """Whether the row is about an architecture's kernel with these options."""
        of_version = self.kernels is None or version in VersionRange.parse(self.kernels)
        of_architecture = self.arch in (None, architecture)
        return (
            of_version
            and of_architecture
            and all(config.get(name) == value for name, value in self.options.items())
        )

    def problem(self, toolchain: Toolchain) -> str:
        """Return what fails with this machine's tools; empty when nothing does."""
        if self.header is not None:
            return _without(self.header, toolchain.host)
        if self.program is not None:
            program = toolchain.compiler if self.program == GCC else self.program
            return _unfit(program, self.fails)
        return " ".join(f"CONFIG_{name}={it}" for name, it in self.options.items())


class _Refusals(RootModel[tuple[Refusal, ...]]):
    pass


def load(folder: Path) -> tuple[Refusal, ...]:
    """Read the table. Raises UsageError that lists every mistake by file and line."""
    return modelfile.load(folder / _FILE, _Refusals)[0].root


def complete(rows: Sequence[Refusal], config: Mapping[str, str]) -> Mapping[str, str]:
    """Return a whole .config's options; what it does not hold is off."""
    names = {name for row in rows for name in row.options}
    return {**dict.fromkeys(names, "n"), **config}


def check(
    rows: Sequence[Refusal],
    version: KernelVersion,
    config: Mapping[str, str],
    toolchain: Toolchain,
) -> None:
    """Refuse to build a kernel that is known to fail with this machine's tools.

    `config` holds the options that are known, without CONFIG_. Takes a second.
    Raises ArtifactError that names each reason, and what to do.
    """
    found = [
        (problem, row)
        for row in rows
        if row.counts(version, config, toolchain.architecture.name)
        and (problem := row.problem(toolchain))
    ]
    if found:
        told = "; ".join(f"{problem}: {row.why}" for problem, row in found)
        raise ArtifactError(
            f"linux {version.release or version} can't be built here: {told}",
            hint="; ".join(dict.fromkeys(row.instead for _, row in found)),
        )


def _without(header: str, compiler: str) -> str:
    argv = [compiler, "-fsyntax-only", "-x", "c", "-include", header, "/dev/null"]
    return f"{header} is missing" if _output(argv) is None else ""


def _unfit(program: str, fails: str | None) -> str:
    said = _output([program, "--version"])
    if said is None:
        return f"{program} is missing"
    if fails is None:
        return ""
    found = version_in(said)
    return f"{program} {found}" if found in VersionRange.parse(fails) else ""


def version_in(said: str) -> KernelVersion:
    """Return the version that a program says it has; 0 when it says none."""
    line = _PACKAGE.sub("", said.partition("\n")[0])
    found = _NUMBER.search(line)
    return KernelVersion.parse(found[0] if found else "0")


def _output(argv: Sequence[str]) -> str | None:
    """Return what a program prints, or None when it is not there or fails."""
    if shutil.which(argv[0]) is None:
        return None
    done = programs.run(argv, timeout=_TIMEOUT, error=ArtifactError, hint="")
    return done.stdout if done.returncode == 0 else None
