"""How a kernel is built: its config fragments, and its quirks with their reasons."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, RootModel

from runner.arch import X86_64, Architecture
from runner.errors import UsageError, file_errors
from runner.files import modelfile
from runner.files.cache import key_of, sha256_of
from runner.files.modelfile import FileEntry
from runner.files.shipped import IMAGES
from runner.kernels.kernelbuild import refusals
from runner.kernels.kernelbuild.kconfig import Request, parse_fragment
from runner.kernels.kernelbuild.ranges import ArchitectureName, Range
from runner.kernels.kernelbuild.refusals import Refusal
from runner.kernels.kernelbuild.toolchain import GCC, Toolchain
from runner.versions import KernelVersion, VersionRange

FOLDER = IMAGES / "kernel"
_FRAGMENTS = "fragments.yaml"
_QUIRKS = "quirks.yaml"
# Fragments that rows ask for by name; those that others use do not depend on them.
_DEBUG = "debug"

# Variables of the kernel's Makefile that a quirk may add words to.
Variable = Literal["KCFLAGS", "KAFLAGS", "HOSTCFLAGS", "HOSTLDFLAGS", "LD"]


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is not a regular expression: {error}") from error
    return text


class _RecipeRow(FileEntry):
    # All kernels when it is empty.
    kernels: Range | None = None
    # All architectures when it is empty.
    arch: ArchitectureName | None = None

    def holds(self, version: KernelVersion, architecture: Architecture) -> bool:
        """Whether the row is about an architecture's kernel."""
        if self.arch not in (None, architecture.name):
            return False
        return self.kernels is None or version in VersionRange.parse(self.kernels)


class FragmentRow(_RecipeRow):
    """A file of options, and which kernels it is for."""

    file: Annotated[str, Field(pattern=r"^[a-z0-9._-]+\.config$")]
    # Why for these only.
    why: str = ""


class Edit(FileEntry):
    """A change of the source, made wherever the expression matches."""

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$")]
    # Matched line by line.
    find: Annotated[str, AfterValidator(_expression)]
    # May refer to groups as \1.
    replace: str


class PaholeOption(FileEntry):
    """An option for the pahole that the kernel's build calls."""

    option: Annotated[str, Field(pattern=r"^--[a-z0-9_=-]+$")]
    # Which versions of pahole know it.
    versions: Range


class Quirk(_RecipeRow):
    """What some kernels need to be built by today's tools."""

    kernels: Range
    why: Annotated[str, Field(min_length=1)]
    make: Mapping[Variable, tuple[str, ...]] = Field(default_factory=dict)
    edits: tuple[Edit, ...] = ()
    pahole: tuple[PaholeOption, ...] = ()


class _Fragments(RootModel[tuple[FragmentRow, ...]]):
    pass


class _Quirks(RootModel[tuple[Quirk, ...]]):
    pass


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one version of the kernel is built."""

    version: KernelVersion
    requests: tuple[Request, ...]
    quirks: tuple[Quirk, ...]
    # What is known to fail.
    refusals: tuple[Refusal, ...] = ()
    # What compiles the kernel and the programs of its build.
    toolchain: Toolchain

    @property
    def requested(self) -> dict[str, str]:
        """The options that are asked for, without CONFIG_."""
        return {it.name: it.value for it in self.requests}

    @property
    def variables(self) -> dict[str, str]:
        """Make variables, each the words of all quirks."""
        words: dict[str, list[str]] = {}
        for quirk in self.quirks:
            for name, added in quirk.make.items():
                words.setdefault(name, []).extend(added)
        return {name: " ".join(added) for name, added in words.items()}

    @property
    def edits(self) -> tuple[Edit, ...]:
        """Changes of the source, in their order."""
        return tuple(edit for quirk in self.quirks for edit in quirk.edits)

    def pahole(self, version: KernelVersion) -> list[str]:
        """Return the options for a version of pahole."""
        return [
            it.option
            for quirk in self.quirks
            for it in quirk.pahole
            if version in VersionRange.parse(it.versions)
        ]


def load(
    version: KernelVersion,
    options: Mapping[str, str],
    folder: Path = FOLDER,
    compiler: str = GCC,
    named: Sequence[str] = (),
    architecture: Architecture = X86_64,
) -> Recipe:
    """Return the recipe of a kernel; `options` are a row's own, and count most.

    `named` are fragments that the row asks for, such as "kasan".

    Raises UsageError that lists every mistake in the tables by file and line, and for
    an architecture that they know nothing of.
    """
    fragments, source = modelfile.load(folder / _FRAGMENTS, _Fragments)
    _require(architecture, fragments.root, folder)
    quirks, _ = modelfile.load(folder / _QUIRKS, _Quirks)
    requests: dict[str, Request] = {}
    for number, row in enumerate(fragments.root):
        if not row.holds(version, architecture):
            continue
        path = folder / row.file
        with file_errors(UsageError, source.mistake((number, "file"), str(path))):
            text = path.read_text()
        requests |= {it.name: it for it in parse_fragment(text, path.name)}
    for fragment in named:
        path = _debug(folder, fragment)
        requests |= {it.name: it for it in parse_fragment(path.read_text(), path.name)}
    for name, value in options.items():
        requests[name] = Request(name=name, value=value, where="the row's options")
    return Recipe(
        version=version,
        requests=tuple(requests.values()),
        quirks=tuple(it for it in quirks.root if it.holds(version, architecture)),
        refusals=refusals.load(folder),
        toolchain=Toolchain(architecture=architecture, gcc=compiler),
    )


def _require(
    architecture: Architecture, rows: Sequence[FragmentRow], folder: Path
) -> None:
    """Refuse an architecture without a fragment, if others have one of their own."""
    known = {it.arch for it in rows} - {None}
    if known and architecture.name not in known:
        raise UsageError(
            f"kernels of {architecture.name} can't be built: {folder / _FRAGMENTS} has "
            "no fragment for it",
            hint=f"it has some for {', '.join(sorted(filter(None, known)))}; use the "
            "distribution's package instead (debian), or a tree that you built (path)",
        )


def _debug(folder: Path, name: str) -> Path:
    return folder / _DEBUG / f"{name}.config"


def fingerprint(
    options: Mapping[str, str],
    folder: Path = FOLDER,
    compiler: str = GCC,
    named: Sequence[str] = (),
    architecture: Architecture = X86_64,
) -> str:
    """Return what a built kernel depends on besides its source."""
    rows = modelfile.load(folder / _FRAGMENTS, _Fragments)[0].root
    others = {it.file for it in rows if it.arch not in (None, architecture.name)}
    own = {it.file for it in rows if it.arch in (None, architecture.name)}
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return key_of(
        architecture.name,
        *(
            f"{path.name} {sha256_of(path)}"
            for path in files
            if path.name not in others - own
        ),
        *(f"{name}={value}" for name, value in sorted(options.items())),
        compiler,
        *(f"{name} {sha256_of(_debug(folder, name))}" for name in named),
    )
