"""`kernels`: what the matrix holds, and the cache of it."""

import argparse
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.markup import escape

from runner.cli import stale
from runner.cli.output import print_json
from runner.errors import ExitStatus
from runner.files.cache import Cache
from runner.guest import snapshots
from runner.kernels import rows as rows_
from runner.kernels.artifact import Artifact
from runner.kernels.fetch import cached
from runner.matrix.matrix import Kernel
from runner.matrix.selectors import ALL
from runner.run import options
from runner.text.tables import print_rows


@dataclass(frozen=True, kw_only=True)
class ListedKernel:
    """What is known of a kernel without fetching it."""

    id: str
    # Upstream's version; empty when only fetching could tell.
    version: str
    release: str
    source: str
    btf: str
    cached: bool
    # Bytes on disk.
    size: int
    # Bytes of the newest snapshot that was saved of it; 0 without one.
    snapshot: int
    tags: tuple[str, ...]
    # What the row says that its authors saw: "booted", "layout" or nothing.
    seen: str
    # Why it is unavailable; empty if it is not.
    unavailable: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `kernels` takes."""
    options.add(parser, "--kernels", *options.KERNEL_FILES, kernels="all rows")
    parser.add_argument(
        "--stale",
        action="store_true",
        help="ask each source whether it has something newer than matrix.lock",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(arguments: argparse.Namespace) -> int:
    """Print the matrix. Raises UsageError if something is wrong with it."""
    if arguments.stale:
        return stale.main(arguments)
    cache = Cache()
    saved = snapshots.sizes(cache)
    kernels = rows_.choose(options.choice_of(arguments, ALL), cache).kernels
    rows = [_row(kernel, cache, saved) for kernel in kernels]
    if arguments.json:
        print_json([asdict(row) for row in rows])
    else:
        _show(rows)
    return ExitStatus.COMPATIBLE


def _row(kernel: Kernel, cache: Cache, saved: Mapping[str, int]) -> ListedKernel:
    found = cached(kernel, cache)
    version = found.version if found else kernel.version
    return ListedKernel(
        id=kernel.id,
        version=str(version or ""),
        release=found.release if found else "",
        source=", ".join(source.shown for source in kernel.sources),
        btf=_btf(kernel, found),
        cached=found is not None,
        size=_size(found.directory) if found else 0,
        snapshot=saved.get(found.image_sha256, 0) if found else 0,
        tags=kernel.tags,
        seen=kernel.seen or "",
        unavailable=kernel.unavailable,
    )


def _btf(kernel: Kernel, found: Artifact | None) -> str:
    if found is None:
        return kernel.btf_shown
    return found.btf_source or "none"


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _show(rows: list[ListedKernel]) -> None:
    columns = ("id", "version", "source", "btf", "cached", "seen", "tags")
    print_rows(
        columns,
        map(_cells, rows),
        whole=("id", "version", "cached"),
        spare=("btf", "seen", "tags", "cached"),
    )


def _cells(row: ListedKernel) -> tuple[str, ...]:
    tags = " ".join(f"@{tag}" for tag in row.tags)
    # A pattern such as linux-image-[a-z]* is no markup.
    if row.unavailable:
        found = (row.id, row.version, escape(row.unavailable), "", "", "", tags)
        return tuple(f"[dim]{cell}[/]" if cell else "" for cell in found)
    source = escape(row.source)
    return (row.id, row.version, source, row.btf, _kept(row), row.seen, tags)


def _kept(row: ListedKernel) -> str:
    """Return the size of a kernel in the cache, and of its snapshot if it has one."""
    sizes = [row.size] if row.cached else []
    sizes += [row.snapshot] if row.snapshot else []
    return "+".join(f"{it / 1e6:.0f}" for it in sizes) + " MB" if sizes else ""
