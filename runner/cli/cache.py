"""`cache`: what it holds, and making room."""

import argparse
from collections import defaultdict
from datetime import UTC, datetime

from runner.cli.output import print_json
from runner.errors import ExitStatus, UsageError
from runner.files.cache import Cache, Held, limit
from runner.text import console
from runner.text.tables import print_rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `cache` takes."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "prune"),
        default="list",
        help="list the cache (default), or remove the entries that were not used for "
        "longest until it is within its limit",
    )
    parser.add_argument(
        "--limit",
        metavar="SIZE",
        help="such as 500M or 4G (default: $BPF_KERNEL_MATRIX_CACHE_LIMIT, else 4G); "
        "0 removes all",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="with prune: list what would be removed, and remove nothing",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(arguments: argparse.Namespace) -> int:
    """List or prune.

    Raises UsageError for a limit that is not a size, and a dry run of a list.
    """
    cache, most = Cache(), limit(arguments.limit)
    prunes, dry = arguments.action == "prune", arguments.dry_run
    if dry and not prunes:
        raise UsageError(
            "--dry-run does nothing without prune", hint="use: cache prune --dry-run"
        )
    find = cache.surplus if dry else cache.prune
    removed = find(most) if prunes else []
    held = cache.held()
    if arguments.json:
        content = {
            "folder": str(cache.root),
            "limit": most,
            "entries": [_plain(it) for it in held],
            "removed": [] if dry else [_plain(it) for it in removed],
            "would_remove": [_plain(it) for it in removed] if dry else [],
        }
        print_json(content)
        return ExitStatus.COMPATIBLE
    _show(cache, held, most)
    if prunes:
        if dry:
            for it in removed:
                print(
                    f"{it.kind} {it.key[:12]}, {_size(it.size)}: {it.about}".rstrip(
                        ": "
                    )
                )
        done = "would remove" if dry else "removed"
        print(f"{done} {len(removed)}, {_size(sum(it.size for it in removed))}")
    return ExitStatus.COMPATIBLE


def _plain(held: Held) -> dict[str, object]:
    return {
        "kind": held.kind,
        "key": held.key,
        "about": held.about,
        "bytes": held.size,
        "used": _time(held),
    }


def _time(held: Held) -> str:
    return datetime.fromtimestamp(held.used, UTC).isoformat(timespec="seconds")


def _show(cache: Cache, held: list[Held], most: int) -> None:
    kinds: dict[str, list[Held]] = defaultdict(list)
    for it in held:
        kinds[it.kind].append(it)
    columns = ("kind", "entries", "size", "largest", "used last")
    print_rows(
        columns,
        [
            (
                kind,
                str(len(members)),
                _size(sum(it.size for it in members)),
                _size(max(it.size for it in members)),
                max(_time(it) for it in members),
            )
            for kind, members in sorted(kinds.items())
        ],
        right=columns[1:],
        spare=("largest", "entries"),
    )
    total = _size(sum(it.size for it in held))
    console.make().print(
        f"{total} of {_size(most)} in {cache.root}", soft_wrap=True, highlight=False
    )


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
