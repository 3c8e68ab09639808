"""`lock`: pins what the matrix's sources mean today."""

import argparse

from runner.cli.output import Failures
from runner.errors import UsageError
from runner.files.cache import Cache
from runner.kernels import fetch, lock
from runner.kernels.lock import Lock
from runner.matrix import matrix, selectors
from runner.matrix.selectors import ALL
from runner.reports.atomic import write_text
from runner.run import options
from runner.suites import project
from runner.text import progress as progress_


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    options.add_as(
        parser,
        "--kernels",
        "which kernels to pin again; the others keep their pins (default: all rows "
        "that are available)",
    )
    parser.add_argument(
        "--update",
        nargs="+",
        metavar="ROW",
        help="move these rows on, as --kernels does, and refuse those that are not "
        "locked yet",
    )
    options.add(parser, "--matrix")


def main(arguments: argparse.Namespace) -> int:
    """Fetch the newest of each kernel and write matrix.lock next to the matrix.

    A kernel that is unavailable keeps its old pin, and the exit status says why.
    Raises UsageError if something is wrong with the matrix, the lock or the selection.
    """
    cache, progress, failures = Cache(), progress_.progress(), Failures()
    chosen = project.find(arguments.matrix)
    if chosen.has_foreign_matrix:
        raise UsageError(
            "the kernels of bpf-kernel-matrix itself can't be locked from here",
            hint=f"write a matrix.yaml of your own: copy {chosen.matrix}, or use "
            "`python -m runner init`",
        )
    file = chosen.matrix
    rows = matrix.load(file)
    path = lock.path_of(file)
    known = lock.read(path)
    before = known
    for kernel in selectors.select(
        rows,
        _chosen(arguments, known),
        lambda kernel: fetch.version_of(kernel, cache),
    ):
        if kernel.unavailable:
            print(f"{kernel.id}: not pinned: {kernel.unavailable}")
            continue
        with failures.printed():
            found = fetch.obtain(kernel, cache, progress, refresh=True)
            pinned = fetch.pinned(kernel, cache)
            if pinned is None:
                continue
            known = known.with_pinned(kernel, pinned, lock.folder_of(file))
            print(f"{kernel.id}: {_change(kernel.id, before, found.origin)}")
            for item in pinned.btf:
                print(f"{kernel.id}: BTF of {item.location}")
    # What is no row any more needs no pin.
    known = known.of({kernel.id for kernel in rows.kernels})
    write_text(path, lock.text(known))
    print(f"written to {path}")
    return failures.status


def _chosen(arguments: argparse.Namespace, known: Lock) -> list[str]:
    """Return the selectors of the command line. Raises UsageError."""
    if arguments.update is None:
        return arguments.kernels or [ALL]
    if arguments.kernels:
        raise UsageError("use either --kernels or --update")
    missing = [id_ for id_ in arguments.update if id_ not in known.kernels]
    if missing:
        raise UsageError(
            f"--update: matrix.lock does not have {', '.join(missing)}",
            hint=f"python -m runner lock --kernels {','.join(missing)}",
        )
    return list(arguments.update)


def _change(id_: str, before: Lock, now: str) -> str:
    """Return what a row was locked to, if that was something else, and is now."""
    old = before.kernels.get(id_)
    if old is None or old.pin.origin == now:
        return now
    return f"{old.pin.origin} → {now}"
