"""What a sweep found: a table for people, Markdown, and JSON."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue
from rich.markup import escape

from runner.bisect import sweepplan
from runner.bisect.candidates import OfferedKernel
from runner.bisect.foresight import Foresight
from runner.bisect.search import Foreseen
from runner.bisect.sweepplan import PlannedBoot, SweptVerdict, SweptVersion
from runner.errors import ArtifactError, ExitStatus
from runner.kernels.artifact import Artifact
from runner.kernels.kernelimage import built
from runner.reports.support import Support, ranges
from runner.results import CaseResult, Outcome, RunResults
from runner.text.tables import print_rows

_COLUMNS = ("version", "built", "predicted", "verdict", "booted because it is")
# Failures of a version that a table shows.
_MOST_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep, after its boots."""

    row: str
    # The oldest first; so is `swept`.
    versions: tuple[OfferedKernel, ...]
    swept: tuple[SweptVersion, ...]
    # All that follows is by the versions' ids.
    artifacts: Mapping[str, Artifact | ArtifactError]
    foreseen: Mapping[str, Mapping[str, Foresight]]
    planned: Mapping[str, PlannedBoot]
    # None without a boot.
    results: RunResults | None
    verdicts: Mapping[str, SweptVerdict]

    @property
    def statement(self) -> str:
        """Which versions work, by family; without a boot, which are predicted to."""
        if self.results is None:
            told = {it.id: self._foretold(it) for it in self.swept}
            return f"predicted: {sweepplan.statement(self.swept, told)}"
        return sweepplan.statement(self.swept, self.verdicts)

    def _foretold(self, version: SweptVersion) -> SweptVerdict:
        found = {it.found for it in self.foreseen[version.id].values() if not it.gap}
        if Foreseen.REFUSED in found:
            return SweptVerdict(support=Support.FAILS)
        loads = found == {Foreseen.LOADS}
        return SweptVerdict(support=Support.WORKS if loads else Support.UNKNOWN)

    @property
    def predicted_status(self) -> ExitStatus:
        """What a sweep without a boot says."""
        found = [it for each in self.foreseen.values() for it in each.values()]
        if any(it.found is Foreseen.REFUSED for it in found):
            return ExitStatus.INCOMPATIBLE
        if any(it.unavailable for it in self.swept):
            return ExitStatus.INFRASTRUCTURE
        return ExitStatus.COMPATIBLE

    def failures(self, version: str) -> list[CaseResult]:
        """Return the failed cases of a version that was booted."""
        cases = self.results.by_kernel().get(version, ()) if self.results else ()
        return [it for it in cases if it.outcome is Outcome.FAILED]

    def refused(self, version: str) -> list[tuple[str, str]]:
        """Return the cases that are predicted to be refused, each with the reason."""
        return [
            (name, it.reason)
            for name, it in self.foreseen[version].items()
            if it.found is Foreseen.REFUSED
        ]


# ------------------------------------------------------------------------ for people


def show(sweep: Sweep) -> None:
    """Print the table and the ranges."""
    print()
    rows = [[escape(cell) for cell in row] for row in _rows(sweep)]
    print_rows(_COLUMNS, rows, whole=("version", "built"))
    for line in _failures(sweep):
        print(line)
    print(f"\n{sweep.statement}")
    print(_count(sweep))


def markdown(sweep: Sweep) -> str:
    """Return the table and the ranges as Markdown."""
    lines = [f"# Sweep of {_code(sweep.row)}", "", sweep.statement, "", _count(sweep)]
    lines += ["", f"| {' | '.join(_COLUMNS)} |", f"| {' | '.join('-' * 5)} |"]
    lines += [f"| {' | '.join(map(_code, row))} |" for row in _rows(sweep)]
    failures = _failures(sweep)
    lines += ["", *(f"- {_code(it)}" for it in failures)] if failures else []
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    """Return what comes from suites and archives as Markdown without markup."""
    safe = text.replace("`", "'").replace("|", "¦").replace("\n", " ")
    return f"`{safe}`" if safe else ""


def _count(sweep: Sweep) -> str:
    booted = len(sweep.planned)
    return f"{len(sweep.versions)} versions, {booted} booted"


def _rows(sweep: Sweep) -> list[tuple[str, ...]]:
    return [
        (
            it.version,
            _built(sweep.artifacts[it.id], it.date),
            _predicted(sweep.foreseen[it.id].values()),
            _verdict(sweep, it.id),
            _why(sweep, it.id),
        )
        for it in sweep.versions
    ]


def _built(artifact: Artifact | ArtifactError, date: str) -> str:
    if isinstance(artifact, ArtifactError):
        return date
    return built(artifact.vmlinuz.read_bytes()) or date


_ORDER = ("loads", "refused", "unknown", "gap")


def _predicted(found: Iterable[Foresight]) -> str:
    counts = _counts(found)
    return ", ".join(f"{counts[it]} {it}" for it in _ORDER if counts[it])


def _counts(found: Iterable[Foresight]) -> Counter[str]:
    return Counter(it.shown for it in found)


def _verdict(sweep: Sweep, version: str) -> str:
    verdict = sweep.verdicts[version]
    if version in sweep.planned:
        failed = len(sweep.failures(version))
        return f"{verdict.support}: {failed} failed" if failed else str(verdict.support)
    if isinstance(sweep.artifacts[version], ArtifactError):
        return "unavailable"
    if not verdict.by:
        return verdict.why
    version_of_it = verdict.by.partition("@")[2]
    return f"{verdict.support}, as {version_of_it}"


def _why(sweep: Sweep, version: str) -> str:
    boot = sweep.planned.get(version)
    return boot.words if boot else ""


def _failures(sweep: Sweep) -> list[str]:
    lines = []
    for it in sweep.versions:
        artifact = sweep.artifacts[it.id]
        if isinstance(artifact, ArtifactError):
            lines.append(artifact.message)
        failed = sweep.failures(it.id)
        for case in failed[:_MOST_SHOWN]:
            message = case.message.partition("\n")[0]
            name = f"{case.suite}::{case.case}"
            lines.append(f"{it.version}: {name}: {case.failure_class}: {message}")
        if len(failed) > _MOST_SHOWN:
            lines.append(f"{it.version}: {len(failed) - _MOST_SHOWN} more failures")
    return lines


# -------------------------------------------------------------------------- as JSON


def as_json(sweep: Sweep) -> dict[str, JsonValue]:
    """Return it for programs."""
    return {
        "schema_version": 1,
        "row": sweep.row,
        "statement": sweep.statement,
        # As reports of a run state it, of the booted versions only.
        "supported": ranges(sweep.results).statement if sweep.results else "",
        "boots": len(sweep.planned),
        "versions": [_version(sweep, it) for it in sweep.versions],
    }


def dump(result: Mapping[str, JsonValue]) -> str:
    """Return the text of the file."""
    return json.dumps(result, indent=1) + "\n"


def _version(sweep: Sweep, it: OfferedKernel) -> dict[str, JsonValue]:
    artifact, verdict = sweep.artifacts[it.id], sweep.verdicts[it.id]
    there = isinstance(artifact, Artifact)
    return {
        "kernel": it.id,
        "version": it.version,
        "package": it.package,
        "release": artifact.release if isinstance(artifact, Artifact) else "",
        "built": _built(artifact, it.date),
        "unavailable": "" if there else verdict.why,
        "predicted": dict(_counts(sweep.foreseen[it.id].values())),
        "refused": [
            {"case": name, "reason": reason} for name, reason in sweep.refused(it.id)
        ],
        "booted": it.id in sweep.planned,
        "why": _why(sweep, it.id),
        "verdict": str(verdict.support),
        "by": verdict.by,
        "failures": [
            {
                "case": f"{case.suite}::{case.case}",
                "class": case.failure_class,
                "message": case.message,
            }
            for case in sweep.failures(it.id)
        ],
    }
