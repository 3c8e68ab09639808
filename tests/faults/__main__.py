"""Run a campaign of faults, and print its table: fault, phase and outcome."""

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runner.errors import ExitStatus, RunnerError
from runner.files.cache import Cache
from runner.results import RunResults
from tests.faults import clocks, disks, guests, inputs, judge, processes, table
from tests.faults.fault import Chance, Fault
from tests.faults.judge import Verdicts
from tests.faults.running import Ended, Running
from tests.faults.table import Row
from tests.faults.world import World, world
from tests.vm.test_cut import suite

FAULTS = (
    *processes.FAULTS,
    *disks.FAULTS,
    *clocks.FAULTS,
    *inputs.FAULTS,
    *guests.FAULTS,
)

# One case fails on purpose: a run that calls it right would be wrong.
_STATUS = ExitStatus.INCOMPATIBLE


@dataclass(frozen=True, kw_only=True)
class Undisturbed:
    """A suite, and what a run of it without a fault says."""

    suite: Path
    caches: tuple[Path, ...]
    verdicts: Verdicts
    # What it takes on a warm cache.
    seconds: float


def main(argv: Sequence[str]) -> int:
    """Run it; the exit status says whether every run stood its fault."""
    arguments = _parser().parse_args(argv)
    chosen = [it for it in FAULTS if (arguments.only or "") in it.name]
    if not chosen:
        print(f"no fault is called {arguments.only!r}", file=sys.stderr)
        return int(ExitStatus.USAGE)
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        rows = _campaign(arguments, chosen, Path(name))
    print(table.render(rows, seed=arguments.seed))
    return int(any(row.judged.wrong for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=40, help="how many (40)")
    parser.add_argument(
        "--seed", type=int, default=1, help="what chance is made of (1)"
    )
    parser.add_argument(
        "--first", type=int, default=0, help="the first run's number (0)"
    )
    parser.add_argument("--only", metavar="WORDS", help="faults whose name has these")
    return parser


def _campaign(
    arguments: argparse.Namespace, chosen: list[Fault], folder: Path
) -> list[Row]:
    undisturbed = [_undisturbed(folder, with_test=it) for it in (False, True)]
    rows = []
    for number in range(arguments.first, arguments.first + arguments.runs):
        # Each run's chance is its own, so that one can be had again without the rest.
        chance = random.Random(f"{arguments.seed}.{number}")
        fault = chosen[number % len(chosen)]
        row = _one(folder / str(number), fault, chance, undisturbed)
        rows.append(row)
        print(f"{number} {row.told}", file=sys.stderr, flush=True)
    return rows


def _undisturbed(folder: Path, *, with_test: bool) -> Undisturbed:
    """Run a suite twice without a fault: to fill the cache, and to be timed."""
    own = folder / ("tests" if with_test else "cases")
    own.mkdir()
    made = suite(own, with_test=with_test)
    filled = own / "filled"
    caches: tuple[Path, ...] = (Cache().root,)
    with world(own / "world", made, caches) as first:
        _right(first)
        shutil.copytree(first.changed, filled, symlinks=True)
    caches = (filled, *caches)
    with world(own / "world", made, caches) as second:
        ended, results = _right(second)
    return Undisturbed(
        suite=made,
        caches=caches,
        verdicts=judge.verdicts(results),
        seconds=ended.seconds,
    )


def _right(made: World) -> tuple[Ended, RunResults]:
    """Return a run without a fault, which must end as it should."""
    ended, results = Running(made).end(), judge.read(made.reports)
    if not isinstance(results, RunResults) or ended.status != _STATUS or ended.left:
        raise RunnerError(f"a run without a fault: {ended.status}\n{ended.output}")
    if made.written():
        raise RunnerError(f"a run without a fault wrote {made.written()}")
    return ended, results


def _one(
    folder: Path, fault: Fault, chance: random.Random, undisturbed: list[Undisturbed]
) -> Row:
    right = chance.choice(undisturbed)
    with world(folder, right.suite, right.caches) as made:
        struck = fault.put(made, Chance(random=chance, seconds=right.seconds))
        judged = judge.judge(fault, struck, made, right.verdicts)
        made.restore(right.suite)
        wrong = judge.judge_next(Running(made).end(), made, right.verdicts)
    judged = replace(judged, wrong=(*judged.wrong, *wrong))
    return Row(fault=fault.name, struck=struck, judged=judged)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
