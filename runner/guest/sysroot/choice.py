"""Which packages a guest of an architecture is made of: those and what they need."""

from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels.sources import apt
from runner.kernels.sources.apt import Archive, Package
from runner.kernels.sources.aptplace import AptPlace
from runner.kernels.sources.source import Item
from runner.text.progress import Progress

# Those of images/debian-packages that are in guests or in the agent.
ROOTS = (
    "busybox-static",
    "dropbear-bin",
    "bpftool",
    "libbpf-dev",
    "libelf-dev",
    "libjansson-dev",
    "zlib1g-dev",
    "libc6-dev",
)
# What nothing that is built or run here uses: programs of an installation, and libc's
# network information services.
_UNUSED = frozenset(
    {
        "debconf",
        "debconf-2.0",
        "dpkg",
        "init-system-helpers",
        "libnsl-dev",
        "lsb-base",
        "rpcsvc-proto",
    }
)


def choose(place: AptPlace, cache: Cache, progress: Progress) -> tuple[Item, ...]:
    """Return the packages of a place, in the order of their names.

    Raises ArtifactError with apt's words, and for a package that the place lacks.
    """
    with (
        progress.task(f"asking {place.name} for {place.architecture}'s packages"),
        apt.fresh(place, cache) as archive,
    ):
        found = _closure(archive)
    return tuple(found[name].item for name in sorted(found))


def _closure(archive: Archive) -> dict[str, Package]:
    found: dict[str, Package] = {}
    wanted: list[tuple[str, ...]] = [(name,) for name in ROOTS]
    while wanted:
        missing = [it for it in wanted if not any(name in found for name in it)]
        known = {
            it.name: it
            for it in archive.describe([name for names in missing for name in names])
        }
        wanted = []
        for names in missing:
            package = next((known[it] for it in names if it in known), None)
            if package is None:
                place = archive.place
                raise ArtifactError(
                    f"{place.name} has no package {names[0]} for {place.architecture}",
                    hint=place.hint,
                )
            found.setdefault(package.name, package)
            wanted += [it for it in package.depends if not _UNUSED.intersection(it)]
    return found
