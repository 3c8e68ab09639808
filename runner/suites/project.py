"""Which matrix and which suites a command means, by its words or by the project."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import UsageError
from runner.files import yamlfile
from runner.files.checkout import ROOT
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
    # Whether the matrix is the one of this checkout, and the project another one.
    has_foreign_matrix: bool = False

    @property
    def kernels(self) -> str:
        """The selector that is meant when the command line has none."""
        return ",".join(self.pyproject.kernels) or DEFAULT


def find(matrix: Path | None) -> Project:
    """Return the project that a command is about; None is a command without --matrix.

    Raises UsageError if something is wrong with a pyproject.toml.
    """
    here = Path()
    if matrix is None:
        table = pyproject.read(here)
        return Project(matrix=table.matrix or MATRIX_FILE, folder=here, pyproject=table)
    if _is_builtin(matrix):
        matrix = ROOT / MATRIX_FILE
    foreign = matrix.resolve() == ROOT / MATRIX_FILE and not _is_own_checkout(here)
    folder = here if foreign else matrix.parent
    return Project(
        matrix=matrix,
        folder=folder,
        pyproject=pyproject.read(folder),
        has_foreign_matrix=foreign,
    )


def suites(given: Sequence[Path], project: Project, matrix: Matrix) -> list[Path]:
    """Return the paths of the suites that a command means.

    Those that it names; without any, those that the matrix file or pyproject.toml
    lists, or else all below the project's folder. Raises UsageError for a listed path
    that is not there, and when there is no suite at all.
    """
    if given:
        return [ROOT / "suites" if _is_builtin(it) else it for it in given]
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
            hint="give suites with --suite PATH, or compiled objects with --object "
            "FILE, or list folders in matrix.yaml: `suites: [PATH]`. --suite "
            "builtin runs the suites of bpf-kernel-matrix itself",
        )
    return found


def _is_builtin(path: Path) -> bool:
    # A user's own file or folder of that name is what he means.
    return path == BUILTIN and not path.exists()


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
    return path.relative_to(here) if path.is_relative_to(here) else path


def _is_own_checkout(folder: Path) -> bool:
    return folder.resolve().is_relative_to(ROOT)
