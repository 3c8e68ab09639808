"""Build a kernel's tree as a recipe says."""

import logging
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.artifacts import options
from runner.artifacts.btf import pahole
from runner.artifacts.kernelbuild import kconfig
from runner.artifacts.kernelbuild.recipe import Edit, Recipe
from runner.artifacts.progress import Progress
from runner.errors import ArtifactError
from runner.versions import KernelVersion

log = logging.getLogger(__name__)

# Seconds; a small kernel takes 3 to 6 minutes on two cores.
_TIMEOUT = 3600.0
_LAST_LINES = 15
# Program → Debian's package of it. The compiler and the linker come with gcc.
_PROGRAMS = {
    "make": "make",
    "gcc": "gcc",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "perl": "perl",
    "xz": "xz-utils",
}
# The same bytes from the same source, whoever builds, and wherever.
_ENVIRONMENT = {
    "KBUILD_BUILD_USER": "runner",
    "KBUILD_BUILD_HOST": "runner",
    "KBUILD_BUILD_TIMESTAMP": "1970-01-01",
    "LC_ALL": "C",
    # The folder that a tree is built in changes; what is compiled does not.
    "CCACHE_NOHASHDIR": "1",
}
_IMAGE = Path("arch/x86/boot/bzImage")


@dataclass(frozen=True, kw_only=True)
class Built:
    """What came of a build, in the tree."""

    image: Path
    config: Path
    system_map: Path
    vmlinux: Path
    modules: tuple[Path, ...]


def unpack(tarball: Path, folder: Path) -> Path:
    """Unpack a source tarball and return its tree.

    Raises ArtifactError when it is damaged, or no kernel's source.
    """
    _need(["tar", "xz"])
    folder.mkdir()
    command = ["tar", "--extract", "--no-same-owner", "--file", str(tarball.absolute())]
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        words = " ".join(done.stderr.split())
        raise ArtifactError(f"{tarball.name} can't be unpacked: {words[:300]}")
    trees = [path for path in folder.iterdir() if (path / "Kconfig").is_file()]
    if len(trees) != 1:
        raise ArtifactError(f"{tarball.name} holds no kernel source")
    return trees[0]


def version_of(tree: Path) -> KernelVersion:
    """Return the version that a tree's Makefile tells. Raises ArtifactError."""
    try:
        text = (tree / "Makefile").read_text(errors="replace")
    except OSError as error:
        raise ArtifactError(f"the source has no Makefile: {error.strerror}") from error
    numbers = []
    for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL"):
        found = re.search(rf"^{name} *= *(\d+)$", text, re.MULTILINE)
        if found is None:
            raise ArtifactError(f"the source's Makefile tells no {name}")
        numbers.append(int(found[1]))
    return KernelVersion(tuple(numbers))


def build(tree: Path, recipe: Recipe, progress: Progress, logs: Path) -> Built:
    """Configure and build a tree in place; whole output goes to a file in `logs`.

    Raises ArtifactError for a tool that is missing, an option that did not stick, and
    a build that fails, with its last lines.
    """
    _need(_PROGRAMS)
    for edit in recipe.edits:
        _apply(edit, tree)
    name = f"linux {recipe.version}"
    log_file = logs / f"linux-{recipe.version}.log"
    make = _Make(tree=tree, variables=_variables(recipe, tree), log=log_file)
    log_file.write_text("")
    progress.message(f"{name}: {log_file} will tell how far the build is")
    with progress.task(f"{name}: building"):
        preset = tree / "requested.config"
        preset.write_text(kconfig.preset(recipe.requests))
        make.run(["allnoconfig"], {"KCONFIG_ALLCONFIG": str(preset)})
        config = options.parse((tree / ".config").read_text())
        kconfig.check(recipe.requests, config, tree)
        modular = "m" in config.values()
        jobs = f"-j{os.cpu_count() or 1}"
        make.run([jobs, "bzImage", *(["modules"] if modular else [])], {})
    return Built(
        image=tree / _IMAGE,
        config=tree / ".config",
        system_map=tree / "System.map",
        vmlinux=tree / "vmlinux",
        modules=tuple(sorted(tree.rglob("*.ko"))) if modular else (),
    )


def _variables(recipe: Recipe, tree: Path) -> dict[str, str]:
    """Return the make variables: those of the quirks, ccache, and pahole's wrapper."""
    variables = {"LOCALVERSION": "", **recipe.variables}
    if shutil.which("ccache"):
        variables |= {"CC": "ccache gcc", "HOSTCC": "ccache gcc"}
    wants_btf = any(
        it.name == "DEBUG_INFO_BTF" and it.value == "y" for it in recipe.requests
    )
    if wants_btf:
        words = recipe.pahole(pahole.version())
        if words:
            # A file, because scripts of the kernel take PAHOLE for one word.
            wrapper = tree / "pahole-as-needed"
            wrapper.write_text(f'#!/bin/sh\nexec pahole {shlex.join(words)} "$@"\n')
            wrapper.chmod(0o755)
            variables["PAHOLE"] = str(wrapper)
    return variables


def _apply(edit: Edit, tree: Path) -> None:
    path = tree / edit.file
    if not path.is_file():
        log.debug("%s is not there; its edit is left out", edit.file)
        return
    text = path.read_text(errors="surrogateescape")
    edited, count = re.subn(edit.find, edit.replace, text, flags=re.MULTILINE)
    log.debug("%s: %d changes", edit.file, count)
    path.write_text(edited, errors="surrogateescape")


@dataclass(frozen=True, kw_only=True)
class _Make:
    tree: Path
    variables: Mapping[str, str]
    log: Path

    def run(self, targets: Sequence[str], environment: Mapping[str, str]) -> None:
        words = [f"{name}={value}" for name, value in self.variables.items()]
        argv = ["make", *words, *targets]
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in ("HOME", "PATH", "TMPDIR") or name.startswith("CCACHE_")
        }
        with self.log.open("a") as output:
            output.write(f"+ {shlex.join(argv)}\n")
            output.flush()
            with subprocess.Popen(
                argv,
                cwd=self.tree,
                env={**kept, **_ENVIRONMENT, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A group of its own, so that Ctrl-C or a timeout ends its children.
                process_group=0,
            ) as process:
                status = _wait(process)
        if status != 0:
            raise ArtifactError(
                f"make {targets[-1]} failed:\n{self._last_lines()}",
                hint=f"{self.log} has all of its output",
            )

    def _last_lines(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        errors = [line for line in lines if re.search(r"\berror\b|\*\*\*", line)]
        return "\n".join(f"  {line}" for line in (errors or lines)[-_LAST_LINES:])


def _wait(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(_TIMEOUT)
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, 9)
        raise ArtifactError(
            f"the kernel's build did not end within {_TIMEOUT:.0f} s"
        ) from error
    except BaseException:
        os.killpg(process.pid, 9)
        raise


def _need(programs: Mapping[str, str] | Sequence[str]) -> None:
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        packages = " ".join(_PROGRAMS.get(name, name) for name in missing)
        raise ArtifactError(
            f"a kernel can't be built here: {', '.join(missing)} missing",
            hint=f"apt-get install {packages}",
        )
