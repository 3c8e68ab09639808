"""`fetch`: the kernels of the matrix, got into the cache."""

import argparse

from runner.cli.output import Failures
from runner.files.cache import Cache
from runner.kernels import rows
from runner.kernels.fetch import obtain
from runner.run import options
from runner.text.progress import progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `fetch` takes."""
    options.add(parser, "--kernels", *options.KERNEL_FILES)
    parser.add_argument(
        "--refresh",
        action="store_true",
        help="check for newer versions of what is in the cache",
    )


def main(arguments: argparse.Namespace) -> int:
    """Fill the cache; a kernel that is unavailable does not stop the others.

    Raises UsageError if something is wrong with the matrix or the selection.
    """
    cache, shown, failures = Cache(), progress(), Failures()
    for kernel in rows.choose(options.choice_of(arguments), cache).kernels:
        with failures.printed():
            found = obtain(kernel, cache, shown, refresh=arguments.refresh)
            print(f"{kernel.id}: {found.origin}")
    return failures.status
