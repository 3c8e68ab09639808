"""Which matrix and which suites a command means, by its words or by the project."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import UsageError
from runner.files import shipped as files
from runner.files import yamlfile
from runner.matrix.matrix import Matrix
from runner.matrix.selectors import DEFAULT
from runner.suites import pyproject, search
from runner.suites.pyproject import PyProject
from runner.suites.search import SUITE_FILE
from runner.text.nearest import near

# On the command line: what this project brings along itself.
BUILTIN = Path("builtin")
MATRIX_FILE = Path("matrix.yaml")


@dataclass(frozen=True, kw_only=True)
class Project:
    """Where a command looks for what its command line does not name."""

    matrix: Path
    # Suites are looked for below it.
    folder: Path
    # Of that folder.
    pyproject: PyProject
    # Whether the matrix is one of bpf-kernel-matrix, and the project another one.
    has_foreign_matrix: bool = False
    # What to tell before all else; empty if there is nothing that could surprise.
    note: str = ""

    @property
    def kernels(self) -> str:
        """The selector that is meant when the command line has none."""
        return ",".join(self.pyproject.kernels) or DEFAULT


def shipped() -> Mapping[str, Path]:
    """Return the matrices of bpf-kernel-matrix, by what --matrix calls them."""
    others = {path.stem: path for path in sorted(files.MATRICES.glob("*.yaml"))}
    return {BUILTIN.name: files.MATRIX, **others}


def find(matrix: Path | None) -> Project:
    """Return the project that a command is about; None is a command without --matrix.

    That means the matrix of pyproject.toml, else matrix.yaml, else the built-in one.
    Raises UsageError for an unknown name of a matrix, and if something is wrong with a
    pyproject.toml.
    """
    here = Path()
    if matrix is None:
        table = pyproject.read(here)
        return _of_here(here, table)
    matrix = _named(matrix)
    foreign = matrix.resolve() in shipped().values() and not _is_own_checkout(here)
    folder = here if foreign else matrix.parent
    return Project(
        matrix=matrix,
        folder=folder,
        pyproject=pyproject.read(folder),
        has_foreign_matrix=foreign,
    )


def _of_here(here: Path, table: PyProject) -> Project:
    if table.matrix or MATRIX_FILE.exists():
        return Project(matrix=table.matrix or MATRIX_FILE, folder=here, pyproject=table)
    return Project(
        matrix=files.MATRIX,
        folder=here,
        pyproject=table,
        has_foreign_matrix=True,
        note=f"there is no {MATRIX_FILE} in this folder; using the built-in kernels "
        "(--matrix builtin)",
    )


def suites(given: Sequence[Path], project: Project, matrix: Matrix) -> list[Path]:
    """Return the paths of the suites that a command means.

    Those that it names; without any, those that the matrix file or pyproject.toml
    lists, or else all below the project's folder. Raises UsageError for a listed path
    that is not there, and when there is no suite at all.
    """
    if given:
        return named(given)
    if matrix.suites and not project.has_foreign_matrix:
        _require(matrix.suites, project)
        return [_shown(it) for it in matrix.suites]
    if project.pyproject.suites:
        for path in project.pyproject.suites:
            if not path.exists():
                raise UsageError(
                    f"{project.pyproject.path}: suites: there is no {path}"
                )
        return list(project.pyproject.suites)
    found = search.below(project.folder)
    if not found:
        raise UsageError(
            f"there is no {SUITE_FILE} below {project.folder.resolve()}",
            hint="`python -m runner init` writes first suites for your objects; or "
            "give suites with --suite PATH, or compiled objects with --object FILE, or "
            "list folders in matrix.yaml: `suites: [PATH]`. --suite builtin runs the "
            "suites of bpf-kernel-matrix itself, and --suite builtin/task one of them",
        )
    return found


def named(given: Sequence[Path]) -> list[Path]:
    """Return paths with `builtin` and `builtin/NAME` as what they stand for.

    Raises UsageError for a suite that there is not.
    """
    return [_shipped_suite(it) if _is_builtin(it) else it for it in given]


def _named(given: Path) -> Path:
    """Return the file that a path, or the name of a shipped matrix, means."""
    # A user's own file of that name is what he means.
    if given.is_file() or given.suffix or len(given.parts) != 1:
        return given
    known = shipped()
    if given.name not in known:
        raise UsageError(
            f"there is no matrix {given.name!r}{near(given.name, list(known))}",
            hint=f"bpf-kernel-matrix has {', '.join(known)}; your own needs its path, "
            "such as --matrix kernels/matrix.yaml",
        )
    return known[given.name]


def _is_builtin(path: Path) -> bool:
    # A user's own file or folder of that name is what he means.
    return path.parts[:1] == BUILTIN.parts and not path.exists()


def _shipped_suite(path: Path) -> Path:
    """Return the folder that `builtin` or `builtin/NAME` means. Raises UsageError."""
    found = files.SUITES.joinpath(*path.parts[1:])
    if not found.exists():
        known = [it.name for it in sorted(files.SUITES.iterdir()) if it.is_dir()]
        raise UsageError(
            f"{path}: there is no such suite{near(path.name, known, '')}",
            hint=f"bpf-kernel-matrix has {', '.join(known)}",
        )
    return found


def _require(listed: Sequence[Path], project: Project) -> None:
    for number, path in enumerate(listed):
        if not path.exists():
            _, source = yamlfile.read(project.matrix)
            there = path.parent.iterdir() if path.parent.is_dir() else ()
            names = sorted(it.name for it in there if it.is_dir())
            what = f"there is no file or folder {_shown(path)}{near(path.name, names)}"
            raise UsageError(source.mistake(("suites", number), what))


def _shown(path: Path) -> Path:
    """Return a path as a user would write it: relative, where it is below him."""
    here = Path().absolute()
    if not path.is_relative_to(here):
        return path
    # matrices/../suites is suites.
    return Path(os.path.normpath(path.relative_to(here)))


def _is_own_checkout(folder: Path) -> bool:
    return folder.resolve().is_relative_to(files.ROOT)
