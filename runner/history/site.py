"""A history as a static site: an overview, a page for each case, badges, and JSON."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from statistics import median

from markupsafe import Markup

from runner.history import charts, forked, today
from runner.history.breaks import (
    Break,
    BrokenCase,
    Cause,
    Flakiness,
    breaks,
    broken,
    flakiness,
)
from runner.history.charts import Bar, Line
from runner.history.digest import DigestedKernel, DigestedState, RunDigest
from runner.history.files import LeftOut
from runner.history.series import History, Period, Series
from runner.reports import pictures, style, support, templating
from runner.reports.style import LOOKS
from runner.results import KernelRun, Outcome, RunResults

# Of the newest runs, in the table of them.
_MOST_RUNS = 50
# Rows of other tables; the JSON has all.
_MOST_ROWS = 200
# Periods of a case on a kernel that its page lists.
_MOST_PERIODS = 40
# Suites whose cases are shown at once; those of larger projects open on a click.
_OPEN_CASES = 300

_SLUG = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, kw_only=True)
class Site:
    """Files by their paths below the site."""

    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class KernelNow:
    """A kernel as it is now, and when its package changed last."""

    kernel: DigestedKernel
    title: str
    since: RunDigest
    # What it was before; None if it was the same from the first run on.
    before: DigestedKernel | None
    newest: RunDigest
    boots: Line | None


@dataclass(frozen=True, kw_only=True)
class TodayCell:
    """A case on a kernel now."""

    look: str
    sign: str
    word: str
    # Since when it fails; empty if it does not.
    since: str


@dataclass(frozen=True, kw_only=True)
class PeriodRow:
    """A period, with the runs that it begins and ends with."""

    period: Period
    first: RunDigest
    last: RunDigest
    look: str
    word: str


@dataclass(frozen=True, kw_only=True)
class CaseKernel:
    """A case's page: one kernel."""

    series: Series
    title: str
    bars: Sequence[Bar]
    took: Line | None
    median: float
    periods: Sequence[PeriodRow]
    older: int
    flaky: Flakiness | None


@dataclass(frozen=True, kw_only=True)
class CostRow:
    """What a program cost a kernel over time."""

    kernel: str
    program: str
    line: Line | None
    last: int
    first: int
    stack: int | None
    peak: int | None


def render(history: History, left_out: Sequence[LeftOut], project: str = "") -> Site:
    """Return the pages, the badges and the JSON of a history; it must have a run."""
    name = project or next(
        (it.project for it in reversed(history.runs) if it.project), ""
    )
    found = {id(it): breaks(it) for it in history.series}
    all_breaks = [it for of_series in found.values() for it in of_series]
    flaky = [it for series in history.series if (it := flakiness(series)) is not None]
    flaky_of = {id(it.series): it for it in flaky}
    flaky.sort(key=lambda it: (-it.last, -it.rate))
    now = today.results(history)
    bad = broken(history, all_breaks)
    badges = {
        "all": pictures.badge_of(now, "kernels"),
        **{
            file: pictures.badge_of(results, shown)
            for file, (shown, results) in today.families(now).items()
        },
    }
    common = {
        "project": name,
        "history": history,
        "newest": history.runs[-1],
        "day": day,
        "minute": minute,
        "commit": commit,
        "package": package,
        "compare": compare_link,
        "address": address,
        "page_of": page_of,
        "is_flaky": lambda series: id(series) in flaky_of,
        "style": Markup(_css()),
        "style_hash": _hash(_css()),
        "width": charts.WIDTH,
        "height": charts.HEIGHT,
        "runs": history.runs,
    }
    files = {
        "index.html": templating.render(
            "history.html.j2",
            **common,
            broken=bad[:_MOST_ROWS],
            more_broken=len(bad) - _MOST_ROWS,
            flaky=flaky[:_MOST_ROWS],
            more_flaky=len(flaky) - _MOST_ROWS,
            excused=_excused(history),
            badges=[Markup(pictures.drawn(it)) for it in badges.values()],
            statement=support.ranges(now).statement,
            verdict=style.verdict(now),
            counts=style.counts(now),
            kernels=[it.id for it in now.kernels],
            titles={it.id: support.title(it) for it in now.kernels},
            suites=_suites(history, now, found),
            opened=len(now.cases) <= _OPEN_CASES * max(1, len(now.kernels)),
            rows=list(_kernel_rows(history, now)),
            releases=list(_releases(history)),
            last_runs=list(reversed(history.runs[-_MOST_RUNS:])),
            run_words=run_words,
            run_look=run_look,
            run_bars=_run_bars(history),
            left_out=left_out[:_MOST_ROWS],
            more_left_out=len(left_out) - _MOST_ROWS,
        ),
        "data/history.json": _json(history, bad, flaky, left_out, name),
    }
    days = [day(run) for run in history.runs]

    def page(case: str) -> str:
        of_case = history.by_case[case]
        rows = [_case_kernel(history, it, days, flaky_of.get(id(it))) for it in of_case]
        return templating.render(
            "history-case.html.j2",
            **common,
            case=case,
            series=of_case,
            rows=rows,
            breaks=_newest_first(of_case, found)[:_MOST_ROWS],
            costs=list(_costs(of_case, len(history.runs))),
            first_day=days[0],
            last_day=days[-1],
        )

    cases = list(history.by_case)
    files |= zip(map(page_of, cases), forked.mapped(page, cases), strict=True)
    for file, badge in badges.items():
        files[f"badges/{file}.svg"] = pictures.drawn(badge)
        endpoint = {
            "schemaVersion": 1,
            "label": badge.label,
            "message": badge.message,
            "color": badge.colour,
        }
        files[f"badges/{file}.json"] = json.dumps(endpoint, ensure_ascii=False) + "\n"
    return Site(files=files)


# ---------------------------------------------------------------------- words


def day(run: RunDigest) -> str:
    """Return the day of a run: "2026-01-02"."""
    return f"{run.started:%Y-%m-%d}"


def minute(run: RunDigest) -> str:
    """Return the time of a run to the minute, in UTC."""
    return f"{run.started:%Y-%m-%d %H:%M}"


def commit(run: RunDigest) -> str:
    """Return a commit as people write it; empty if it is not known."""
    return run.commit[:12] + ("+" if run.changed and run.commit else "")


def package(kernel: DigestedKernel) -> str:
    """Return where a kernel's image is from, or what `uname -r` said."""
    return kernel.image or kernel.release or kernel.id


def address(text: str) -> str:
    """Return an address that may be linked to; empty for any other."""
    return text if re.fullmatch(r"https?://[^\s<>\"']+", text) else ""


def compare_link(good: RunDigest, bad: RunDigest) -> str:
    """Return the address that shows the commits between two runs, on GitHub."""
    base = re.match(r"(https?://[^/\s]+/[^/\s]+/[^/\s]+)/actions/runs/", bad.ci_run)
    known = good.commit and bad.commit and good.commit != bad.commit
    if not base or not known:
        return ""
    return address(f"{base[1]}/compare/{good.commit}...{bad.commit}")


def page_of(case: str) -> str:
    """Return the page of a case below the site; the same for each history."""
    slug = _SLUG.sub("-", case).strip("-")[:60].lower()
    sum_ = hashlib.sha256(case.encode("utf-8", "replace")).hexdigest()[:8]
    return str(PurePosixPath("cases") / f"{slug}-{sum_}.html")


def run_look(run: RunDigest) -> str:
    """Return the class that colours a run."""
    counts = _counts(run)
    if counts[Outcome.FAILED]:
        return "failed"
    if not run.complete or counts[Outcome.ERROR] or any(it.error for it in run.kernels):
        return "error"
    return "passed"


def run_words(run: RunDigest) -> str:
    """Return how a run's cases ended: "4 passed, 1 failed"."""
    counts, known = _counts(run), _known_failures(run)
    alone = _uncompared(run)
    parts = [
        style.counted(counts[Outcome.PASSED], "passed", "passed"),
        style.counted(counts[Outcome.FAILED], "failed", "failed"),
        style.counted(known, "failed (known flaky)", "failed (known flaky)"),
        style.counted(counts[Outcome.ERROR], "error", "errors"),
        style.counted(counts[Outcome.SKIPPED] - alone, "declared gap", "declared gaps"),
        style.counted(alone, "case not compared", "cases not compared"),
    ]
    words = ", ".join(filter(None, parts)) or "no case"
    return (
        words if run.complete else f"{words}; incomplete: it does not count as a pass"
    )


def _counts(run: RunDigest) -> dict[Outcome, int]:
    """Return how many cases ended as each outcome, without known flaky failures."""
    of_state = [0] * len(run.states)
    for case in run.cases:
        for number in case.states:
            of_state[number] += 1
    counts = dict.fromkeys(Outcome, 0)
    for state, number in zip(run.states, of_state, strict=True):
        if state.outcome is not None and not state.is_excused:
            counts[state.outcome] += number
    return counts


def _known_failures(run: RunDigest) -> int:
    return _number_of(run, lambda it: it.is_excused)


def _uncompared(run: RunDigest) -> int:
    return _number_of(run, style.is_uncompared)


def _number_of(run: RunDigest, matches: Callable[[DigestedState], bool]) -> int:
    """Return in how many cases on kernels a state of that kind stands."""
    found = {n for n, state in enumerate(run.states) if matches(state)}
    if not found:
        return 0
    return sum(number in found for case in run.cases for number in case.states)


# ----------------------------------------------------------------------- rows


def _excused(history: History) -> list[Series]:
    """Return what fails in the newest run, and is a known flaky case."""
    return [
        it
        for it in history.series
        if it.last.last == history.newest[it.kernel] and it.last.is_excused
    ]


def _suites(
    history: History, now: RunResults, found: Mapping[int, Sequence[Break]]
) -> list[tuple[str, list[tuple[str, list[TodayCell | None]]], int]]:
    """Return each suite with its cases on the kernels of now, and how many fail."""
    ids = [it.id for it in now.kernels]
    suites: dict[str, list[tuple[str, list[TodayCell | None]]]] = {}
    for case, of_case in history.by_case.items():
        by_kernel = {it.kernel: it for it in of_case}
        cells = [_today_cell(history, by_kernel.get(id_), found) for id_ in ids]
        if any(cells):
            suites.setdefault(of_case[0].suite, []).append((case, cells))
    return [
        (suite, rows, sum(any(map(_fails, cells)) for _, cells in rows))
        for suite, rows in suites.items()
    ]


def _fails(cell: TodayCell | None) -> bool:
    return cell is not None and cell.look == "failed"


def _today_cell(
    history: History, series: Series | None, found: Mapping[int, Sequence[Break]]
) -> TodayCell | None:
    if series is None or series.last.last != history.newest[series.kernel]:
        return None
    last = series.last
    look = charts.look(last)
    since = ""
    if last.is_bad:
        of_series = found[id(series)]
        since = day(history.runs[of_series[-1].bad.first]) if of_series else ""
    outcome = last.state.outcome
    sign = "?" if outcome is None else "~" if look == "known" else LOOKS[outcome].sign
    return TodayCell(look=look, sign=sign, word=charts.word(last), since=since)


def _kernel_rows(history: History, now: RunResults) -> Iterator[KernelNow]:
    titles = {it.id: support.title(it) for it in now.kernels}
    seen: dict[str, list[tuple[int, DigestedKernel]]] = {id_: [] for id_ in titles}
    for place, run in enumerate(history.runs):
        for kernel in run.kernels:
            if kernel.id in seen:
                seen[kernel.id].append((place, kernel))
    for id_, found in seen.items():
        place, kernel = found[-1]
        since, before = place, None
        for earlier, it in reversed(found):
            if it.image_sha256 and it.image_sha256 != kernel.image_sha256:
                before = it
                break
            since = earlier
        boots = [(n, it.boot) for n, it in found if it.boot is not None]
        yield KernelNow(
            kernel=kernel,
            title=titles[id_],
            since=history.runs[since],
            before=before,
            newest=history.runs[place],
            boots=charts.line(boots, len(history.runs)),
        )


def _releases(history: History) -> Iterator[RunDigest]:
    """Yield the newest run of each release, the newest release first."""
    found = {run.release: run for run in history.runs if run.release}
    yield from sorted(found.values(), key=lambda it: it.started, reverse=True)


def _run_bars(history: History) -> list[Bar]:
    scale = charts.WIDTH / len(history.runs)
    return [
        Bar(
            x=round(place * scale, 2),
            width=round(scale, 2),
            look=run_look(run),
            title=f"{minute(run)}: {run_words(run)}",
        )
        for place, run in enumerate(history.runs)
    ]


def _case_kernel(
    history: History, series: Series, days: Sequence[str], flaky: Flakiness | None
) -> CaseKernel:
    runs = history.runs
    kernel = series.last.kernel
    title = support.title(_as_run(kernel))
    took = [it for _, it in series.took]
    return CaseKernel(
        series=series,
        title=title,
        bars=charts.strip(series.periods, days),
        took=charts.line(((n, ms / 1000) for n, ms in series.took), len(runs)),
        median=median(took) / 1000 if took else 0.0,
        periods=[
            PeriodRow(
                period=it,
                first=runs[it.first],
                last=runs[it.last],
                look=charts.look(it),
                word=charts.word(it),
            )
            for it in reversed(series.periods[-_MOST_PERIODS:])
        ],
        older=max(0, len(series.periods) - _MOST_PERIODS),
        flaky=flaky,
    )


def _newest_first(
    of_case: Sequence[Series], found: Mapping[int, Sequence[Break]]
) -> list[Break]:
    all_ = [it for series in of_case for it in found[id(series)]]
    return sorted(all_, key=lambda it: -it.bad.first)


def _costs(of_case: Sequence[Series], runs: int) -> Iterator[CostRow]:
    for series in of_case:
        values: dict[str, list[tuple[int, float]]] = {}
        last: dict[str, tuple[int | None, int | None]] = {}
        for it in series.periods:
            for cost in it.state.cost:
                if cost.verified_insns is None:
                    continue
                points = values.setdefault(cost.program, [])
                points.append((it.first, cost.verified_insns))
                if it.last > it.first:
                    points.append((it.last, cost.verified_insns))
                last[cost.program] = cost.stack_depth, cost.peak_states
        for program, points in values.items():
            stack, peak = last[program]
            yield CostRow(
                kernel=series.kernel,
                program=program,
                line=charts.line(points, runs),
                first=int(points[0][1]),
                last=int(points[-1][1]),
                stack=stack,
                peak=peak,
            )


def _as_run(kernel: DigestedKernel) -> KernelRun:
    return KernelRun(
        id=kernel.id,
        required=kernel.required,
        arch=kernel.arch,
        release=kernel.release,
    )


# ----------------------------------------------------------------------- JSON


def _json(
    history: History,
    bad: Sequence[BrokenCase],
    flaky: Sequence[Flakiness],
    left_out: Sequence[LeftOut],
    project: str,
) -> str:
    """Return what other programs want to know, such as what to bisect."""
    runs = history.runs
    value = {
        "version": 1,
        "project": project,
        "runs": len(runs),
        "newest": runs[-1].started.isoformat(),
        "left_out": [{"file": str(it.path), "why": it.why} for it in left_out],
        "broken": [
            {
                "case": it.first.series.name,
                "kernels": list(it.kernels),
                "failure_class": it.first.bad.state.failure_class,
                "since": runs[it.first.bad.first].started.isoformat(),
                "cause": [str(cause) for cause in it.first.causes],
                "words": it.first.words,
                "is_new": _is_new(history, it),
                "bisect": _search(it),
                "good": _side(runs, it.first.good, last=True),
                "bad": _side(runs, it.first.bad, last=False),
            }
            for it in bad
        ],
        "flaky": [
            {
                "case": it.series.name,
                "kernel": it.series.kernel,
                "runs": it.verdicts,
                "failed": it.failed,
                "second_tries": it.retried,
            }
            for it in flaky
        ],
        "known_flaky": [
            {
                "case": it.name,
                "kernel": it.kernel,
                "owner": known.owner,
                "until": known.until.isoformat(),
            }
            for it in _excused(history)
            if (known := it.last.state.known_flaky) is not None
        ],
        "releases": [
            {"name": it.release, "commit": it.commit, "works_on": it.statement}
            for it in _releases(history)
        ],
    }
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _is_new(history: History, case: BrokenCase) -> bool:
    """Whether it broke in the newest run of its kernel."""
    first = case.first
    return first.bad.first == history.newest[first.series.kernel]


def _search(case: BrokenCase) -> dict[str, str] | None:
    """Return what `bisect` takes to find the package; None if that can't be it."""
    it = case.first
    kernel_only = {*it.causes} & {*Cause.strong()} == {Cause.KERNEL}
    if it.good is None or not kernel_only:
        return None
    good, bad = it.good.kernel, it.bad.kernel
    if not (version_of(good) and version_of(bad)):
        return None
    return {
        "case": it.series.name,
        "good": f"{good.id}@{version_of(good)}",
        "bad": f"{bad.id}@{version_of(bad)}",
    }


def version_of(kernel: DigestedKernel) -> str:
    """Return the version of a kernel's package, which ends its origin; or nothing."""
    last = kernel.image.rpartition(" ")[2]
    return last if last[:1].isdecimal() else ""


def _side(
    runs: Sequence[RunDigest], period: Period | None, *, last: bool
) -> dict[str, str] | None:
    if period is None:
        return None
    run = runs[period.last if last else period.first]
    return {
        "started": run.started.isoformat(),
        "commit": run.commit,
        "package": package(period.kernel),
        "release": period.kernel.release,
        "image_sha256": period.kernel.image_sha256,
        "object_sha256": period.state.object_sha256,
        "libbpf": period.kernel.libbpf,
    }


@cache
def _css() -> str:
    return templating.style("report.css", "history.css")


def _hash(text: str) -> str:
    """Return a hash source of a Content-Security-Policy."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
