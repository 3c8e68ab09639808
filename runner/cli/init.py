"""`init`: a first matrix, suites and a workflow for the objects of a repository."""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import yaml

from runner.bpf.compile import vmlinux_h
from runner.cli.called import as_called
from runner.cli.output import print_note
from runner.errors import ExitStatus, RunnerError, UsageError
from runner.files.cache import Cache
from runner.files.shipped import ROOT
from runner.files.sources import repository_of
from runner.kernels import fetch, rows
from runner.kernels.rows import KernelChoice
from runner.matrix.matrix import Kernel
from runner.reports.style import counted
from runner.scaffold import files as files_
from runner.scaffold import find, matrixtext, read, repository, suitetext, workflowtext
from runner.scaffold.files import Fate, FileFate, NewFile
from runner.scaffold.find import ObjectFound
from runner.scaffold.read import KernelTypes, ObjectRead
from runner.scaffold.suitetext import SuiteSubject
from runner.scaffold.workflowtext import RunnerOrigin, WorkflowSubject
from runner.suites import project
from runner.suites.project import BUILTIN, MATRIX_FILE
from runner.suites.search import SUITE_FILE
from runner.text.progress import progress

_KERNELS = "@lts,@newest"
_SUITES = Path("tests/bpf")
# What the types of a kernel are made of, for sources that include vmlinux.h.
_LONG_TERM = "lts"
_REPORTS = "reports/latest"

EPILOG = """\
Everything is written below the current folder, and nothing is overwritten: run it again
after you added an object. The files are yours; their comments say what to change.

examples:
  python -m runner init                        # all below the current folder
  python -m runner init build/probe.bpf.o      # one object
  python -m runner init src --kernels 6.1,6.12 --ci gitlab
  python -m runner init --dry-run
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `init` takes."""
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        default=[Path()],
        metavar="PATH",
        help="folders with NAME.bpf.c files and BPF objects, or such files (default: "
        "the current folder)",
    )
    parser.add_argument(
        "--kernels",
        action="extend",
        nargs="+",
        metavar="SELECTOR",
        help=f"rows of the built-in matrix for your matrix.yaml (default: {_KERNELS})",
    )
    parser.add_argument(
        "--ci",
        choices=("github", "gitlab", "none"),
        help="write a workflow for GitHub, a pipeline for GitLab, or neither (default: "
        "gitlab if the repository has a .gitlab-ci.yml or comes from a GitLab, "
        "otherwise github)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=_SUITES,
        metavar="DIR",
        help=f"folder for the suites, below the current one (default: {_SUITES})",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="show what would be written, and write nothing",
    )


def main(arguments: argparse.Namespace) -> int:
    """Write what is missing. Raises UsageError when there is no object."""
    work = _Setup(arguments)
    found = work.objects
    _introduce(found)
    planned = [work.matrix, *work.suites, *work.workflow]
    fates = list(files_.write(planned, dry_run=arguments.dry_run))
    _show(fates, dry_run=arguments.dry_run)
    work.conclude(fates)
    return ExitStatus.COMPATIBLE


def _introduce(found: Sequence[ObjectFound]) -> None:
    for it in found:
        pair = f", source {it.source}" if it.built and it.source else ""
        print(f"found {it.path}{pair}")


def _show(fates: Sequence[FileFate], *, dry_run: bool) -> None:
    width = max(len(it.fate) for it in fates)
    longest = max(len(str(it.file.path)) for it in fates)
    for it in fates:
        path = str(it.file.path).ljust(longest)
        words = it.file.words
        if it.fate is Fate.KEPT and it.file.text:
            words = "it is there already"
        print(f"{it.fate:<{width}}  {path}  {words}")
    if dry_run:
        for it in fates:
            if it.fate is Fate.WOULD_BE_WRITTEN:
                print(f"\n--- {it.file.path}\n{it.file.text}", end="")


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """The kernels of the new matrix, or of the one that is there."""

    kernels: tuple[Kernel, ...]
    # The rows of the built-in matrix file, oldest first.
    rows: tuple[Mapping[str, object], ...]


class _Setup:
    """What is to be written, found out part by part."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._top = Path()
        self._out: Path = arguments.out
        self._cache = Cache()
        if not self._out.resolve().is_relative_to(self._top.resolve()):
            raise UsageError(
                f"--out {self._out}: is not below the current folder",
                hint="run init where your matrix.yaml belongs, at the top of your "
                "repository",
            )

    @cached_property
    def objects(self) -> list[ObjectFound]:
        """What is there. Raises UsageError for nothing, or something out of reach."""
        found = find.search_all(self._arguments.paths, print_note)
        for it in found:
            if not it.path.resolve().is_relative_to(self._reach):
                raise UsageError(
                    f"{it.path}: is outside of {self._reach}",
                    hint="suites reach files of their repository, or below the folder "
                    "of the matrix: run init at the top of that repository",
                )
        return found

    @cached_property
    def _reach(self) -> Path:
        return repository_of(self._top.resolve()) or self._top.resolve()

    # ------------------------------------------------------------------ matrix

    @cached_property
    def _chosen(self) -> _Chosen:
        is_there = MATRIX_FILE.exists()
        builtin = project.shipped()[BUILTIN.name]
        selectors = tuple(self._arguments.kernels or (_KERNELS,))
        choice = KernelChoice(
            matrix=MATRIX_FILE if is_there else builtin,
            selectors=("all",) if is_there else selectors,
        )
        kernels = rows.choose(choice, self._cache).kernels
        in_order = sorted(kernels, key=lambda it: (it.version is None, it.version or 0))
        if is_there:
            return _Chosen(kernels=tuple(in_order), rows=())
        listed = yaml.safe_load(builtin.read_text())["kernels"]
        by_id = {str(it["id"]): it for it in listed}
        return _Chosen(
            kernels=tuple(in_order), rows=tuple(by_id[it.id] for it in in_order)
        )

    @property
    def matrix(self) -> NewFile:
        """The matrix."""
        chosen = self._chosen
        names = ", ".join(it.id for it in chosen.kernels)
        if not chosen.rows:
            return NewFile(path=MATRIX_FILE, words=f"it is there already: {names}")
        return NewFile(
            path=MATRIX_FILE,
            text=matrixtext.text(chosen.rows, self._out.as_posix()),
            words=f"{counted(len(chosen.rows), 'kernel', 'kernels')}: {names}",
        )

    # ------------------------------------------------------------------ suites

    @cached_property
    def suites(self) -> list[NewFile]:
        """A suite for each object that none loads yet."""
        known = find.covered(self._top)
        return [self._suite(it, known) for it in self.objects]

    def _suite(self, found: ObjectFound, known: Mapping[Path, Path]) -> NewFile:
        for path in (found.built, found.source):
            suite = known.get(path.resolve()) if path else None
            if suite is not None:
                return NewFile(path=suite, words=f"loads {path} already")
        file = self._out / found.name / SUITE_FILE
        done = read.read(found, self._cache, self._types)
        text = suitetext.text(self._subject(found, done, file.parent))
        return NewFile(path=file, text=text, words=_words(done))

    def _subject(
        self, found: ObjectFound, done: ObjectRead, folder: Path
    ) -> SuiteSubject:
        other = found.source if found.built else None
        return SuiteSubject(
            name=found.name,
            object_name=found.stem,
            path=_relative(found.path, folder),
            other=_relative(other, folder) if other else "",
            vmlinux=done.types_of,
            problem=done.problem,
            inventory=done.inventory,
        )

    @cached_property
    def _lasting(self) -> list[Kernel]:
        """The kernels whose types sources may get: those with long-term support.

        Those that are in the cache need no download and come first, and newer ones
        before older ones. The types of the newest kernels need a newer compiler than
        most people have.
        """
        kernels = list(self._chosen.kernels)
        lasting = [it for it in kernels if _LONG_TERM in it.tags] or kernels
        at_hand = [it for it in lasting if fetch.cached(it, self._cache)]
        return list(reversed(at_hand or lasting[-1:]))

    @cached_property
    def _types(self) -> list[KernelTypes]:
        return [
            KernelTypes(kernel=it.id, folder=partial(self._types_of, it))
            for it in self._lasting
        ]

    def _types_of(self, kernel: Kernel) -> Path | None:
        # As a run does for a source that includes vmlinux.h.
        try:
            found = fetch.obtain(kernel, self._cache, progress())
        except RunnerError as error:
            print_note(f"{kernel.id} is unavailable: {error.message}")
            return None
        if found.btf is None:
            return None
        return vmlinux_h(found.btf, found.btf_sha256, self._cache)

    # ---------------------------------------------------------------- workflow

    @cached_property
    def workflow(self) -> list[NewFile]:
        """A workflow, if one is wanted."""
        kind = self._arguments.ci
        if kind is None:
            kind = "gitlab" if repository.uses_gitlab(self._top) else "github"
        if kind == "none":
            return []
        built = [it.built for it in self.objects if it.built is not None]
        subject = WorkflowSubject(
            origin=repository.origin_of(ROOT),
            built=[
                _relative(it, self._top)
                for it in repository.untracked(self._top, built)
            ],
            build=repository.build_of(self._top),
        )
        if kind == "github":
            return [
                NewFile(
                    path=Path(workflowtext.GITHUB),
                    text=workflowtext.github(subject),
                    words="runs the suites on each pull request",
                )
            ]
        path = Path(workflowtext.GITLAB)
        if path.exists() and "kernel-matrix" not in path.read_text(errors="replace"):
            path = Path(workflowtext.GITLAB_OTHER)
        return [
            NewFile(
                path=path,
                text=workflowtext.gitlab(subject),
                words="runs the suites on each merge request",
            )
        ]

    # -------------------------------------------------------------------- words

    def conclude(self, fates: Sequence[FileFate]) -> None:
        """Say what is still to do."""
        sys.stdout.flush()
        for note in self._notes(fates):
            print_note(as_called(note))
        one = self._lasting[0].id
        print(as_called(f"next: python -m runner --kernels {one}"))

    def _notes(self, fates: Sequence[FileFate]) -> Iterator[str]:
        written = [it.file for it in fates if it.fate is not Fate.KEPT]
        for it in written:
            if it.path.name == SUITE_FILE and "does not compile" in it.words:
                yield f"{it.path}: {it.words}; the head of the file says what to set"
        if not self._chosen.rows and not self._finds_suites():
            yield (
                f"{MATRIX_FILE} lists other folders of suites: add {self._out} to its "
                "key `suites`"
            )
        workflow = [it for it in written if it.path.suffix == ".yml"]
        origin = repository.origin_of(ROOT)
        if workflow and not origin.is_known:
            yield f"{workflow[0].path}: {_to_fill_in(origin)}"
        if any(str(it.path) == workflowtext.GITLAB_OTHER for it in written):
            yield (
                f"include it in {workflowtext.GITLAB}: "
                f"`include: [{{local: {workflowtext.GITLAB_OTHER}}}]`"
            )
        if not repository.ignores(self._top, f"{_REPORTS}/results.json"):
            yield "runs write to reports/: add /reports/ to your .gitignore"

    def _finds_suites(self) -> bool:
        choice = KernelChoice(matrix=MATRIX_FILE, selectors=("all",))
        listed = rows.choose(choice, self._cache).matrix.suites
        out = self._out.resolve()
        return not listed or any(out.is_relative_to(it.resolve()) for it in listed)


def _to_fill_in(origin: RunnerOrigin) -> str:
    """Say what a workflow lacks to find this program."""
    parts = []
    if origin.repository == repository.UNKNOWN:
        parts.append(
            f"the repository on GitHub that has bpf-kernel-matrix in place of "
            f"{repository.UNKNOWN}"
        )
    if origin.ref == repository.COMMIT:
        parts.append(
            "the commit that you installed (git rev-parse HEAD in its clone) in place "
            f"of {repository.COMMIT}"
        )
    return f"write {', and '.join(parts) or 'a commit in place of ' + origin.ref}"


def _words(done: ObjectRead) -> str:
    found = done.inventory
    if done.problem:
        return f"does not compile alone: {done.problem}"
    programs, maps = len(found.programs), len(found.maps)
    return (
        f"{counted(programs, 'program', 'programs') or 'no program'}, "
        f"{counted(maps, 'map', 'maps') or 'no map'}"
    )


def _relative(path: Path, folder: Path) -> str:
    """Return a path as it is written in a file of a folder."""
    return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()
