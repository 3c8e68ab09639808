"""Debian's packages that the runner needs: which are missing, and how they get here."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from runner.arch import Architecture, native
from runner.errors import InfrastructureError
from runner.files import shipped
from runner.process import programs

# A package a line, with its reason.
LIST = shipped.IMAGES / "debian-packages"
# Seconds.
_TIMEOUT = 60.0
_INSTALLED = "install ok installed"
_NO_APT = (
    f"this is not Debian or Ubuntu; install what {LIST} lists, under the names that "
    "this system has for it"
)


@dataclass(frozen=True, kw_only=True)
class DebianPackage:
    """A package of the list."""

    name: str
    reason: str


def wanted(architectures: Sequence[Architecture] = ()) -> list[DebianPackage]:
    """Return what the list has, and what guests of architectures need besides.

    Without any, they are those of this machine's. What the list has for machines of one
    architecture boots its guests, which is wanted for those only that are asked for.
    """
    own = native()
    lines = [line.partition("#") for line in LIST.read_text().splitlines()]
    listed = [
        DebianPackage(name=name.strip(), reason=reason.strip())
        for name, _, reason in lines
        if name.strip() and "[" not in name
    ]
    for architecture in architectures or ([own] if own else []):
        named = f"guests of {architecture.name}"
        board = architecture.board
        listed.append(DebianPackage(name=board.package, reason=f"boots {named}"))
        if architecture is not own:
            compiler = architecture.debian.compiler
            reason = f"builds the agent of {named}"
            listed.append(DebianPackage(name=compiler, reason=reason))
            if linker := architecture.debian.linker:
                reason = f"links the agent of {named}"
                listed.append(DebianPackage(name=linker.package, reason=reason))
            headers = architecture.debian.headers
            reason = f"programs for {named} are compiled with them"
            listed.append(DebianPackage(name=headers, reason=reason))
    return list({it.name: it for it in reversed(listed)}.values())[::-1]


def missing(architectures: Sequence[Architecture] = ()) -> list[DebianPackage]:
    """Return the packages that are not installed, of what `wanted` returns.

    Raises InfrastructureError on a system without dpkg and apt-get.
    """
    return [it for it in wanted(architectures) if not _is_installed(it.name)]


def _is_installed(package: str) -> bool:
    done = _run("dpkg-query", "-W", "-f", "${Status}", package)
    return done.returncode == 0 and done.stdout == _INSTALLED


def unavailable(packages: Sequence[DebianPackage]) -> list[DebianPackage]:
    """Return the packages that apt knows no version of."""
    return [it for it in packages if not _has_candidate(it.name)]


def _has_candidate(package: str) -> bool:
    said = _run("apt-cache", "policy", package).stdout
    return "Candidate: " in said and "Candidate: (none)" not in said


def commands(packages: Sequence[DebianPackage]) -> list[list[str]]:
    """Return the commands that install packages, as root or through sudo.

    Raises InfrastructureError for a user who has neither.
    """
    before = [] if os.geteuid() == 0 else ["sudo"]
    names = [it.name for it in packages]
    found = [
        [*before, "apt-get", "update", "-q"],
        [
            *(*before, "env", "DEBIAN_FRONTEND=noninteractive"),
            *("apt-get", "install", "-q", "-y", "--no-install-recommends", *names),
        ],
    ]
    if before and shutil.which("sudo") is None:
        raise InfrastructureError(
            "installing packages takes root, and there is no sudo here",
            hint=f"as root: apt-get install {' '.join(names)}",
        )
    return found


def run(command: Sequence[str]) -> None:
    """Run one of these commands; what it prints, and asks for, is the user's to see.

    Raises InfrastructureError if it fails.
    """
    # Not a cleaned environment: sudo and proxies have settings of their own.
    status = subprocess.run(command, check=False).returncode
    if status != 0:
        raise InfrastructureError(
            f"{' '.join(command[:4])} … failed with exit status {status}",
            hint="its own output, above, says why",
        )


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    return programs.run(argv, timeout=_TIMEOUT, error=InfrastructureError, hint=_NO_APT)
