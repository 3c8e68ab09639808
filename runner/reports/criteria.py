"""What a run is compared with: an earlier run, a gate, the name of a release."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from runner.errors import ExitStatus, UsageError
from runner.reports import costs, flaky, release, resultsfile
from runner.reports.compare import Comparison, Gate, compare, gate_status
from runner.reports.costs import CostLimits
from runner.reports.flaky import FlakyList
from runner.reports.release import Release
from runner.reports.text import clean
from runner.results import RunResults

# What --gate takes besides a Gate.
_COST = "cost"
# A release's name stands in headings.
_LONGEST_NAME = 100


@dataclass(frozen=True, kw_only=True)
class Report:
    """A run with all that its reports say about it."""

    results: RunResults
    # What results.json has: without what the criteria make of costs.
    measured: RunResults | None = None
    comparison: Comparison | None = None
    release: Release | None = None
    gate: Gate = Gate.ALL

    @cached_property
    def status(self) -> ExitStatus:
        """What the gate says."""
        return gate_status(self.results, self.gate, self.comparison)


@dataclass(frozen=True, kw_only=True)
class Criteria:
    """What the command line holds runs against; by itself, nothing."""

    baseline: RunResults | None = None
    gate: Gate = Gate.ALL
    # With --gate cost; otherwise costs fail nothing.
    costs: CostLimits | None = None
    # Empty when the run is for no release.
    release: str = ""
    # Failures that do not count, until a day.
    flaky: FlakyList | None = None
    # Whether gates accept cases of the baseline that are gone, and new ones that fail.
    allow_vanished: bool = False
    allow_new_failures: bool = False

    @classmethod
    def read(
        cls,
        *,
        baseline: Path | None,
        gate: str | None,
        release: str | None,
        limits: CostLimits | None = None,
        flaky: Path | None = None,
        allow_vanished: bool = False,
        allow_new_failures: bool = False,
    ) -> Self:
        """Return what these options say.

        Raises UsageError for a baseline that holds no run or only a part of one, for a
        gate that needs one, for a name that is none, and for a list of flaky cases
        with mistakes.
        """
        chosen, costs_count = gates_of(gate)
        if limits is not None and not costs_count:
            raise UsageError(
                "--cost-limit and --cost-growth do nothing without --gate cost",
                hint="add cost to the gate: --gate all,cost or --gate regressions,cost",
            )
        if chosen is Gate.REGRESSIONS and baseline is None:
            raise UsageError(
                "--gate regressions requires --baseline FILE",
                hint="use --baseline with the results.json of an earlier run",
            )
        if release is not None and not _is_name(release):
            raise UsageError(
                f"--release {release!r}: use one line of at most {_LONGEST_NAME} "
                "characters",
                hint='such as --release "v1.2"',
            )
        earlier = None if baseline is None else resultsfile.read(baseline)
        if earlier is not None and not earlier.cases:
            raise UsageError(
                f"--baseline {baseline}: it contains no cases",
                hint="use the results.json of a run that checked something",
            )
        if earlier is not None and not earlier.complete:
            number = len(earlier.cases)
            raise UsageError(
                f"--baseline {baseline}: that run was stopped before all of its cases "
                f"were done; it has {number} case{'' if number == 1 else 's'}",
                hint="use the results.json of a completed run, or repeat that run",
            )
        if costs_count and earlier is not None and not costs.has_any(earlier):
            raise UsageError(
                f"--baseline {baseline}: no program in it has a cost, so growth can't "
                "be judged",
                hint="use a run made with this version, on kernels from 5.2 on",
            )
        return cls(
            baseline=earlier,
            gate=chosen,
            costs=limits or CostLimits() if costs_count else None,
            release=release or "",
            flaky=None if flaky is None else FlakyList.read(flaky),
            allow_vanished=allow_vanished,
            allow_new_failures=allow_new_failures,
        )

    def report(self, results: RunResults) -> Report:
        """Hold a run against them."""
        if self.release:
            results = results.model_copy(update={"release": self.release})
        results = (
            flaky.aged(results) if self.flaky is None else self.flaky.marked(results)
        )
        judged, baseline = results, self.baseline
        if self.costs is not None:
            judged = costs.judged(results, self.costs, baseline)
        if self.costs is not None and baseline is not None:
            # What was near the limit before is no regression.
            baseline = costs.judged(baseline, self.costs, None)
        comparison = self._comparison(judged, baseline)
        return Report(
            results=judged,
            measured=results,
            comparison=comparison,
            release=(
                release.facts(judged, self.release, comparison, baseline)
                if self.release
                else None
            ),
            gate=self.gate,
        )

    def _comparison(
        self, results: RunResults, baseline: RunResults | None
    ) -> Comparison | None:
        if baseline is None:
            return None
        return compare(
            baseline,
            results,
            allow_vanished=self.allow_vanished,
            allow_new_failures=self.allow_new_failures,
        )


def gates_of(words: str | None) -> tuple[Gate, bool]:
    """Return what --gate means: which failures count, and whether costs make some.

    Costs come on top: "cost" is "all,cost". Raises UsageError for other words.
    """
    chosen = {it.strip() for it in (Gate.ALL if words is None else words).split(",")}
    known = {*map(str, Gate), _COST}
    for word in sorted(chosen - known):
        raise UsageError(
            f"--gate {words}: there is no gate {word!r}",
            hint="use all, regressions or cost, or two of them: regressions,cost",
        )
    failures = chosen - {_COST}
    if len(failures) > 1:
        raise UsageError(
            f"--gate {words}: all and regressions exclude each other",
            hint="regressions fails less than all",
        )
    return Gate(failures.pop() if failures else Gate.ALL), _COST in chosen


def _is_name(text: str) -> bool:
    return (
        bool(text.strip())
        and text == clean(text).replace("\n", "")
        and (len(text) <= _LONGEST_NAME)
    )
