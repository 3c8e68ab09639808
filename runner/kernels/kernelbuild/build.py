"""Build a kernel's tree as a recipe says."""

import logging
import os
import re
import shlex
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import ArtifactError
from runner.kernels import guestconfig
from runner.kernels.btf import pahole
from runner.kernels.kernelbuild import kconfig, refusals
from runner.kernels.kernelbuild.recipe import Edit, Recipe
from runner.kernels.kernelbuild.release import extraversion
from runner.kernels.kernelbuild.toolchain import GCC
from runner.process import programs
from runner.text.progress import Progress

log = logging.getLogger(__name__)

# Seconds; a small kernel takes 3 to 6 minutes on two cores.
_TIMEOUT = 3600.0
_LAST_LINES = 15
# Program → Debian's package of it, besides the compilers.
_PROGRAMS = {
    "make": "make",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "perl": "perl",
    "setpriv": "util-linux",
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
# "  CC      kernel/fork.o"
_STEP = re.compile(r"^  [A-Z][A-Z0-9_]* +(?:\[M\] +)?(\S+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Built:
    """What came of a build, in the tree."""

    image: Path
    config: Path
    system_map: Path
    vmlinux: Path
    modules: tuple[Path, ...]
    # The list of modules that are built in; None for a kernel without modules.
    builtin: Path | None


def unpack(tarball: Path, folder: Path) -> Path:
    """Unpack a source tarball and return its tree.

    Raises ArtifactError when it is damaged, or no kernel's source.
    """
    _need({"tar": "tar", "xz": "xz-utils"})
    folder.mkdir()
    done = programs.run(
        # TAR_OPTIONS and XZ_OPT, for instance, stay out.
        ["tar", "--extract", "--no-same-owner", "--file", str(tarball.absolute())],
        timeout=_TIMEOUT,
        error=ArtifactError,
        hint="apt-get install tar",
        cwd=folder,
    )
    if done.returncode != 0:
        words = programs.words_of(done)
        raise ArtifactError(f"{tarball.name} can't be unpacked: {words[:300]}")
    trees = [path for path in folder.iterdir() if (path / "Kconfig").is_file()]
    if len(trees) != 1:
        raise ArtifactError(f"{tarball.name} does not contain a kernel's source")
    return trees[0]


def check(recipe: Recipe) -> None:
    """Refuse what is known to fail with this machine's tools; takes a second.

    Raises ArtifactError that names each reason, and what to do.
    """
    _need({**_PROGRAMS, **recipe.toolchain.packages})
    _check(recipe, recipe.requested)


def _check(recipe: Recipe, config: Mapping[str, str]) -> None:
    refusals.check(recipe.refusals, recipe.version, config, recipe.toolchain)


def build(tree: Path, recipe: Recipe, progress: Progress, log_file: Path) -> Built:
    """Configure and build a tree in place; the whole output goes to a log file.

    How far it is, is reported each 10 s. Whatever ends it early ends make and what make
    started. Raises ArtifactError for a tool that is missing, an option that did not
    stick, and a build that fails, with its last lines.
    """
    check(recipe)
    for edit in recipe.edits:
        _apply(edit, tree)
    name = f"linux {recipe.version.release or recipe.version}"
    make = _Make(
        name=name,
        tree=tree,
        variables=_variables(recipe, tree),
        log=log_file,
        progress=progress,
    )
    log_file.write_text("")
    progress.message(f"{name}: see {log_file} for the progress")
    with progress.task(f"{name}: building"):
        preset = tree / "requested.config"
        preset.write_text(kconfig.preset(recipe.requests))
        make.run(["allnoconfig"], {"KCONFIG_ALLCONFIG": str(preset)})
        config = guestconfig.parse((tree / ".config").read_text())
        folder = recipe.toolchain.architecture.tree.folder
        kconfig.check(recipe.requests, config, tree, folder)
        # Options select others, which need more.
        _check(recipe, refusals.complete(recipe.refusals, config))
        modular = "m" in config.values()
        # Of this process, which may have fewer than the machine.
        jobs = f"-j{len(os.sched_getaffinity(0))}"
        image = recipe.toolchain.architecture.tree.image
        make.run([jobs, image, *(["modules"] if modular else [])], {})
        builtin = tree / "modules.builtin"
        # Newer kernels write it when they link vmlinux.
        if config.get("MODULES") == "y" and not builtin.exists():
            make.run([jobs, builtin.name], {})
    return Built(
        image=tree / recipe.toolchain.architecture.tree.images[0],
        config=tree / ".config",
        system_map=tree / "System.map",
        vmlinux=tree / "vmlinux",
        modules=tuple(sorted(tree.rglob("*.ko"))) if modular else (),
        builtin=builtin if builtin.exists() else None,
    )


def _variables(recipe: Recipe, tree: Path) -> dict[str, str]:
    """Return the make variables: those of the quirks, ccache, and pahole's wrapper."""
    toolchain = recipe.toolchain
    variables = {"LOCALVERSION": "", **toolchain.of_architecture(recipe.variables)}
    if extra := extraversion(recipe.version):
        variables["EXTRAVERSION"] = extra
    variables |= toolchain.variables("ccache" if shutil.which("ccache") else "")
    wants_btf = any(
        it.name == "DEBUG_INFO_BTF" and it.value == "y" for it in recipe.requests
    )
    if wants_btf:
        flags = recipe.pahole(pahole.version())
        if flags:
            # A file, because scripts of the kernel take PAHOLE for one word.
            wrapper = tree / "pahole-as-needed"
            wrapper.write_text(f'#!/bin/sh\nexec pahole {shlex.join(flags)} "$@"\n')
            wrapper.chmod(0o755)
            variables["PAHOLE"] = str(wrapper)
    return variables


def _apply(edit: Edit, tree: Path) -> None:
    path = tree / edit.file
    if not path.is_file():
        log.debug("%s does not exist; its edit is skipped", edit.file)
        return
    text = path.read_text(errors="surrogateescape")
    edited, count = re.subn(edit.find, edit.replace, text, flags=re.MULTILINE)
    log.debug("%s: %d changes", edit.file, count)
    path.write_text(edited, errors="surrogateescape")


@dataclass(frozen=True, kw_only=True)
class _Make:
    # How the kernel is called in messages.
    name: str
    tree: Path
    variables: Mapping[str, str]
    log: Path
    progress: Progress

    def run(self, targets: Sequence[str], environment: Mapping[str, str]) -> None:
        words = [f"{name}={value}" for name, value in self.variables.items()]
        argv = ["make", *words, *targets]
        # Its path is another one each time, and must not count for ccache.
        ccache = {"CCACHE_BASEDIR": str(self.tree)}
        start = self.log.stat().st_size
        try:
            status = programs.run_logged(
                # If this process is killed, make is told, and ends what it started.
                ["setpriv", "--pdeathsig", "TERM", *argv],
                self.log,
                timeout=_TIMEOUT,
                cwd=self.tree,
                env={**programs.environment(), **_ENVIRONMENT, **ccache, **environment},
                tell=self._teller(start),
            )
        except TimeoutError as error:
            raise ArtifactError(
                f"the kernel's build timed out after {_TIMEOUT:.0f} s"
            ) from error
        if status != 0:
            raise ArtifactError(
                f"make {targets[-1]} failed:\n{self._last_lines()}",
                hint=f"{self.log} has all of its output",
            )

    def _teller(self, start: int) -> Callable[[], None]:
        """Return what shows how far a make is whose output begins at `start`."""
        began, said = time.monotonic(), 0

        def tell() -> None:
            nonlocal said
            with self.log.open("rb") as stream:
                stream.seek(start)
                steps = _STEP.findall(stream.read().decode("utf-8", "replace"))
            if len(steps) != said:
                said = len(steps)
                now = steps[-1].removeprefix(f"{self.tree}/")
                seconds = time.monotonic() - began
                self.progress.message(
                    f"{self.name}: {seconds:.0f} s, {said} steps, now {now}"
                )

        return tell

    def _last_lines(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        errors = [line for line in lines if re.search(r"\berror\b|\*\*\*", line)]
        return "\n".join(f"  {line}" for line in (errors or lines)[-_LAST_LINES:])


def missing() -> dict[str, str]:
    """Return the programs that this machine lacks, each with Debian's package of it."""
    return _lacking({**_PROGRAMS, GCC: GCC})


def _lacking(packages: Mapping[str, str]) -> dict[str, str]:
    return {it: packages[it] for it in packages if shutil.which(it) is None}


def _need(packages: Mapping[str, str]) -> None:
    lacking = _lacking(packages)
    if lacking:
        raise ArtifactError(
            f"a kernel can't be built here: {', '.join(lacking)} missing",
            hint=f"apt-get install {' '.join(lacking.values())}",
        )
