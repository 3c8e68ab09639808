"""The folder that a run writes its reports to."""

from pathlib import Path

from runner.reports.atomic import explained

# Where a run puts them that is not told otherwise.
USUAL = Path("reports/latest")

_IGNORE = ".gitignore"
_TEXT = "# Made by bpf-kernel-matrix: reports are rarely committed.\n*\n"


def make(folder: Path) -> None:
    """Make the folder, with a .gitignore, unless it is there.

    `git add -A` would else commit logs. A folder that the user has made is theirs.
    Raises InfrastructureError when it can't be made.
    """
    with explained(folder):
        if folder.exists():
            return
        folder.mkdir(parents=True)
        (folder / _IGNORE).write_text(_TEXT)
