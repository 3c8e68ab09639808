"""The objects that `check` is about, compiled for each architecture of the kernels."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.arch import X86_64, Architecture
from runner.bpf import compile as compile_
from runner.errors import InfrastructureError, MistakesError, RunnerError, UsageError
from runner.files.cache import Cache
from runner.files.sources import shown
from runner.kernels.btf import minimal
from runner.preflight import usable
from runner.preflight.targets import BtfSource
from runner.suites import builds, suitefile
from runner.suites.builds import Axes, Variant
from runner.suites.search import SUITE_FILE


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
) -> tuple[list[GivenObject], dict[Path, RunnerError]]:
    """Return objects, and why others can't be checked: one does not stop the rest.

    Raises RunnerError when none is left.
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
            for variant in _variants(path, axes):
                try:
                    given.append(_compiled(path, variant, architectures, cache))
                except InfrastructureError:
                    raise
                except RunnerError as error:
                    refused[path] = error
    # Of one alone the check itself tells.
    if len(given) > 1:
        made = {file: it for it in given for file in it.paths.values()}
        broken = usable.unusable(list(made), engine)
        refused |= {made[file].source: error for file, error in broken.items()}
    left = {it.path: it for it in given if it.source not in refused}
    if not left and len(refused) == 1:
        raise next(iter(refused.values()))
    if not left:
        raise MistakesError([str(it) for it in refused.values()])
    return list(left.values()), refused


def _variants(path: Path, axes: Axes) -> Sequence[Variant]:
    for mistake in builds.mistakes(axes, is_source=_is_source(path)):
        raise UsageError(f"--variants: {path.name}: {mistake.what}")
    return builds.listed(axes) or _of_suite(path) or (Variant(),)


def _is_source(path: Path) -> bool:
    return path.name.endswith(".c")


def _of_suite(source: Path) -> list[Variant]:
    """Return the builds that the suite next to a source has of it."""
    file = source.parent / SUITE_FILE
    try:
        suite = suitefile.load(file)
    except UsageError:
        # There is none, or the run says what is wrong with it.
        return []
    found = {
        variant.label: variant
        for case in suite.suite.cases
        if case.object and suite.file(case.object).resolve() == source.resolve()
        for variant in builds.listed(case.variants)
    }
    return list(found.values())


def _compiled(
    path: Path, variant: Variant, architectures: Sequence[Architecture], cache: Cache
) -> GivenObject:
    made: dict[str, Path] = {}
    for architecture in architectures:
        build = variant.build.on(architecture) if _is_source(path) else variant.build
        made[architecture.name] = compile_.compile_object(path, cache, build=build)
    file = next(iter(made.values()))
    name = f"{file.name}[{variant.label}]" if variant.label else file.name
    return GivenObject(paths=made, name=name, source=path, build=variant.label)
