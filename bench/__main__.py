"""`python -m bench`: times of the main job beside a bare boot, in one run."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import boots
from runner.errors import RunnerError
from runner.session.host import ROOT


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure, measured several times."""

    what: str
    unit: str
    values: tuple[float, ...]
    # What the issue or the README promises; None when it is only told.
    at_most: float | None = None

    @property
    def median(self) -> float:
        """The value to quote."""
        return statistics.median(self.values)


def main(argv: Sequence[str]) -> int:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--kernel", default="6.1", help="for single boots (6.1)")
    parser.add_argument("--matrix", default="5.10,6.1,6.12", help="for whole runs")
    parser.add_argument("--times", type=int, default=5, help="runs of each (5)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args(argv)
    try:
        rows = measure(arguments.kernel, arguments.matrix, arguments.times)
    except RunnerError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_status)
    show(rows)
    if arguments.json:
        content = {"machine": machine(), "rows": [asdict(row) for row in rows]}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")
    return 0


def measure(kernel: str, matrix: str, times: int) -> list[Row]:
    """Return all figures; boots of both kinds take turns, so that they compare."""
    subject = boots.origin(kernel)
    # Saved, if it was not.
    boots.restored(subject)
    bare, cold, restored = [], [], []
    for _ in range(times):
        bare.append(boots.bare(subject))
        cold.append(boots.cold(subject))
        restored.append(boots.restored(subject))
    return [
        Row(
            what=f"{kernel}: bare boot to the first userspace line",
            unit="s",
            values=tuple(bare),
        ),
        Row(
            what=f"{kernel}: cold ready: QEMU's start to the agent's first answer",
            unit="s",
            values=tuple(it.seconds for it in cold),
            at_most=6.0,
        ),
        Row(
            what=f"{kernel}: restore ready",
            unit="s",
            values=tuple(it.seconds for it in restored),
            at_most=0.5,
        ),
        Row(
            what="restore ready to cold ready",
            unit="x",
            values=tuple(
                b.seconds / a.seconds for a, b in zip(cold, restored, strict=True)
            ),
            at_most=1 / 8,
        ),
        Row(
            what="initramfs",
            unit="MB",
            values=(len(subject.initramfs.read()) / 1e6,),
            at_most=6.0,
        ),
        Row(
            what="QEMU's peak resident memory",
            unit="MiB",
            values=tuple(it.resident for it in (*cold, *restored)),
            at_most=350.0,
        ),
        Row(
            what=f"{matrix}, all suites, warm cache, command to exit",
            unit="s",
            values=tuple(timed(lambda: whole_run(matrix)) for _ in range(times)),
            at_most=30.0,
        ),
    ]


def timed(work: Callable[[], None]) -> float:
    """Return how many seconds some work took."""
    started = time.monotonic()
    work()
    return time.monotonic() - started


def whole_run(matrix: str) -> None:
    """Run the main job. Raises RunnerError when it is not green."""
    with tempfile.TemporaryDirectory() as reports:
        done = subprocess.run(
            [sys.executable, "-m", "runner", "--kernels", matrix, "--reports", reports],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
    if done.returncode != 0:
        raise RunnerError(f"the run ended with {done.returncode}", hint=done.stdout)


def machine() -> str:
    """Return what the figures were measured on."""
    cores = os.cpu_count()
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}"


def show(rows: list[Row]) -> None:
    """Print the table."""
    table = Table(title=machine(), title_justify="left")
    for column in ("figure", "median", "min", "max", "at most", ""):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for row in rows:
        bound = "" if row.at_most is None else f"{row.at_most:.1f}"
        sign = "" if row.at_most is None else "✓" if row.median <= row.at_most else "✗"
        table.add_row(
            row.what,
            f"{row.median:.2f} {row.unit}",
            f"{min(row.values):.2f}",
            f"{max(row.values):.2f}",
            bound,
            sign,
        )
    Console().print(table)


sys.exit(main(sys.argv[1:]))
