"""`history`: many runs as one static site."""

import argparse
import gc
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from runner.cli.output import print_note
from runner.errors import ExitStatus, UsageError
from runner.history import files, series, site, store
from runner.history.files import LeftOut
from runner.history.store import StoredRuns
from runner.reports.atomic import explained, write_text

EPILOG = """\
RESULTS is a results.json, a folder of them, or a pattern in quotes. A folder means its
*.json files and each results.json below it. Parts of one run are merged. A run that is
given twice counts once.

SITE keeps what it was given, in SITE/data/runs. So tomorrow you only give it tomorrow's
run. Without RESULTS the pages are made again. SITE needs no server: open
SITE/index.html, or publish the folder. docs/history.md describes it.

A file that does not contain a run is named and left out.

exit status: 0 if the site is written; 2 if there is no run at all, and, with --strict,
if a file was left out; 3 if the site can't be written.

examples:
  python -m runner history runs/ --out site
  python -m runner history reports/latest --out site             # one more run
  python -m runner history 'artifacts/*/results.json' --out site --branch release-1
  python -m runner history --out site --branch all               # made again
"""

# What --branch takes for every branch.
_ALL = "all"
# Names that are shown of files that were left out.
_MOST_NAMES = 10
_LOCK = ".lock"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `history` takes."""
    parser.add_argument("runs", nargs="*", type=Path, metavar="RESULTS")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="SITE", help="folder of the site"
    )
    parser.add_argument(
        "--branch",
        action="append",
        default=[],
        metavar="NAME",
        help="show runs of this branch, or of `all`; may be given several times. Runs "
        "without a branch, and those of releases, are always shown (default: "
        f"{', '.join(series.MAIN_BRANCHES)})",
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with 2 if a file was left out"
    )


def main(arguments: argparse.Namespace) -> int:
    """Read, keep, and write the pages.

    Raises UsageError when there is no run, and InfrastructureError when the site can't
    be written.
    """
    # All that it reads lives until its end; to look for garbage takes a seventh longer.
    gc.disable()
    try:
        return _main(arguments)
    finally:
        gc.enable()


def _main(arguments: argparse.Namespace) -> int:
    out: Path = arguments.out
    store.require_own(out)
    # A word that means nothing is a mistake before anything is written.
    found = files.find(arguments.runs, but=out)
    if not found and not (out / store.RUNS).is_dir():
        raise UsageError(
            "there is nothing to make a history of",
            hint="give the results.json of runs, or folders with them",
        )
    with explained(out):
        (out / store.RUNS).mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / "data" / _LOCK, timeout=0)
    try:
        with lock:
            left_out = _make(arguments, found)
    except Timeout:
        raise UsageError(
            f"{out} is in use by another run of this command",
            hint="wait until it ends, or use another folder",
        ) from None
    return ExitStatus.USAGE if left_out and arguments.strict else ExitStatus.COMPATIBLE


def _make(arguments: argparse.Namespace, found: Sequence[Path]) -> Sequence[LeftOut]:
    out: Path = arguments.out
    stored = store.load(out)
    read = files.read(found, known=stored.sources)
    before = len(stored.runs)
    stored = store.add(out, stored, read.digests)
    left_out = (*stored.left_out, *read.left_out)
    _say_left_out(left_out)
    history = series.of(stored.runs, _branches(arguments.branch))
    if not history.runs:
        raise UsageError(
            _nothing(stored),
            hint="give the results.json of a run, or --branch all",
        )
    made = site.render(history, left_out)
    for path, text in made.files.items():
        write_text(out / path, text)
    _remove_others(out, made.files)
    number = len(stored.runs) - before
    print(
        f"{out / 'index.html'}: {len(history.runs)} runs, {number} of them new, "
        f"{len(history.by_case)} cases"
    )
    return left_out


def _branches(given: Sequence[str]) -> Sequence[str] | None:
    if not given:
        return None
    return () if _ALL in given else tuple(given)


def _nothing(stored: StoredRuns) -> str:
    if not stored.runs:
        return "no file is a run"
    branches = sorted({it.branch for it in stored.runs})
    return f"there is no run of these branches, only of {', '.join(branches)}"


def _say_left_out(left_out: Sequence[LeftOut]) -> None:
    for it in left_out[:_MOST_NAMES]:
        print_note(f"{it.path} is left out: {it.why}")
    more = len(left_out) - _MOST_NAMES
    if more > 0:
        print(f"note: and {more} more files are left out", file=sys.stderr)


def _remove_others(out: Path, made: Iterable[str]) -> None:
    """Remove the pages of cases, and badges, that are no longer there."""
    kept = {out / path for path in made}
    for path in (*(out / "cases").glob("*.html"), *(out / "badges").glob("*")):
        if path not in kept:
            with explained(path):
                path.unlink()
