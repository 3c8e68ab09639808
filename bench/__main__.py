"""`python -m bench`: times of the main job beside a bare boot and virtme-ng."""

import argparse
import json
import os
import platform
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import boots, preflight, runs
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
    parser.add_argument("--kernel", default="6.1", help="for one kernel (6.1)")
    parser.add_argument("--matrix", default="5.10,6.1,6.12,sid", help="for whole runs")
    parser.add_argument("--times", type=int, default=5, help="runs of each (5)")
    parser.add_argument("--vng", type=Path, help="virtme-ng's program, to compare with")
    parser.add_argument(
        "--vng-image",
        type=Path,
        help="the kernel's vmlinuz in its unpacked package, with the modules and their "
        "modules.dep",
    )
    parser.add_argument(
        "--part",
        choices=("boots", "preflight", "all"),
        default="all",
        help="what to measure (all)",
    )
    parser.add_argument(
        "--btfs", type=int, default=1000, help="kernels to predict at once (1000)"
    )
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args(argv)
    try:
        rows = measure(arguments) if arguments.part != "preflight" else []
        if arguments.part != "boots":
            rows += predictions(arguments)
    except RunnerError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_status)
    show(rows)
    if arguments.json:
        content = {"machine": machine(), "rows": [asdict(row) for row in rows]}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")
    return 0


def measure(arguments: argparse.Namespace) -> list[Row]:
    """Return all figures. Boots of all kinds take turns, so that they compare."""
    subject = boots.origin(arguments.kernel)
    # What is saved and compiled by the first of them.
    boots.restored(subject)
    runs.job(arguments.matrix)
    found = _Samples()
    for _ in range(arguments.times):
        found.add("bare", boots.bare(subject))
        cold, restored = boots.cold(subject), boots.restored(subject)
        found.add("cold", cold.seconds)
        found.add("restored", restored.seconds)
        found.add("memory", cold.resident, restored.resident)
        if arguments.vng:
            found.add("vng", boots.virtme(arguments.vng, arguments.vng_image))
        found.add("task", runs.job(arguments.kernel, ROOT / "suites/task").seconds)
        found.add("further", runs.further_object(arguments.kernel))
        suites = runs.job(arguments.kernel)
        found.add("suites", suites.seconds)
        found.add("case", *suites.cases)
        found.add("matrix", runs.job(arguments.matrix).seconds)
        found.add("eleven", runs.first_issue(arguments.matrix).seconds)
    return _rows(arguments.kernel, arguments.matrix, found)


def predictions(arguments: argparse.Namespace) -> list[Row]:
    """Return the figures of preflight, on the newest kernel of the matrix."""
    subject = preflight.subject("sid")
    found = _Samples()
    for _ in range(arguments.times):
        one, other = preflight.one(subject), preflight.bpftool(subject)
        found.add("one", one.cold.passed)
        found.add("one busy", one.cold.busy)
        found.add("indexed", one.warm)
        found.add("bpftool", other.passed)
        found.add("bpftool busy", other.busy)
        found.add("command", preflight.command(subject).passed)
    many = preflight.many(subject, arguments.btfs)
    kernels = f"{arguments.btfs} kernels"
    found.add("many", many.cold.passed / 1000)
    found.add("many indexed", many.warm.passed / 1000)
    found.add("many busy", many.cold.busy / 1000)
    found.add("many indexed busy", many.warm.busy / 1000)
    found.add("each busy", *[many.cold.busy / arguments.btfs] * arguments.times)
    found.add("peak", many.peak)
    return [
        found.row("one", "check: one kernel, engine and object new", "ms", at_most=60),
        found.row("one busy", "  its processor time", "ms"),
        found.row("indexed", "check: one from the index", "ms", at_most=10),
        found.row("command", "check: one kernel, command to exit", "ms"),
        found.row("bpftool", "bpftool gen min_core_btf, the same files", "ms"),
        found.row("bpftool busy", "  its processor time", "ms"),
        found.ratio("one", "bpftool", "check of one kernel to bpftool", 2),
        found.ratio("one busy", "bpftool busy", "  by processor time", 2),
        found.ratio("each busy", "bpftool busy", "check of each of many to it", 2),
        found.row("many", f"check: {kernels}, command to exit", at_most=15),
        found.row("many busy", "  processor time"),
        found.row("many indexed", f"check: {kernels} from the index", at_most=3),
        found.row("many indexed busy", "  processor time"),
        found.row("peak", f"check: peak memory over {kernels}", "MiB", at_most=500),
    ]


class _Samples:
    """What was measured, by name."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = defaultdict(list)

    def add(self, name: str, *values: float) -> None:
        """Keep values."""
        self._values[name] += values

    def row(
        self, name: str, what: str, unit: str = "s", *, at_most: float | None = None
    ) -> Row:
        """Return a figure."""
        return Row(
            what=what, unit=unit, values=tuple(self._values[name]), at_most=at_most
        )

    def ratio(self, name: str, other: str, what: str, at_most: float) -> Row:
        """Return how one thing compares to another that was measured in turn."""
        pairs = zip(self._values[name], self._values[other], strict=True)
        values = tuple(a / b for a, b in pairs)
        return Row(what=what, unit="x", values=values, at_most=at_most)

    def __contains__(self, name: str) -> bool:
        return name in self._values


def _rows(kernel: str, matrix: str, found: _Samples) -> list[Row]:
    rows = [
        found.row("bare", f"{kernel}: bare QEMU boot to the first userspace line"),
        found.row("cold", f"{kernel}: cold ready, the agent answers", at_most=6.0),
        found.row("restored", f"{kernel}: restore ready, the same", at_most=0.5),
        found.ratio("restored", "cold", "restore ready to cold ready", 1 / 8),
        found.row("task", f"{kernel}: suite task, command to exit", at_most=2.5),
        found.row("suites", f"{kernel}: all suites, command to exit"),
        found.row("case", f"{kernel}: one case"),
        found.row("further", f"{kernel}: each further object", at_most=0.6),
        found.row("eleven", f"{matrix}: 11 cases of 3 suites", at_most=8.0),
        found.row("matrix", f"{matrix}: all suites, command to exit"),
        found.row("memory", "QEMU's peak memory", unit="MiB", at_most=350.0),
    ]
    if "vng" in found:
        rows.append(found.row("vng", f"{kernel}: virtme-ng runs uname -r"))
        rows.append(found.ratio("task", "vng", "suite task to virtme-ng", 1 / 8))
    return rows


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
        bound = "" if row.at_most is None else f"{row.at_most:.3g}"
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
