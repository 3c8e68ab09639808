"""What was measured, and the limits that it is compared with."""

import json
import os
import platform
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

# The yardstick: seconds of a bare boot in the same run.
BARE = "bare"
_SECONDS = {"s": 1.0, "ms": 0.001}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Something to measure, and how its values are shown."""

    name: str
    what: str
    # "s", "ms", "MiB", or "x" for a ratio.
    unit: str = "s"
    # What it is divided by, value by value: another figure's name.
    over: str = ""
    # What the project promises; None for a figure that is only shown. Times are limited
    # in bare boots of the same run, so that a slow machine has the same limits as a
    # fast one.
    at_most: float | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure, measured several times."""

    what: str
    unit: str
    values: tuple[float, ...]
    # The median in bare boots of the same run; None for what is not a time, and where
    # none was measured.
    bare_boots: float | None
    at_most: float | None

    @property
    def median(self) -> float:
        """The value to quote."""
        return statistics.median(self.values)

    @property
    def limited(self) -> float | None:
        """What the limit is compared with; None when that is not known."""
        return self.bare_boots if self.unit in _SECONDS else self.median


class Samples:
    """What was measured so far, by the figures' names."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = defaultdict(list)

    def add(self, name: str, *values: float) -> None:
        """Keep values."""
        self._values[name] += values

    def __contains__(self, name: str) -> bool:
        return bool(self._values.get(name))

    def rows(self, figures: Iterable[Figure]) -> list[Row]:
        """Return the figures of which there is a value."""
        return [
            Row(
                what=it.what,
                unit=it.unit,
                values=values,
                bare_boots=self._bare_boots(values, it.unit),
                at_most=it.at_most,
            )
            for it in figures
            if (values := self._values_of(it))
        ]

    def _values_of(self, figure: Figure) -> tuple[float, ...]:
        values = self._values.get(figure.name, [])
        if not figure.over:
            return tuple(values)
        # One of them may have been measured once more than the other.
        pairs = zip(values, self._values.get(figure.over, []), strict=False)
        return tuple(a / b for a, b in pairs)

    def _bare_boots(self, values: Sequence[float], unit: str) -> float | None:
        if unit not in _SECONDS or BARE not in self:
            return None
        seconds = statistics.median(values) * _SECONDS[unit]
        return seconds / statistics.median(self._values[BARE])


def machine() -> str:
    """Return what the figures were measured on."""
    cores = os.cpu_count()
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}"


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    table = Table(title=machine(), title_justify="left")
    for column in ("figure", "median", "min", "max", "bare boots", "at most", ""):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for row in rows:
        table.add_row(
            row.what,
            f"{row.median:.2f} {row.unit}",
            f"{min(row.values):.2f}",
            f"{max(row.values):.2f}",
            "" if row.bare_boots is None else f"{row.bare_boots:.3g}",
            "" if row.at_most is None else f"{row.at_most:.3g}",
            _sign(row),
        )
    Console().print(table)


def _sign(row: Row) -> str:
    if row.at_most is None:
        return ""
    if row.limited is None:
        return "?"
    return "✓" if row.limited <= row.at_most else "✗"


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the figures as JSON."""
    content = {"machine": machine(), "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(content, indent=2) + "\n")
