"""Loaders that use other libraries than libbpf: cilium/ebpf (Go) and Aya (Rust).

Their sources are in images/loaders. They are built when something first asks for them,
and run in guests beside the agent.
"""

from dataclasses import dataclass
from pathlib import Path

from runner.errors import UsageError
from runner.files.cache import Cache
from runner.files.shipped import IMAGES
from runner.loaders import aya, build, ebpfgo
from runner.loaders.library import Library, LibraryOrigin
from runner.text.progress import Progress

LIBRARIES: dict[str, Library] = {it.name: it for it in (ebpfgo.LIBRARY, aya.LIBRARY)}


@dataclass(frozen=True, kw_only=True)
class LoaderProgram:
    """A loader that guests can run."""

    # As suites name it.
    name: str
    path: Path
    # "cilium/ebpf 0.22.0", or "Aya 0.14.0 (--aya DIR)".
    title: str


def program(
    name: str, wanted: str | None, cache: Cache, progress: Progress
) -> LoaderProgram:
    """Return a loader's program, built if that was not done before.

    `wanted` is a version of the library or a folder with its source; None is the
    version that this project pins. Raises UsageError for what does not exist or does
    not build, and InfrastructureError for a compiler or a download that is missing.
    """
    library = LIBRARIES[name]
    origin = _origin(library, wanted)
    entry = build.built(library, origin, IMAGES / "loaders", cache, progress)
    # No path: reports are published.
    own = f"({library.option} DIR)" if origin.folder else ""
    words = library.title, str(entry.metadata["version"]), own
    return LoaderProgram(
        name=name,
        path=entry.directory / build.PROGRAM,
        title=" ".join(filter(None, words)),
    )


def _origin(library: Library, wanted: str | None) -> LibraryOrigin:
    if wanted is None:
        return LibraryOrigin()
    version = wanted.removeprefix("v")
    if version[:1].isdigit() and not Path(wanted).exists():
        return LibraryOrigin(version=version)
    folder = Path(wanted)
    if not folder.is_dir():
        raise UsageError(
            f"{library.option} {wanted}: neither a version nor a folder",
            hint=f"name a version, such as {library.example}, or a folder with the "
            f"source of {library.title}",
        )
    if not (folder / library.landmark).is_file():
        raise UsageError(
            f"{library.option} {wanted}: the folder has no {library.landmark}",
            hint=f"name the top folder of the source of {library.title}",
        )
    return LibraryOrigin(folder=folder)
