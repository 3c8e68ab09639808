"""`btf`: where a kernel's BTF comes from, and the BTF itself."""

import argparse
import hashlib
import sys
from pathlib import Path

from runner.cli import onekernel
from runner.errors import ArtifactError, ExitStatus, UsageError, file_errors
from runner.files.cache import Cache
from runner.kernels import fetch
from runner.kernels.artifact import Artifact
from runner.kernels.btf import minimal
from runner.text import progress as progress_


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    onekernel.add_arguments(parser)
    parser.add_argument(
        "--min",
        nargs="+",
        type=Path,
        metavar="OBJECT",
        help="reduce it to what objects, their sources or a suite's folder need",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="file to write (default: ID.btf, or ID.min.btf)",
    )


def main(arguments: argparse.Namespace) -> int:
    """Print source, size and SHA-256 of a kernel's BTF, and write it.

    Raises UsageError for a kernel that the matrix lacks, ArtifactError when it has no
    BTF or is unavailable.
    """
    cache = Cache()
    kernel = onekernel.find(arguments, cache)
    found = fetch.obtain(kernel, cache, progress_.progress())
    data = _cut(found, arguments.min, cache)
    suffix = ".min.btf" if arguments.min else ".btf"
    output = arguments.output or Path(f"{kernel.id}{suffix}")
    with file_errors(UsageError, f"-o {output}"):
        output.write_bytes(data)
    for name, value in (
        ("kernel", found.release),
        ("source", f"{found.btf_source}: {found.btf_detail}"),
        ("size", f"{len(data)} bytes"),
        ("sha256", hashlib.sha256(data).hexdigest()),
        ("written to", output),
    ):
        print(f"{name + ':':<12}{value}", file=sys.stdout)
    return ExitStatus.COMPATIBLE


def _cut(found: Artifact, objects: list[Path] | None, cache: Cache) -> bytes:
    if found.btf is None:
        raise ArtifactError(
            f"{found.release} has no BTF: {found.btf_detail}",
            hint="set one with the key btf of the matrix, or put a vmlinux with "
            "debug information next to the image",
        )
    data = found.btf.read_bytes()
    if not objects:
        return data
    with cache.scratch() as scratch:
        return minimal.cut(data, minimal.objects(objects, cache), scratch)
