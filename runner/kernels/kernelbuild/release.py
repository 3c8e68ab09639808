"""What a tree of sources is: its version, and its release as its vendor counts."""

import re
from pathlib import Path

from runner.arch import X86_64, Architecture
from runner.errors import ArtifactError, file_errors
from runner.versions import KernelVersion

# Red Hat's numbers stand here, and in kernels that are rebuilt from its sources.
_RHEL = "Makefile.rhelver"
# Vendors' packages add the architecture to such a release; others end with a flavour.
_OF_RPM = re.compile(r"\.(?:el\d+(?:_\d+)?(?:uek)?|amzn\d+|fc\d+|azl\d+)$")
_HINT = "change version or tarball in the matrix"


def version_of(
    tree: Path, named: str = "", architecture: Architecture = X86_64
) -> KernelVersion:
    """Return a tree's version, with the release of a vendor's kernel.

    `named` is what the tree is said to be: "4.18.0-553.el8_10" says the release, and
    with "4.18.0" it follows from the tree.
    Raises ArtifactError when the tree is another, or says nothing.
    """
    text = _makefile(tree)
    version = KernelVersion(
        tuple(_number(text, name) for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))
    )
    _, dash, build = named.partition("-")
    said = f"{dash}{build}"
    if _OF_RPM.search(said):
        said += f".{architecture.machine}"
    own = _value(text, "EXTRAVERSION")
    numbers = own or _rhel_build(tree)
    if said and not _goes_on(said, numbers):
        raise ArtifactError(
            f"the source is linux {version}{numbers}, not {named}", hint=_HINT
        )
    extra = said or own or _rhel(tree, architecture)
    return version.of_release(f"{version}{extra}") if extra else version


def extraversion(version: KernelVersion) -> str:
    """Return what a release has behind the version: "-553.66.1.el8_10.x86_64"."""
    return version.release.removeprefix(str(version))


def _goes_on(said: str, own: str) -> bool:
    """Whether a release begins with a tree's own numbers, and with no other."""
    return said.startswith(own) and not re.match(r"\.?\d", said.removeprefix(own))


def _rhel_build(tree: Path) -> str:
    """Return the build that Red Hat's numbers tell, "-553.66.1"; empty for others."""
    build = _value(_read(tree / _RHEL), "RHEL_RELEASE")
    return f"-{build}" if build else ""


def _rhel(tree: Path, architecture: Architecture) -> str:
    """Return what Red Hat's packages have behind the version; empty for others.

    A build that was counted on after the minor release has dots, and its packages name
    that release: 240.22.1.el8_3. The release itself and CentOS Stream do not: 240.el8.
    """
    text = _read(tree / _RHEL)
    build = _rhel_build(tree)
    if not build:
        return ""
    major, minor = _value(text, "RHEL_MAJOR"), _value(text, "RHEL_MINOR")
    after = f"_{minor}" if "." in build else ""
    return f"{build}.el{major}{after}.{architecture.machine}"


def _makefile(tree: Path) -> str:
    with file_errors(ArtifactError, "the source has no Makefile"):
        return (tree / "Makefile").read_text(errors="replace")


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def _number(text: str, name: str) -> int:
    value = _value(text, name)
    if not value.isdecimal():
        raise ArtifactError(f"the source's Makefile does not set {name}")
    return int(value)


def _value(text: str, name: str) -> str:
    found = re.search(rf"^{name}[ \t]*:?=[ \t]*(\S+)[ \t]*$", text, re.MULTILINE)
    return found[1] if found else ""
