"""What a suite without `name:` is called: the same in every clone of a repository."""

from pathlib import Path

from runner.files.sources import repository_of

# A suite at the top of a repository. The folder has another name in each clone.
AT_THE_TOP = "suite"


def of_folder(folder: Path, matrix: Path | None = None) -> str:
    """Return the name of the suite in a folder, whose path is resolved.

    `matrix` is the run's matrix file. A folder below the top of a repository gives its
    own name. The top is where .git is; in a copy without .git (an archive, an image of
    a container) it is the folder that the run is started from, or that has the matrix.
    """
    return AT_THE_TOP if _is_top(folder, matrix) else folder.name


def _is_top(folder: Path, matrix: Path | None) -> bool:
    repository = repository_of(folder)
    if repository is not None:
        return repository == folder
    inside = [Path.cwd()] if matrix is None else [Path.cwd(), matrix.resolve().parent]
    return any(path.is_relative_to(folder) for path in inside)
