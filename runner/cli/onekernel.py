"""The one kernel that a verb is about: KERNEL on its command line."""

import argparse

from runner.errors import UsageError
from runner.files.cache import Cache
from runner.kernels import rows
from runner.matrix.matrix import Kernel
from runner.run import options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the kernel, and which kernels there are."""
    parser.add_argument("selector", metavar="KERNEL", help="an id of the matrix")
    options.add(parser, *options.KERNEL_FILES)


def find(arguments: argparse.Namespace, cache: Cache) -> Kernel:
    """Return the kernel. Raises UsageError if the matrix does not have just one."""
    arguments.kernels = [arguments.selector]
    kernels = rows.choose(options.choice_of(arguments), cache).kernels
    if len(kernels) != 1:
        raise UsageError(
            f"{arguments.selector} selects {len(kernels)} kernels", hint="give one id"
        )
    return kernels[0]
