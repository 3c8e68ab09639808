"""What building the guest agent and preflight's engine takes, whatever the libbpf."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import DOCTOR_FIXES, InfrastructureError, RunnerError
from runner.files.cache import sha256_of
from runner.process import programs

# In an entry of the cache.
AGENT, ENGINE = "agent", "engine"
KIND = "libbpf"

# A part of images/, and the program that it makes.
_PROGRAMS = {"agent": AGENT, "preflight": ENGINE}
_SHARED = "common"
# Programs that build them, and Debian's packages.
TOOLS = {"make": "make", "gcc": "gcc", "ar": "binutils"}
# Static libraries that they are linked with, besides libbpf, and Debian's packages.
LIBRARIES = {
    "libc.a": "libc6-dev",
    "libelf.a": "libelf-dev",
    "libz.a": "zlib1g-dev",
    "libjansson.a": "libjansson-dev",
}
# Where libelf needs it, its package brings it along.
_PERHAPS = "libzstd.a"
# Seconds; libbpf takes 4 on two cores, and as long for both programs.
_TIMEOUT = 600.0
_LAST_LINES = 12


def own_sources(images: Path) -> dict[str, Path]:
    """Return the sources of both programs, by their paths in images/."""
    return {
        f"{part}/{path.name}": path
        for part in (*_PROGRAMS, _SHARED)
        for path in sorted((images / part).iterdir())
        if path.is_file()
    }


def digests(own: Mapping[str, Path]) -> list[str]:
    """Return what says which sources these are."""
    return [word for name, path in own.items() for word in (name, path.read_text())]


def require(libraries: Mapping[str, str]) -> None:
    """Check for all that the build takes. Raises InfrastructureError."""
    lacking = missing(libraries)
    if lacking:
        packages = " ".join(dict.fromkeys(lacking.values()))
        raise InfrastructureError(
            "the guest agent and preflight's engine can't be built: "
            f"{', '.join(lacking)} missing",
            hint=f"apt-get install {packages}; {DOCTOR_FIXES}",
        )


def missing(libraries: Mapping[str, str]) -> dict[str, str]:
    """Return what the build takes and this machine lacks, with Debian's packages."""
    lacking = {it: TOOLS[it] for it in TOOLS if shutil.which(it) is None}
    if lacking:
        # Only a compiler knows where its libraries are.
        return lacking
    return {it: libraries[it] for it in libraries if not library(it).exists()}


def library(name: str) -> Path:
    """Return the path of a static library; only its name where there is none."""
    return Path(printed("gcc", f"-print-file-name={name}").strip())


def files(libraries: Mapping[str, str]) -> list[Path]:
    """Return the libraries that this machine has."""
    found = map(library, (*libraries, _PERHAPS))
    return [path for path in found if path.exists()]


def toolchain(libraries: Mapping[str, str]) -> list[str]:
    """Return what else the programs are made by and of."""
    compiler = printed("gcc", "--version").partition("\n")[0]
    return [compiler, *map(sha256_of, files(libraries))]


def printed(*argv: str) -> str:
    """Return what a program prints; nothing if it fails."""
    done = programs.run(
        argv, timeout=_TIMEOUT, error=InfrastructureError, hint=DOCTOR_FIXES
    )
    return "" if done.returncode else done.stdout


@dataclass(frozen=True, kw_only=True)
class LibbpfWorkshop:
    """A temporary folder in which programs are built, and the log of that."""

    folder: Path
    log: Path
    # What is built, for messages: "--libbpf DIR: libbpf 1.5".
    name: str
    # To raise if something does not build.
    error: type[RunnerError]

    def programs(
        self,
        own: Mapping[str, Path],
        target: Path,
        words: Sequence[str],
        what: str,
        *,
        parts: Sequence[str] = tuple(_PROGRAMS),
    ) -> None:
        """Build programs into a folder, with some more words for make."""
        for name, path in own.items():
            copy = self.folder / "images" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        for part in parts:
            name = _PROGRAMS[part]
            built = self.folder / "built" / part
            self.make(
                f"{part}{what}",
                self.folder / "images" / part,
                [name, f"BUILD={built}", *words],
            )
            shutil.copy(built / name, target / name)

    def make(self, what: str, folder: Path, words: Sequence[str]) -> None:
        """Run make on all processors. Raises `error` with the compiler's words."""
        jobs = f"-j{len(os.sched_getaffinity(0))}"
        self.run(what, ["make", jobs, "-C", str(folder), *words], folder)

    def run(self, what: str, argv: Sequence[str], folder: Path) -> None:
        """Run a program. Raises `error` with its words."""
        try:
            status = programs.run_logged(
                argv, self.log, timeout=_TIMEOUT, cwd=folder, env=programs.environment()
            )
        except TimeoutError:
            status = -1
        if status != 0:
            raise self.error(
                f"{self.name}: {what} does not build:\n{self._last_lines()}",
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
        return "\n".join(f"  {line.replace(f'{self.folder}/', '')}" for line in told)
