"""Run a campaign of faults, and print its table: fault, phase and outcome."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from runner.errors import ExitStatus
from tests.faults import campaign, record, table
from tests.faults.fault import Fault
from tests.faults.table import Made, Row


def main(argv: Sequence[str]) -> int:
    """Run it; the exit status says whether every run stood its fault."""
    arguments = _parser().parse_args(argv)
    chosen = [it for it in campaign.FAULTS if (arguments.only or "") in it.name]
    if not chosen:
        print(f"no fault is called {arguments.only!r}", file=sys.stderr)
        return int(ExitStatus.USAGE)
    # Worlds end with their mounts, whatever ends the campaign.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        Path(name).chmod(0o711)
        rows = _campaign(arguments, chosen, Path(name))
    print(table.render(rows, seed=arguments.seed))
    return int(any(row.wrong for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=40, help="how many (40)")
    parser.add_argument(
        "--seed", type=int, default=1, help="what chance is made of (1)"
    )
    parser.add_argument(
        "--first", type=int, default=0, help="the first run's number (0)"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, help="how many go on at once (1)"
    )
    parser.add_argument("--only", metavar="WORDS", help="faults whose name has these")
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="write each run to this file, and make only those that it has not",
    )
    return parser


def _campaign(
    arguments: argparse.Namespace, chosen: list[Fault], folder: Path
) -> list[Row]:
    rows = record.read(arguments.record, arguments.seed)
    numbers = range(arguments.first, arguments.first + arguments.runs)
    missing = record.missing(rows, numbers)
    if missing:
        by = [campaign.undisturbed(folder, with_test=it) for it in (False, True)]

    commit = record.commit()

    def one(number: int) -> Row:
        made = Made(
            seed=arguments.seed,
            number=number,
            fault=chosen[number % len(chosen)].name,
            commit=commit,
        )
        row = campaign.one(folder / str(number), made, by)
        print(f"{number} {row.told}", file=sys.stderr, flush=True)
        record.append(arguments.record, row)
        return row

    with ThreadPoolExecutor(arguments.jobs) as pool:
        try:
            rows += pool.map(one, missing)
        finally:
            # After Ctrl-C, what has not begun never does.
            pool.shutdown(cancel_futures=True)
    return sorted(rows, key=lambda row: row.number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
