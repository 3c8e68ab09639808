"""Build a loader with its library, into the cache."""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from runner.errors import InfrastructureError, RunnerError, UsageError
from runner.files.cache import Cache, CacheEntry, key_of
from runner.loaders.library import Library, LibraryOrigin
from runner.process import programs
from runner.text.progress import Progress

# In an entry of the cache.
PROGRAM = "loader"
_KIND = "loader"
# To be raised when the same sources are to give another program.
_RECIPE = "1"
# Seconds; Aya takes 40 on two cores.
_TIMEOUT = 900.0
_LAST_LINES = 12
_ERROR = re.compile(r"error\[E\d+\]: ")
# What of the environment says where to download from, and where downloads are kept.
_PASSED = re.compile(
    r"(https?|all|no)_proxy|SSL_CERT_(FILE|DIR)|"
    r"GO(PROXY|NOPROXY|PRIVATE|SUMDB|NOSUMDB|INSECURE|PATH|CACHE|MODCACHE|TOOLCHAIN)|"
    r"CARGO_(HOME|HTTP_\w+|NET_\w+|REGISTRIES_\w+|REGISTRY_\w+|SOURCE_\w+)|"
    r"RUSTUP_(HOME|TOOLCHAIN)",
    re.IGNORECASE,
)
# Programs in guests are static, whatever the C library of this machine.
_STATIC = {"CGO_ENABLED": "0", "RUSTFLAGS": "-C target-feature=+crt-static"}


def built(
    library: Library,
    origin: LibraryOrigin,
    images: Path,
    cache: Cache,
    progress: Progress,
) -> CacheEntry:
    """Return the cache's entry with the program, built if it is not there.

    `images` has the loaders' sources. The log of a build stays in the cache. Raises as
    `runner.loaders.program` does.
    """
    sources = dict(_sources(images / library.name))
    # The same for everybody, so that what was built once needs no compiler.
    key = key_of(
        _RECIPE,
        library.name,
        *(word for path, data in sources.items() for word in (path, data.decode())),
        origin.version,
        "" if origin.folder is None else _digest(origin.folder, library),
    )
    log = cache.folder("logs") / f"loader-{library.name}-{key[:16]}.log"

    def make(folder: Path) -> Mapping[str, JsonValue]:
        _require(library)
        shown = origin.folder or origin.version or "the pinned version"
        with (
            cache.scratch() as scratch,
            progress.task(f"building a loader with {library.title} ({shown})"),
        ):
            for path, data in sources.items():
                (scratch / path).parent.mkdir(parents=True, exist_ok=True)
                (scratch / path).write_bytes(data)
            log.write_text("")
            shop = _Bench(library=library, origin=origin, folder=scratch, log=log)
            version = library.make(shop, origin, folder / PROGRAM)
            return {"origin": f"{library.title} {version}", "version": version}

    return cache.entry(_KIND, key, make)


def _sources(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        # A build in the tree leaves this behind.
        if path.is_file() and "target" not in path.relative_to(folder).parts:
            yield str(path.relative_to(folder)), path.read_bytes()


def _digest(folder: Path, library: Library) -> str:
    """Return the checksum of the files of a library's source that count."""
    whole = hashlib.sha256(str(folder.absolute()).encode())
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(it for it in folders if it not in ("target", ".git"))
        for name in sorted(names):
            path = Path(place, name)
            if path.suffix in library.suffixes and path.is_file():
                data = path.read_bytes()
                whole.update(f"\0{path.relative_to(folder)}\0{len(data)}\0".encode())
                whole.update(data)
    return whole.hexdigest()


def _require(library: Library) -> None:
    if shutil.which(library.tool) is None:
        raise InfrastructureError(
            f"the loader {library.name} can't be built here: {library.tool} is missing",
            hint=f"install it: apt-get install {library.package}",
        )


@dataclass(frozen=True, kw_only=True)
class _Bench:
    """See `runner.loaders.library.Workshop`."""

    library: Library
    origin: LibraryOrigin
    folder: Path
    log: Path

    def download(self, *argv: str) -> None:
        if not self._run(argv):
            return
        words = self._last_words()
        if self.origin.version and re.search(self.library.unknown_version, words):
            raise UsageError(
                f"{self.library.option} {self.origin.version}: "
                f"{self.library.title} has no such version:\n{words}"
            )
        raise InfrastructureError(
            f"the loader {self.library.name} needs {self.library.title}, which can't "
            f"be downloaded:\n{words}",
            hint="it is downloaded once, and then kept in the cache; a proxy or mirror "
            f"is what `{self.library.tool}` is configured for. {self.log} has the full "
            "output",
        )

    def compile(self, *argv: str) -> None:
        if not self._run(argv):
            return
        chosen = self.origin.folder or self.origin.version
        # The pinned version builds, unless the compiler is too old for it.
        raise (UsageError if chosen else InfrastructureError)(
            f"{f'{self.library.option} {chosen}: ' if chosen else ''}the loader "
            f"{self.library.name} does not build with this version of "
            f"{self.library.title if chosen else self.library.tool}:\n"
            f"{self._last_words()}",
            hint=f"{self.log} has the full output",
        )

    def printed(self, *argv: str) -> str:
        done = programs.run(
            argv,
            timeout=_TIMEOUT,
            error=RunnerError,
            hint=f"apt-get install {self.library.package}",
            env=_environment(),
            cwd=self.folder,
        )
        return done.stdout

    def _run(self, argv: tuple[str, ...]) -> int:
        try:
            return programs.run_logged(
                argv, self.log, timeout=_TIMEOUT, cwd=self.folder, env=_environment()
            )
        except TimeoutError:
            return -1

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        # Cargo shows the source below each; go's last lines are its errors.
        errors = [it for it in lines if _ERROR.match(it)]
        told = errors[:_LAST_LINES] or lines[-_LAST_LINES:]
        return "\n".join(f"  {line.replace(f'{self.folder}/', '')}" for line in told)


def _environment() -> dict[str, str]:
    passed = {
        name: value for name, value in os.environ.items() if _PASSED.fullmatch(name)
    }
    return programs.environment(**passed, **_STATIC)
