"""Build the guest agent and preflight's engine with a libbpf."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from runner import arch
from runner.errors import UsageError
from runner.files.cache import Cache, CacheEntry, key_of
from runner.libbpf import cross, recipe
from runner.libbpf.cross import CrossTarget
from runner.libbpf.recipe import LIBRARIES, LibbpfWorkshop
from runner.libbpf.source import LibbpfSource
from runner.programs import elf
from runner.text.progress import Progress

# To be raised when the same sources are to give other programs.
_RECIPE = "1"
# Warnings are for those who write libbpf. Without paths, what comes of it does not
# depend on where it is built.
_OPTIONS = "-O2 -g0 -fPIE -w"
# A kernel's tree makes one object of all; see `_LibbpfBuild._kernel`.
_WHOLE = "libbpf-in.o"


class BuildError(UsageError):
    """A libbpf does not build, or the programs do not build with it."""


def built(
    source: LibbpfSource,
    images: Path,
    cache: Cache,
    progress: Progress,
    target: CrossTarget | None = None,
) -> CacheEntry:
    """Return the cache's entry with the programs, built if it is not there.

    For a `target` of another architecture that is the agent. The build's log is in the
    cache, too. Raises BuildError with the compiler's words, and InfrastructureError for
    tools that are missing.
    """
    own = recipe.own_sources(images)
    if target is None:
        recipe.require(LIBRARIES)
        made_with = recipe.toolchain(LIBRARIES)
    else:
        cross.require(target.architecture)
        made_with = target.identity
    key = key_of(_RECIPE, source.sha256, *recipe.digests(own), *made_with)
    log = cache.folder("logs") / f"libbpf-{key[:16]}.log"

    def make(folder: Path) -> Mapping[str, JsonValue]:
        with (
            cache.scratch() as scratch,
            progress.task(f"building libbpf {source.version} from {source.folder}"),
        ):
            log.write_text("")
            shop = LibbpfWorkshop(
                folder=scratch,
                log=log,
                name=f"--libbpf {source.folder}: libbpf {source.version}",
                error=BuildError,
            )
            return _LibbpfBuild(source=source, shop=shop, target=target).run(
                own, folder
            )

    return cache.entry(recipe.KIND, key, make)


@dataclass(frozen=True, kw_only=True)
class _LibbpfBuild:
    source: LibbpfSource
    shop: LibbpfWorkshop
    target: CrossTarget | None

    def run(self, own: Mapping[str, Path], folder: Path) -> Mapping[str, JsonValue]:
        """Put the programs into a folder; return what to remember of them."""
        tree, prefix = self.shop.folder / "source", self.shop.folder / "prefix"
        _write(tree, self.source.files)
        for part in ("lib", "private"):
            (prefix / part).mkdir(parents=True)
        {"source": self._source, "kernel": self._kernel, "prefix": self._prefix}[
            self.source.layout
        ](tree, prefix)
        # Static functions that nobody calls come with some libbpfs' headers.
        words = [f"LIBBPF={prefix}", *self._cross]
        if self.target is None:
            self.shop.programs(own, folder, words, " with it")
        else:
            self.shop.programs(own, folder, words, " with it", parts=[recipe.AGENT])
        return {
            "origin": f"libbpf {self.source.version} of {self.source.folder}",
            "libbpf": self.source.version,
        }

    def _source(self, tree: Path, prefix: Path) -> None:
        out = self.shop.folder / "out"
        words = [
            "BUILD_STATIC_ONLY=y",
            "NO_PKG_CONFIG=1",
            f"CFLAGS={_OPTIONS}",
            f"OBJDIR={out}",
            "DESTDIR=",
            f"INCLUDEDIR={prefix}/include",
            f"UAPIDIR={prefix}/include",
            *self._cross,
        ]
        self.shop.make("libbpf", tree / "src", [*words, f"{out}/libbpf.a"])
        targets = ["install_headers", "install_uapi_headers"]
        self.shop.make("libbpf's headers", tree / "src", [*words, *targets])
        shutil.copy(out / "libbpf.a", prefix / "lib")
        shutil.copy(tree / "src/relo_core.h", prefix / "private")

    def _kernel(self, tree: Path, prefix: Path) -> None:
        out = self.shop.folder / "out"
        out.mkdir()
        folder = tree / "tools/lib/bpf"
        words = [
            f"OUTPUT={out}/",
            f"EXTRA_CFLAGS={_OPTIONS}",
            "DESTDIR=",
            f"prefix={prefix}",
            *self._cross,
        ]
        self.shop.make("libbpf", folder, [*words, f"{out}/libbpf.a"])
        self.shop.make("libbpf's headers", folder, [*words, "install_headers"])
        # Of its own, of many objects: in one, the linker's --wrap can't stand between.
        objects = sorted((out / "staticobjs").glob("*.o"))
        parts = [str(path) for path in objects if path.name != _WHOLE]
        archive = ["ar", "rcsD", str(prefix / "lib/libbpf.a"), *parts]
        self.shop.run("libbpf", archive, folder)
        interface = prefix / "include/linux"
        interface.mkdir()
        for name in ("bpf.h", "bpf_common.h", "btf.h"):
            shutil.copy(tree / "tools/include/uapi/linux" / name, interface)
        shutil.copy(folder / "relo_core.h", prefix / "private")

    def _prefix(self, tree: Path, prefix: Path) -> None:
        shutil.copytree(tree, prefix, dirs_exist_ok=True)
        members = recipe.printed("ar", "t", str(prefix / "lib/libbpf.a")).split()
        if not members:
            raise BuildError(f"{self._name}: libbpf.a is not an archive")
        self._require_machine(prefix / "lib/libbpf.a")
        if _WHOLE in members:
            raise BuildError(
                f"{self._name}: libbpf.a is one single object, as a kernel tree "
                "builds it",
                hint="name the kernel tree instead",
            )

    def _require_machine(self, library: Path) -> None:
        """Refuse an installed libbpf of another architecture than the programs'."""
        wanted = self.target.architecture if self.target else arch.native()
        data = library.read_bytes()
        start = data.find(elf.MAGIC)
        found = elf.machine_of(data[start : start + 20]) if start >= 0 else None
        if wanted is not None and found is not None and found != wanted.machine:
            raise BuildError(
                f"{self._name}: libbpf.a is for {found}, and the guest is "
                f"{wanted.name}",
                hint="name libbpf's source, which is built for each architecture",
            )

    @property
    def _cross(self) -> list[str]:
        return self.target.words if self.target else []

    @property
    def _name(self) -> str:
        return f"--libbpf {self.source.folder}"


def _write(root: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        if target.suffix in (".py", ".sh"):
            target.chmod(0o755)
