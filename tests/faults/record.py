"""What a campaign saw so far: a line of JSON for each run, so that it can go on."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from tests.faults.table import Row
from tests.vm.conftest import ROOT


def read(path: Path | None, seed: int) -> list[Row]:
    """Return the runs of a seed that a file has; none where there is no file."""
    if path is None or not path.exists():
        return []
    found = map(json.loads, path.read_text().splitlines())
    rows = (Row(**{**it, "wrong": tuple(it["wrong"])}) for it in found)
    return [row for row in rows if row.seed == seed]


def append(path: Path | None, row: Row) -> None:
    """Write a run down, at once and in one piece."""
    if path is not None:
        with path.open("a") as file:
            file.write(json.dumps(asdict(row)) + "\n")


def commit() -> str:
    """Return the short name of the commit at work; "unknown" outside of a checkout.

    A "+" behind it says that files have been changed since; the record is none of them.
    """
    words = ("describe", "--always", "--dirty=+", "--exclude=*")
    found = subprocess.run(
        ["git", "-C", str(ROOT), *words], capture_output=True, text=True
    )
    return found.stdout.strip() or "unknown"


def missing(rows: Iterable[Row], numbers: Iterable[int]) -> list[int]:
    """Return the runs that are still to be made."""
    made = {row.number for row in rows}
    return [it for it in numbers if it not in made]
