"""Build the guest agent and preflight's engine with a libbpf."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from runner.errors import InfrastructureError, UsageError
from runner.files.cache import Cache, CacheEntry, key_of, sha256_of
from runner.libbpf.source import LibbpfSource
from runner.process import programs
from runner.text.progress import Progress

# In an entry of the cache.
AGENT, ENGINE = "agent", "engine"
KIND = "libbpf"

# To be raised when the same sources are to give other programs.
_RECIPE = "1"
_PROGRAMS = {"agent": AGENT, "preflight": ENGINE}
_SHARED = "common"
# Static libraries that the programs are linked with, besides libbpf.
_LIBRARIES = ("libelf.a", "libz.a", "libjansson.a")
# Warnings are for those who write libbpf. Without paths, what comes of it does not
# depend on where it is built.
_OPTIONS = "-O2 -g0 -fPIE -w"
# Seconds; libbpf takes 4 on two cores, and as long for both programs.
_TIMEOUT = 600.0
_LAST_LINES = 12
# A kernel's tree makes one object of all; see `_Build._kernel`.
_WHOLE = "libbpf-in.o"


class BuildError(UsageError):
    """A libbpf does not build, or the programs do not build with it."""


def built(
    source: LibbpfSource, images: Path, cache: Cache, progress: Progress
) -> CacheEntry:
    """Return the cache's entry with the programs, built if it is not there.

    The build's log is in the cache, too. Raises BuildError with the compiler's words,
    and InfrastructureError for tools that are missing.
    """
    _need("make", "gcc", "ar")
    own = _own_sources(images)
    key = key_of(_RECIPE, source.sha256, *_digests(own), *_toolchain())
    log = cache.folder("logs") / f"libbpf-{key[:16]}.log"

    def make(folder: Path) -> Mapping[str, JsonValue]:
        with (
            cache.scratch() as scratch,
            progress.task(f"building libbpf {source.version} from {source.folder}"),
        ):
            log.write_text("")
            return _LibbpfBuild(source=source, scratch=scratch, log=log).run(
                own, folder
            )

    return cache.entry(KIND, key, make)


def _own_sources(images: Path) -> dict[str, bytes]:
    return {
        f"{part}/{path.name}": path.read_bytes()
        for part in (*_PROGRAMS, _SHARED)
        for path in sorted((images / part).iterdir())
        if path.is_file()
    }


def _digests(own: Mapping[str, bytes]) -> list[str]:
    return [word for path, content in own.items() for word in (path, content.decode())]


def _toolchain() -> list[str]:
    """Return what else the programs are made by and of."""
    compiler = _printed("gcc", "--version").partition("\n")[0]
    return [compiler, *map(_library, _LIBRARIES)]


def _library(name: str) -> str:
    try:
        return sha256_of(Path(_printed("gcc", f"-print-file-name={name}").strip()))
    except OSError as error:
        raise InfrastructureError(
            f"{name} is missing; the guest agent is linked with it",
            hint="install it with: ./dev setup",
        ) from error


def _printed(*argv: str) -> str:
    hint = "install it with: ./dev setup"
    done = programs.run(argv, timeout=_TIMEOUT, error=InfrastructureError, hint=hint)
    return "" if done.returncode else done.stdout


def _need(*names: str) -> None:
    lacking = [name for name in names if shutil.which(name) is None]
    if lacking:
        raise InfrastructureError(
            f"libbpf can't be built here: {', '.join(lacking)} missing",
            hint="install it with: ./dev setup (Debian: gcc, make)",
        )


@dataclass(frozen=True, kw_only=True)
class _LibbpfBuild:
    source: LibbpfSource
    scratch: Path
    log: Path

    def run(self, own: Mapping[str, bytes], folder: Path) -> Mapping[str, JsonValue]:
        """Put the programs into a folder; return what to remember of them."""
        tree, prefix = self.scratch / "source", self.scratch / "prefix"
        _write(tree, self.source.files)
        _write(self.scratch / "images", own)
        for part in ("lib", "private"):
            (prefix / part).mkdir(parents=True)
        {"source": self._source, "kernel": self._kernel, "prefix": self._prefix}[
            self.source.layout
        ](tree, prefix)
        for part, name in _PROGRAMS.items():
            # Static functions that nobody calls come with some libbpfs' headers.
            self._make(
                f"{part} with it",
                self.scratch / "images" / part,
                [name, f"BUILD={self.scratch / 'built' / part}", f"LIBBPF={prefix}"],
            )
            shutil.copy(self.scratch / "built" / part / name, folder / name)
        return {
            "origin": f"libbpf {self.source.version} of {self.source.folder}",
            "libbpf": self.source.version,
        }

    def _source(self, tree: Path, prefix: Path) -> None:
        out = self.scratch / "out"
        words = [
            "BUILD_STATIC_ONLY=y",
            "NO_PKG_CONFIG=1",
            f"CFLAGS={_OPTIONS}",
            f"OBJDIR={out}",
            "DESTDIR=",
            f"INCLUDEDIR={prefix}/include",
            f"UAPIDIR={prefix}/include",
        ]
        self._make("libbpf", tree / "src", [*words, f"{out}/libbpf.a"])
        targets = ["install_headers", "install_uapi_headers"]
        self._make("libbpf's headers", tree / "src", [*words, *targets])
        shutil.copy(out / "libbpf.a", prefix / "lib")
        shutil.copy(tree / "src/relo_core.h", prefix / "private")

    def _kernel(self, tree: Path, prefix: Path) -> None:
        out = self.scratch / "out"
        out.mkdir()
        folder = tree / "tools/lib/bpf"
        words = [
            f"OUTPUT={out}/",
            f"EXTRA_CFLAGS={_OPTIONS}",
            "DESTDIR=",
            f"prefix={prefix}",
        ]
        self._make("libbpf", folder, [*words, f"{out}/libbpf.a"])
        self._make("libbpf's headers", folder, [*words, "install_headers"])
        # Of its own, of many objects: in one, the linker's --wrap can't stand between.
        objects = sorted((out / "staticobjs").glob("*.o"))
        parts = [str(path) for path in objects if path.name != _WHOLE]
        archive = ["ar", "rcsD", str(prefix / "lib/libbpf.a"), *parts]
        self._run("libbpf", archive, folder)
        interface = prefix / "include/linux"
        interface.mkdir()
        for name in ("bpf.h", "bpf_common.h", "btf.h"):
            shutil.copy(tree / "tools/include/uapi/linux" / name, interface)
        shutil.copy(folder / "relo_core.h", prefix / "private")

    def _prefix(self, tree: Path, prefix: Path) -> None:
        shutil.copytree(tree, prefix, dirs_exist_ok=True)
        members = _printed("ar", "t", str(prefix / "lib/libbpf.a")).split()
        if not members:
            raise BuildError(f"{self._name}: libbpf.a is not an archive")
        if _WHOLE in members:
            raise BuildError(
                f"{self._name}: libbpf.a is one single object, as a kernel tree "
                "builds it",
                hint="name the kernel tree instead",
            )

    @property
    def _name(self) -> str:
        return f"--libbpf {self.source.folder}"

    def _make(self, what: str, folder: Path, words: Sequence[str]) -> None:
        jobs = f"-j{len(os.sched_getaffinity(0))}"
        self._run(what, ["make", jobs, "-C", str(folder), *words], folder)

    def _run(self, what: str, argv: Sequence[str], folder: Path) -> None:
        try:
            status = programs.run_logged(
                argv, self.log, timeout=_TIMEOUT, cwd=folder, env=programs.environment()
            )
        except TimeoutError:
            status = -1
        if status != 0:
            raise BuildError(
                f"{self._name}: libbpf {self.source.version}: {what} does not build:\n"
                f"{self._last_lines()}",
                hint=f"{self.log} has the full output",
            )

    def _last_lines(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        errors = [
            line
            for line in lines
            if re.search(r"\berror\b|undefined reference|multiple definition", line)
        ]
        # make's own word says less.
        told = (errors or lines)[:_LAST_LINES] if errors else lines[-_LAST_LINES:]
        return "\n".join(f"  {line.replace(f'{self.scratch}/', '')}" for line in told)


def _write(root: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        if target.suffix in (".py", ".sh"):
            target.chmod(0o755)
