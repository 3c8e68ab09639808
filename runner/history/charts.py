"""Numbers of a history as places in a picture; templates draw them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runner.history.series import Period
from runner.reports import style

# Units across a strip or a line, however wide it is shown.
WIDTH = 1000
# Units from the top to the bottom of a line.
HEIGHT = 40
# Points of a line: more can't be told apart.
_MOST_POINTS = 100


@dataclass(frozen=True, kw_only=True)
class Bar:
    """Runs in a row in a strip; templates know its height by its look."""

    x: float
    width: float
    # A class of report.css: "passed", "failed", "known", "error", "skipped", "undone".
    look: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """Values over time."""

    # "0,40 10,3": SVG's points.
    points: str
    first: float
    last: float
    least: float
    most: float


def look(period: Period) -> str:
    """Return the class that colours a period."""
    state = period.state
    if state.outcome is None:
        return "undone"
    if period.is_bad and period.is_excused:
        return "known"
    return state.outcome.value


def word(period: Period) -> str:
    """Return how its case ended, in words."""
    found = look(period)
    if found == "known":
        return "failed (known flaky)"
    if period.state.outcome is None:
        return "no result: the run was stopped"
    return style.word(period.state)


def strip(periods: Sequence[Period], days: Sequence[str]) -> list[Bar]:
    """Return a case's runs as bars; neighbours that look the same are one.

    `days` has the day of each run.
    """
    bars: list[Bar] = []
    scale = WIDTH / len(days)
    ends: list[tuple[int, int, Period]] = []
    for it in periods:
        if ends and ends[-1][1] == it.first - 1 and look(ends[-1][2]) == look(it):
            ends[-1] = ends[-1][0], it.last, ends[-1][2]
        else:
            ends.append((it.first, it.last, it))
    for first, last, it in ends:
        when = days[first] if first == last else f"{days[first]} to {days[last]}"
        bars.append(
            Bar(
                x=round(first * scale, 2),
                width=round((last - first + 1) * scale, 2),
                look=look(it),
                title=f"{when}: {word(it)}",
            )
        )
    return bars


def line(values: Iterable[tuple[int, float]], runs: int) -> Line | None:
    """Return values by the places of their runs; None for fewer than two.

    Where there are more than fit, each point is the median of its neighbours.
    """
    found = list(values)
    if len(found) < 2:
        return None
    step = -(-len(found) // _MOST_POINTS)
    thinned = [
        (group[len(group) // 2][0], sorted(it for _, it in group)[len(group) // 2])
        for n in range(0, len(found), step)
        if (group := found[n : n + step])
    ]
    most = max(value for _, value in found)
    least = min(value for _, value in found)
    across, up = WIDTH / max(1, runs - 1), (HEIGHT - 4) / (most or 1)
    return Line(
        points=" ".join(
            f"{place * across:.1f},{HEIGHT - 2 - value * up:.1f}"
            for place, value in thinned
        ),
        first=found[0][1],
        last=found[-1][1],
        least=least,
        most=most,
    )
