"""Which packages of a repository hold a kernel."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runner.errors import ArtifactError
from runner.kernels.sources.rpm.metadata import Capability, RpmPackage
from runner.kernels.sources.rpm.repository import RpmRepository
from runner.kernels.sources.rpm.version import Evr
from runner.matrix.matrix import RpmSource
from runner.text.nearest import nearest

_ANY = "noarch"
# Versions, or names, that an error lists.
_MOST_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class ChosenPackages:
    """A kernel's packages."""

    # The one that the source names.
    named: RpmPackage
    # All that hold its files, that one among them.
    packages: tuple[RpmPackage, ...]


def wanted(source: RpmSource) -> frozenset[str]:
    """Return the names of the packages that a source's keys name."""
    names = (source.package, source.debug_package, *(source.more_modules or ()))
    return frozenset(name for name in names if name)


def choose(source: RpmSource, repository: RpmRepository) -> ChosenPackages:
    """Return the packages that a source means now. Raises ArtifactError."""
    named = _named(source, repository)
    if source.more_modules is None:
        required = _with_required(named, repository, source.basearch)
        return ChosenPackages(named=named, packages=required)
    modules = (
        same_version(name, named, repository, "modules", source.basearch)
        for name in source.more_modules
    )
    return ChosenPackages(named=named, packages=(named, *modules))


def versions(source: RpmSource, repository: RpmRepository) -> list[RpmPackage]:
    """Return every version of the package that a source names, the oldest first.

    Raises ArtifactError for one that the repository lacks.
    """
    fitting = _fitting(source.package, repository, source.basearch)
    once = {it.evr: it for it in fitting}
    return [once[evr] for evr in sorted(once)]


def same_version(
    name: str, of: RpmPackage, repository: RpmRepository, key: str, basearch: str
) -> RpmPackage:
    """Return the package of exactly a kernel's version that a key of the row names.

    Raises ArtifactError.
    """
    found = _fitting(name, repository, basearch)
    for package in found:
        if package.evr == of.evr:
            return package
    there = f"it has {_versions(found)}" if found else _similar(name, repository)
    raise ArtifactError(
        f"{repository.base} has no package {name}-{of.evr}, which the row's key {key} "
        "names",
        hint=there,
    )


def _named(source: RpmSource, repository: RpmRepository) -> RpmPackage:
    found = _fitting(source.package, repository, source.basearch)
    if not source.version:
        return max(found, key=lambda package: package.evr)
    matching = [it for it in found if source.version in _spellings(it)]
    if matching:
        return max(matching, key=lambda package: package.evr)
    raise ArtifactError(
        f"{repository.base} has no {source.package} of version {source.version}",
        hint=f"it has {_versions(found, near=source.version)}",
    )


def _spellings(package: RpmPackage) -> Iterable[str]:
    """Yield how people write a package's version, with more and more around it."""
    evr = package.evr
    for version in (f"{evr.version}-{evr.release}", str(evr)):
        yield version
        yield f"{version}.{package.arch}"
        yield f"{package.name}-{version}"
        yield f"{package.name}-{version}.{package.arch}"


def _fitting(name: str, repository: RpmRepository, basearch: str) -> list[RpmPackage]:
    """Return the packages of a name for an architecture, at least one."""
    found = [it for it in repository.packages if it.name == name]
    fitting = [package for package in found if package.arch in (basearch, _ANY)]
    if fitting:
        return fitting
    if found:
        there = ", ".join(sorted({package.arch for package in found}))
        raise ArtifactError(
            f"{repository.base} has {name} for {there} only, not for {basearch}",
            hint=f"check the architecture in the address: $basearch is {basearch}, by "
            "the row's key arch",
        )
    raise ArtifactError(
        f"{repository.base} has no package {name}", hint=_similar(name, repository)
    )


def _similar(name: str, repository: RpmRepository) -> str:
    near = nearest(name, repository.names)
    if near:
        return f"did you mean {near[0]!r}?"
    kernels = sorted(it for it in repository.names if it.startswith("kernel"))
    if kernels:
        return f"it has {', '.join(kernels[:_MOST_SHOWN])}"
    return "it has no kernel; vendors often put it into another repository"


def _versions(packages: Sequence[RpmPackage], near: str = "") -> str:
    """Return some versions, the newest or the nearest first."""
    evrs = sorted({package.evr for package in packages}, reverse=True)
    texts = [str(evr) for evr in evrs]
    like = nearest(near, texts, _MOST_SHOWN) if near else []
    shown = (like or texts)[:_MOST_SHOWN]
    more = f", and {len(texts) - len(shown)} others" if len(texts) > len(shown) else ""
    return f"{', '.join(shown)}{more}"


# ------------------------------------------------------- what a kernel's parts require


def _with_required(
    package: RpmPackage, repository: RpmRepository, basearch: str
) -> tuple[RpmPackage, ...]:
    """Return a package and all that it requires of the same kernel.

    On el9 kernel-core requires kernel-modules-core, and kernel requires both.
    """
    providers = {
        (capability.name, capability.evr): it
        for it in repository.packages
        if it.arch in (basearch, _ANY)
        for capability in it.provides
    }
    found = {package.nevra: package}
    waiting = [package]
    while waiting:
        for required in waiting.pop(0).requires:
            part = _provider(required, providers, package, repository)
            if part.nevra not in found:
                found[part.nevra] = part
                waiting.append(part)
    return tuple(found.values())


def _provider(
    required: Capability,
    providers: dict[tuple[str, Evr], RpmPackage],
    package: RpmPackage,
    repository: RpmRepository,
) -> RpmPackage:
    found = providers.get((required.name, required.evr))
    if found is not None:
        return found
    raise ArtifactError(
        f"{package.nevra} requires {required}, which no package of {repository.base} "
        "provides",
        hint="the repository may be amid an update, or split; the key modules sets "
        "other packages, and `modules: []` none",
    )
