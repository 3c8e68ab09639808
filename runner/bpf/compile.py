"""Compile suites' BPF programs, and look at objects before they go to a guest."""

import functools
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from runner import arch
from runner.arch import Architecture
from runner.bpf import object as object_
from runner.bpf.build import PLAIN, Build
from runner.errors import DOCTOR_FIXES, InfrastructureError, UsageError, doctor_fixes
from runner.memo import Finding, Notes, found_once
from runner.process.programs import environment

VMLINUX_H = "vmlinux.h"

_DUMP = ("/usr/sbin/bpftool", "btf", "dump", "file")

_OPTIONS = (
    "-g",
    "-O2",
    "-Wall",
    "-Werror",
    # The suite's folder, where clang is run.
    "-I.",
    # So that the object holds no path of this checkout.
    "-fdebug-compilation-dir=.",
)

# Seconds.
_TIMEOUT = 120

# "./task.bpf.c:12:3: error: …"; of the source, not of a header elsewhere.
_ERROR_AT = re.compile(
    r"^(?:\./)?([^/\s:]+):(\d+):\d+: (?:fatal )?error: ", re.MULTILINE
)

# A file in a rule for make, where a backslash stands before a blank in its name.
_MAKE_WORDS = re.compile(r"(?:[^\s\\]|\\.)+", re.DOTALL)


class CompileError(UsageError):
    """A suite's source does not compile."""

    @property
    def source(self) -> str:
        """The line of clang's first error: "task.bpf.c:12"; empty without one."""
        found = _ERROR_AT.search(self.message)
        return f"{found[1]}:{found[2]}" if found else ""


class CompiledFolder(Protocol):
    """What a cache hands out."""

    @property
    def directory(self) -> Path:
        """The folder that was built."""


class CompileCache(Notes, Protocol):
    """What is needed of runner.files.cache.Cache, which this may not import."""

    def entry(
        self, kind: str, key: str, build: Callable[[Path], dict[str, str]], /
    ) -> CompiledFolder:
        """Return what `build` once put into the folder that it was given."""


class ByteOrderError(object_.ObjectError):
    """A built object is of another byte order than the kernels that it is for."""


def compile_object(
    source: Path,
    cache: CompileCache,
    headers: Path | None = None,
    build: Build = PLAIN,
) -> Path:
    """Compile NAME.bpf.c, or return `source` itself when it is an object already.

    `headers` is a folder with a kernel's vmlinux.h. The object is in the cache; a
    changed header, option or clang compiles it again.
    Raises CompileError with clang's text, ObjectError for a file that can't be used
    (ByteOrderError for one that kernels of the architecture can't), UsageError when
    there is none, InfrastructureError without clang.
    """
    if not source.is_file():
        raise UsageError(
            f"there is no {source.name} in {source.parent}",
            hint="'object' must name a NAME.bpf.c or an object in the suite's folder",
        )
    if source.suffix != ".c":
        found = object_.read(source.read_bytes(), source)
        if build.architecture is not None:
            _compare_orders(found, build.architecture)
        return source
    name = source.name.removesuffix(".c").removesuffix(".bpf") + ".bpf.o"

    def compile_it(folder: Path) -> dict[str, str]:
        _require_mentioned(source, headers, build)
        # Absolute, because clang is run in the suite's folder.
        words = command(source, (folder / name).absolute(), headers, build)
        _clang(words, source, build)
        object_.read((folder / name).read_bytes(), source)
        return {}

    key = found_once(
        cache,
        "object",
        [str(source.absolute()), str(_clang_path(build)), *_options(headers, build)],
        lambda: _fingerprint(source, headers, build),
    )
    return cache.entry("object", key, compile_it).directory / name


def vmlinux_h(btf: Path, sha256: str, cache: CompileCache) -> Path:
    """Return a folder with vmlinux.h, all types of a kernel, made of its BTF.

    Raises UsageError for what is no BTF, InfrastructureError without bpftool.
    """

    def build(folder: Path) -> dict[str, str]:
        done = _run([*_DUMP, str(btf), "format", "c"], Path(), package="bpftool")
        if done.returncode != 0 or not done.stdout:
            raise UsageError(
                f"{btf}: bpftool can't generate vmlinux.h from it: {done.stderr}"
            )
        (folder / VMLINUX_H).write_text(done.stdout)
        return {}

    return cache.entry("vmlinux-h", sha256, build).directory


def _compare_orders(found: object_.BpfObject, architecture: Architecture) -> None:
    wanted = f"{architecture.elf.byte_order}-endian"
    own = object_.ENDIANS[found.order]
    if own != wanted:
        raise ByteOrderError(
            f"{found.path}: is a {own} object, and kernels of {architecture.name} are "
            f"{wanted}",
            hint=f"build it for them: clang -target {architecture.elf.bpf_target} "
            f"-D__TARGET_ARCH_{architecture.tree.target}; or name its source, which is "
            "compiled for each architecture",
        )


def command(
    source: Path, output: Path, headers: Path | None = None, build: Build = PLAIN
) -> list[str]:
    """Return the command that compiles `source`, run in its folder."""
    words = [build.compiler, *_options(headers, build)]
    return [*words, "-c", source.name, "-o", str(output)]


def _options(headers: Path | None, build: Build) -> list[str]:
    found = [f"-I{headers.absolute()}"] if headers else []
    system = f"-I{_system_headers(build.architecture or arch.X86_64)}"
    return [*build.target, system, *_OPTIONS, *build.options, *found]


def _system_headers(architecture: Architecture) -> Path:
    """Return where asm/types.h is, which -target bpf does not look for.

    Those of another architecture would compile, and read other registers (asm/ptrace.h)
    or other bytes (asm/byteorder.h) than are meant.
    Raises InfrastructureError where this machine has none for it.
    """
    there = _installed_headers(architecture)
    if there is None:
        own = architecture is arch.native()
        fixes = DOCTOR_FIXES if own else doctor_fixes(architecture.name)
        raise InfrastructureError(
            f"no headers of {architecture.name} to compile programs with",
            hint=f"apt-get install {' '.join(missing_headers(architecture).values())}"
            f"; {fixes}",
        )
    return there


def missing_headers(architecture: Architecture) -> dict[str, str]:
    """Return the headers that programs need and this machine lacks, with packages."""
    if _installed_headers(architecture):
        return {}
    own = architecture is arch.native()
    package = "linux-libc-dev" if own else architecture.debian.headers
    return {f"headers of {architecture.name}": package}


def _installed_headers(architecture: Architecture) -> Path | None:
    triplet = architecture.debian.triplet
    folders = (Path("/usr/include", triplet), Path("/usr", triplet, "include"))
    return next((it for it in folders if (it / "asm/types.h").is_file()), None)


def _fingerprint(source: Path, headers: Path | None, build: Build) -> Finding:
    """Return a hash of all that the object depends on, and the files among it.

    These are options, clang and every header. Headers are hashed whole and not as the
    preprocessor leaves them: the object's line table holds the lines of source that it
    came from.
    Raises CompileError when a header is missing, InfrastructureError without clang.
    """
    digest = hashlib.sha256()
    options = (*build.target, *_OPTIONS, *build.options)
    for word in [_version(build.compiler), *options, source.name]:
        digest.update(f"{word}\0".encode())
    dependencies = _dependencies(source, headers, build)
    for path in dependencies:
        content = hashlib.sha256((source.parent / path).read_bytes())
        digest.update(f"{path}\0{content.hexdigest()}\0".encode())
    folder = source.parent.absolute()
    files = [_clang_path(build), *(folder / path for path in dependencies)]
    return digest.hexdigest(), files


def _clang_path(build: Build) -> Path:
    return Path(shutil.which(build.compiler) or build.compiler)


@functools.cache
def _version(compiler: str) -> str:
    return _run([compiler, "--version"], Path(), package=compiler).stdout


def _dependencies(source: Path, headers: Path | None, build: Build) -> list[str]:
    words = [build.compiler, *_options(headers, build)]
    rule = _clang([*words, "-M", source.name], source, build)
    return sorted(set(_prerequisites(rule)))


def _require_mentioned(source: Path, headers: Path | None, build: Build) -> None:
    """Refuse macros that nothing mentions: both their builds would be the same.

    Raises CompileError.
    """
    if not build.defines:
        return
    text = "\n".join(
        (source.parent / path).read_text(errors="replace")
        for path in _dependencies(source, headers, build)
    )
    for name, _ in build.defines:
        if not re.search(rf"\b{re.escape(name)}\b", text):
            raise CompileError(
                f"{source}: neither it nor a header that it includes mentions the "
                f"macro {name}",
                hint="check the spelling in `variants`",
            )


def own_headers(source: Path) -> list[Path]:
    """Return the headers that a source includes, but for those of the system.

    What does not compile may lack some; without clang, there are none. A header that is
    not there, such as a kernel's vmlinux.h, is none of the owner's.
    """
    argv = [PLAIN.compiler, *_options(None, PLAIN), "-MM", "-MG", source.name]
    try:
        rule = _clang(argv, source)
    except (UsageError, InfrastructureError):
        return []
    found = (source.parent / it for it in _prerequisites(rule))
    return sorted(it for it in set(found) if it.is_file() and it.name != source.name)


def _prerequisites(rule: str) -> Iterable[str]:
    """Return the files that a rule for make, "x.o: x.c \\<newline> x.h", names."""
    _, _, files = rule.replace("\\\n", " ").partition(": ")
    for word in _MAKE_WORDS.findall(files):
        yield re.sub(r"\\(.)", r"\1", word).replace("$$", "$")


def _clang(argv: list[str], source: Path, build: Build = PLAIN) -> str:
    done = _run(argv, source.parent, package=argv[0])
    if done.returncode != 0:
        other = build.architecture not in (None, arch.X86_64)
        whose = (
            f" for {build.architecture.name}" if build.architecture and other else ""
        )
        raise CompileError(
            f"{source}: compilation{whose} failed\n{done.stderr.rstrip()}",
            hint="fix the source; warnings are errors",
        )
    return done.stdout


def _run(
    argv: list[str], folder: Path, package: str = "clang"
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv,
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        )
    except FileNotFoundError as error:
        raise InfrastructureError(
            f"{argv[0]} is not installed",
            hint=f"apt-get install {package}; {DOCTOR_FIXES}",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise InfrastructureError(
            f"{argv[0]} timed out after {_TIMEOUT} s",
            hint="check that the machine has enough memory",
        ) from error
