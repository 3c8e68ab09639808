"""What preflight said of a run before it booted, and what it could not say."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from runner.results import CaseResult, PredictedFinding, RunResults

# What a finding's effect means to who reads a report; what keeps an object from loading
# is told as a failure.
_UNKNOWN = "unknown"
_WORDS = {
    "wrong_value": "warning",
    "not_attached": "can't be attached",
    _UNKNOWN: "unknown",
}


@dataclass(frozen=True, kw_only=True)
class SaidAlike:
    """Something that is said alike of several results."""

    text: str
    # In the order of the run.
    cases: tuple[CaseResult, ...]

    @property
    def kernels(self) -> list[str]:
        """The ids of the kernels."""
        return list(dict.fromkeys(it.kernel for it in self.cases))

    @property
    def names(self) -> list[str]:
        """Return SUITE::CASE of each case."""
        return list(dict.fromkeys(f"{it.suite}::{it.case}" for it in self.cases))


@dataclass(frozen=True, kw_only=True)
class ToldFinding(SaidAlike):
    """A finding that the suite does not accept, with the results that it is about."""

    finding: PredictedFinding

    @property
    def file(self) -> str:
        """The path of its source, as far as results tell; or nothing."""
        name = self.finding.source.rpartition(":")[0]
        path = self.cases[0].source_path
        same = PurePosixPath(path).name == PurePosixPath(name).name
        return path if same else name

    @property
    def line(self) -> int:
        """Its line of source, or the first one."""
        line = self.finding.source.rpartition(":")[2]
        return max(1, int(line)) if line.isdecimal() else 1


def words(finding: PredictedFinding) -> str:
    """Return "warning: probe.bpf.c:12: …": what comes of it, where, and why."""
    place = finding.source or finding.program
    effect = _WORDS.get(finding.effect, "is not loaded")
    return f"{effect}: {f'{place}: ' if place else ''}{finding.reason}"


def findings(results: RunResults) -> list[ToldFinding]:
    """Return what reads wrong or can't be attached, and is not accepted, each once."""
    alike: dict[PredictedFinding, list[CaseResult]] = {}
    for case in results.cases:
        for it in dict.fromkeys(case.findings):
            if it.effect in _WORDS and not it.accepted:
                alike.setdefault(it, []).append(case)
    return [
        ToldFinding(text=words(it), finding=it, cases=tuple(cases))
        for it, cases in alike.items()
    ]


def not_predicted(results: RunResults) -> list[SaidAlike]:
    """Return why there is no prediction, each reason with the results without one."""
    return by_text(results.cases, lambda it: filter(None, [it.not_predicted]))


def not_known(results: RunResults) -> list[SaidAlike]:
    """Return what objects need and nobody knows whether the kernels have it."""
    return by_text(results.cases, lambda it: it.not_known)


def by_text(
    cases: Iterable[CaseResult], texts: Callable[[CaseResult], Iterable[str]]
) -> list[SaidAlike]:
    """Return each text once, with the results that it is said of."""
    found: dict[Hashable, list[CaseResult]] = {}
    for case in cases:
        for text in dict.fromkeys(texts(case)):
            found.setdefault(text, []).append(case)
    return [
        SaidAlike(text=str(text), cases=tuple(some)) for text, some in found.items()
    ]


def counts(results: RunResults) -> str:
    """Return "1 warning, 2 cases not predicted, 3 needs not known", or nothing."""
    told = findings(results)
    unfollowed = sum(it.finding.effect == _UNKNOWN for it in told)
    warned = len(told) - unfollowed
    unpredicted = sum(bool(it.not_predicted) for it in results.cases)
    unknown = sum(len(it.kernels) for it in not_known(results))
    parts = (
        (warned, "warning", "warnings"),
        (unfollowed, "object not followed", "objects not followed"),
        (unpredicted, "case not predicted", "cases not predicted"),
        (unknown, "need not known", "needs not known"),
    )
    return ", ".join(f"{n} {one if n == 1 else more}" for n, one, more in parts if n)


def lines(case: CaseResult) -> Iterator[str]:
    """Yield all that preflight said of a case, a line each."""
    if case.predicted:
        yield f"predicted: {case.predicted}"
    if case.not_predicted:
        yield f"not predicted: {case.not_predicted}"
    for it in case.not_known:
        yield f"not known: {it}"
    for found in case.findings:
        accepted = " (accepted)" if found.accepted else ""
        cure = f"; {found.cure}" if found.cure else ""
        yield f"{words(found)}{cure}{accepted}"
