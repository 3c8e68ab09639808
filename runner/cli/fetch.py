"""`fetch`: the kernels of the matrix, got into the cache."""

import argparse
from contextlib import closing

from runner.cli.output import Failures
from runner.files.cache import Cache
from runner.kernels import rows, together
from runner.kernels.artifact import Artifact
from runner.kernels.fetch import obtain
from runner.matrix.matrix import Kernel
from runner.run import options
from runner.text.progress import Progress, progress


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
    kernels = rows.choose(options.choice_of(arguments), cache).kernels

    def get(kernel: Kernel, progress: Progress) -> Artifact:
        return obtain(kernel, cache, progress, refresh=arguments.refresh)

    with closing(together.each(kernels, get, shown)) as outcomes:
        for outcome in outcomes:
            with failures.printed():
                print(f"{outcome.kernel.id}: {outcome.result().origin}", flush=True)
    return failures.status
