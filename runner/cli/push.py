"""`push`: a kernel of the cache as a container image, for the source `oci`."""

import argparse
import re
import tempfile
from pathlib import Path

from runner.cli import onekernel
from runner.errors import ExitStatus, UsageError
from runner.files.cache import Cache
from runner.kernels import fetch
from runner.kernels.sources import image
from runner.kernels.sources.registry import Repository
from runner.matrix.matrix import Kernel
from runner.text import progress as progress_

EPILOG = """\
Log in to the registry with `docker login`, or ~/.docker/config.json. Then write in a
row of a matrix: source: {type: oci, image: IMAGE, tag: TAG}

examples:
  python -m runner push 4.4 --source kernel-org --to ghcr.io/me/kernels
  python -m runner push 6.1 --to localhost:5000/kernels:6.1
"""
_TARGET = re.compile(
    r"(?P<image>[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+)(:(?P<tag>[\w.-]+))?"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `push` takes."""
    onekernel.add_arguments(parser)
    parser.add_argument(
        "--to",
        required=True,
        metavar="IMAGE[:TAG]",
        help="registry and repository; the default tag is the kernel's id",
    )
    parser.add_argument(
        "--source",
        metavar="TYPE",
        help="use this source of the row, such as kernel-org (default: the first "
        "that has the kernel)",
    )


def main(arguments: argparse.Namespace) -> int:
    """Get or build the kernel, upload it, and print where it is.

    Raises UsageError for what the matrix lacks, ArtifactError when the kernel can't be
    had or the registry does not take it.
    """
    target = _TARGET.fullmatch(arguments.to)
    if target is None:
        raise UsageError(
            f"--to {arguments.to}: must be REGISTRY/REPOSITORY[:TAG]",
            hint="for example: --to ghcr.io/me/kernels",
        )
    cache = Cache()
    kernel = _from(onekernel.find(arguments, cache), arguments.source)
    found = fetch.obtain(kernel, cache, progress_.progress())
    with tempfile.TemporaryDirectory() as folder:
        layer = Path(folder, "layer.tar.gz")
        image.pack(found, layer)
        repository = Repository(target["image"])
        where = repository.push(
            target["tag"] or kernel.id,
            layer,
            f"{found.release}: {found.origin}",
            kernel.architecture,
        )
    print(where)
    return ExitStatus.COMPATIBLE


def _from(kernel: Kernel, source: str | None) -> Kernel:
    """Return a row with only its sources of one type."""
    if source is None:
        return kernel
    kept = tuple(it for it in kernel.sources if it.shown.split()[0] == source)
    if not kept:
        raise UsageError(
            f"--source {source}: {kernel.id} has no such source",
            hint=f"it has {', '.join(it.shown for it in kernel.sources)}",
        )
    return kernel.with_source(kept)
