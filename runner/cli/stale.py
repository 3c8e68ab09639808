"""`kernels --stale`: which rows' sources moved on since they were locked."""

import argparse
from dataclasses import asdict

from rich.markup import escape

from runner.cli.output import print_json
from runner.errors import ExitStatus, UsageError
from runner.files.cache import Cache
from runner.kernels import fetch, lock, stale
from runner.kernels.stale import LockedState
from runner.matrix import matrix, selectors
from runner.matrix.selectors import ALL
from runner.suites import project
from runner.text import progress as progress_
from runner.text.tables import print_rows


def main(arguments: argparse.Namespace) -> int:
    """Compare the rows with matrix.lock; 3 when a source can't be asked, else 0.

    Raises UsageError if something is wrong with the matrix, the lock or the selection.
    """
    if arguments.locked or arguments.kernel:
        raise UsageError(
            "--stale compares the matrix with its lock, so it can't be used with "
            "--locked or --kernel"
        )
    cache, progress = Cache(), progress_.progress()
    file = project.find(arguments.matrix).matrix
    known = lock.read(lock.path_of(file))
    found = []
    for kernel in selectors.select(
        matrix.load(file),
        arguments.kernels or [ALL],
        lambda kernel: fetch.version_of(kernel, cache),
    ):
        with progress.task(f"{kernel.id}: asking its source"):
            found.append(stale.compare(kernel, known, lock.folder_of(file), cache))
    if arguments.json:
        print_json([asdict(row) for row in found])
    else:
        _show(found)
    unknown = any(row.state == "unknown" for row in found)
    return ExitStatus.INFRASTRUCTURE if unknown else ExitStatus.COMPATIBLE


def _show(found: list[LockedState]) -> None:
    print_rows(("id", "state", "locked", "now"), map(_cells, found))
    moved = [row.id for row in found if row.state == "stale"]
    if moved:
        print(f"to move on: python -m runner lock --update {' '.join(moved)}")


def _cells(row: LockedState) -> tuple[str, ...]:
    state = "[bold]stale[/]" if row.state == "stale" else row.state
    now = row.now if row.now != row.locked else ""
    return (row.id, state, escape(row.locked), escape(now or row.reason))
