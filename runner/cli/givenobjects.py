"""The objects that `check` is about, compiled for each architecture of the kernels."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.arch import X86_64, Architecture
from runner.bpf import compile as compile_
from runner.errors import InfrastructureError, MistakesError, RunnerError, UsageError
from runner.files.cache import Cache
from runner.files.sources import shown
from runner.kernels.btf import minimal
from runner.matrix.environment import merged
from runner.preflight import usable
from runner.preflight.targets import BtfSource
from runner.suites import builds, suitefile
from runner.suites.builds import Axes, Variant
from runner.suites.model import Case
from runner.suites.search import SUITE_FILE

# Returns the folder with the vmlinux.h of a kernel, by its id.
TypesOf = Callable[[str], Path]


@dataclass(frozen=True, kw_only=True)
class GivenObject:
    """An object that is checked, compiled."""

    # By the names of the architectures that it is for; one that somebody else compiled
    # is the same for all.
    paths: Mapping[str, Path]
    # What it is called where results are printed.
    name: str
    # What the command line gave: itself, or what it was compiled from.
    source: Path
    # What its build is called; empty for the source's own.
    build: str = ""
    # The object that its programs extend, as its suite says it, as `paths`.
    extended: Mapping[str, Path] = field(default_factory=dict)
    # Modules that are loaded with it; None where only the kernel's row says that.
    modules: tuple[str, ...] | None = None

    @property
    def path(self) -> Path:
        """The file for the first architecture, where only one is looked at."""
        return next(iter(self.paths.values()))

    def on(self, architecture: str) -> Path:
        """Return the file for kernels of an architecture."""
        return self.paths[architecture]

    @property
    def is_built(self) -> bool:
        """Whether somebody else compiled it."""
        return self.path == self.source

    @property
    def shown(self) -> str:
        """Its source as reports show it: from here, or from the repository's top."""
        return shown(os.path.abspath(self.source), Path.cwd())


def architecture_of(kernel: BtfSource) -> str:
    """Return for which architecture sources are compiled for a kernel.

    BTF that says none, such as one that was cut to some objects, counts as x86_64's.
    """
    return kernel.architecture or X86_64.name


def may_be_compiled(paths: Sequence[Path]) -> bool:
    """Whether sources are among what the command line gives."""
    return any(_is_source(it) or it.is_dir() for it in paths)


def find(
    paths: Sequence[Path],
    axes: Axes,
    architectures: Sequence[Architecture],
    cache: Cache,
    engine: Path,
    types: TypesOf,
    modules: tuple[str, ...] | None = None,
    vmlinux: str | None = None,
) -> tuple[list[GivenObject], dict[Path, RunnerError]]:
    """Return objects, and why others can't be checked: one does not stop the rest.

    `types` gives the vmlinux.h that suites name, and that of `vmlinux` where none does.
    `modules` are loaded with each, in place of what suites say. Raises RunnerError when
    none is left.
    """
    given: list[GivenObject] = []
    refused: dict[Path, RunnerError] = {}
    for word in paths:
        try:
            files = minimal.files([word])
        except UsageError as error:
            refused[word] = error
            continue
        for path in files:
            for wanted in _wanted(path, axes, vmlinux):
                try:
                    built = _compiled(wanted, architectures, cache, types)
                    given += _with_modules(built, modules)
                except InfrastructureError:
                    raise
                except RunnerError as error:
                    refused[path] = error
    # Of one alone the check itself tells.
    if len(given) > 1:
        made = {file: it for it in given for file in it.paths.values()}
        broken = usable.unusable(list(made), engine)
        refused |= {made[file].source: error for file, error in broken.items()}
    left = [it for it in given if it.source not in refused]
    if not left and len(refused) == 1:
        raise next(iter(refused.values()))
    if not left:
        raise MistakesError([str(it) for it in refused.values()])
    return left, refused


@dataclass(frozen=True, kw_only=True)
class _WantedBuild:
    """One build of a source, or an object that somebody else compiled."""

    path: Path
    variant: Variant
    # The kernel whose types it includes as vmlinux.h.
    vmlinux: str | None = None
    # What its programs extend, written or compiled as it is.
    extended: Path | None = None
    # What tells it from builds of the same variant.
    note: str = ""


def _wanted(path: Path, axes: Axes, vmlinux: str | None) -> list[_WantedBuild]:
    """Return the builds that the command line names, else the suite next to a source.

    In each case with the types that the suite names, else with those of `vmlinux`.
    """
    for mistake in builds.mistakes(axes, is_source=_is_source(path)):
        raise UsageError(f"--variants: {path.name}: {mistake.what}")
    given = builds.listed(axes)
    found = [
        _WantedBuild(
            path=path,
            variant=variant,
            vmlinux=case.vmlinux or vmlinux,
            extended=_extended(case, path),
        )
        for case in _cases_of(path)
        for variant in given or builds.listed(case.variants) or (Variant(),)
    ] or [
        _WantedBuild(path=path, variant=it, vmlinux=vmlinux)
        for it in given or (Variant(),)
    ]
    types = len({it.vmlinux for it in found}) > 1
    extended = len({it.extended for it in found}) > 1
    return [
        replace(it, note=_note(it, types=types, extended=extended))
        for it in {
            (it.variant.label, it.vmlinux, it.extended): it for it in found
        }.values()
    ]


def _extended(case: Case, path: Path) -> Path | None:
    return None if case.extends is None else path.parent / case.extends.object


def _note(wanted: _WantedBuild, *, types: bool, extended: bool) -> str:
    found = f" (types of {wanted.vmlinux})" if types and wanted.vmlinux else ""
    if extended and wanted.extended:
        found += f" (extends {wanted.extended.name})"
    return found


def _is_source(path: Path) -> bool:
    return path.name.endswith(".c")


def _with_modules(
    built: GivenObject, modules: tuple[str, ...] | None
) -> list[GivenObject]:
    """Return an object once for each list of modules that its suite loads with it."""
    if modules is not None:
        return [replace(built, modules=modules)]
    wanted = dict.fromkeys(it.guest.modules for it in _cases_of(built.source))
    if len(wanted) < 2:
        return [replace(built, modules=it) for it in wanted] or [built]
    return [
        replace(built, modules=it, name=f"{built.name} ({_shown_modules(it)})")
        for it in wanted
    ]


def _shown_modules(modules: tuple[str, ...] | None) -> str:
    if modules is None:
        return "modules of the row"
    return f"with {', '.join(modules)}" if modules else "without modules"


def _cases_of(source: Path) -> list[Case]:
    """Return the cases that the suite next to a source has of it.

    Their `guest` is also what the suite says of it.
    """
    try:
        suite = suitefile.load(source.parent / SUITE_FILE)
    except UsageError:
        # There is none, or the run says what is wrong with it.
        return []
    return [
        case.model_copy(update={"guest": merged([suite.suite.guest, case.guest])})
        for case in suite.suite.cases
        if case.object and suite.file(case.object).resolve() == source.resolve()
    ]


def _compiled(
    wanted: _WantedBuild,
    architectures: Sequence[Architecture],
    cache: Cache,
    types: TypesOf,
) -> GivenObject:
    path, variant = wanted.path, wanted.variant
    headers = types(wanted.vmlinux) if wanted.vmlinux and _is_source(path) else None
    made: dict[str, Path] = {}
    for architecture in architectures:
        build = variant.build.on(architecture) if _is_source(path) else variant.build
        made[architecture.name] = compile_.compile_object(path, cache, headers, build)
    other = wanted.extended
    extended = {}
    if other is not None:
        alone = _WantedBuild(path=other, variant=Variant(), vmlinux=wanted.vmlinux)
        extended = dict(_compiled(alone, architectures, cache, types).paths)
    file = next(iter(made.values()))
    name = f"{file.name}[{variant.label}]" if variant.label else file.name
    return GivenObject(
        paths=made,
        name=f"{name}{wanted.note}",
        source=path,
        build=variant.label,
        extended=extended,
    )
