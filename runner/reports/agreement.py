"""What kernels agree about: decided when all of them have given their rows.

A run decides it in its end, and a merge again, from what the parts have. So what a case
came to on its own is kept, and deciding twice changes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from runner.failures.classes import (
    KERNELS_DISAGREE,
    NOTHING_TO_AGREE_WITH,
    UNEXPECTED_PASS,
)
from runner.reports.loads import LoadDifference
from runner.reports.text import one_line
from runner.results import (
    Agreement,
    CaseKey,
    CaseResult,
    CaseVerdict,
    FoundRows,
    Match,
    Mismatch,
    Outcome,
    RunResults,
)
from runner.suites.checks import leaves, rowdiff
from runner.suites.checks.text import listing, match, show

# Characters of another kernel's reason.
_REASON = 80


@dataclass(frozen=True, kw_only=True, eq=False)
class SameRows:
    """Kernels that gave the same rows for an expectation."""

    kernels: tuple[str, ...]
    found: FoundRows

    def __str__(self) -> str:
        return in_words(self.kernels)


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """An expectation for which kernels gave different rows."""

    # Those that are right as far as anybody knows; None if no majority says so.
    reference: SameRows | None
    # All groups, in the order of their first kernels.
    groups: tuple[SameRows, ...]
    # The kernels in the order of the matrix.
    order: tuple[str, ...]

    @property
    def subject(self) -> str:
        """What was compared."""
        return self.groups[0].found.subject

    @property
    def odd(self) -> tuple[str, ...]:
        """The kernels that differ from the reference, or all without one."""
        return tuple(
            it
            for group in self.groups
            if group is not self.reference
            for it in group.kernels
        )

    def mismatches(self, kernel: str) -> list[Mismatch]:
        """Return how a kernel differs from the others."""
        own = next(it for it in self.groups if kernel in it.kernels)
        other = self.reference or next(it for it in self.groups if it is not own)
        return _differences(other, own)

    def __str__(self) -> str:
        """Return who agrees, who does not, and the first difference."""
        base = self.reference or self.groups[0]
        others = [it for it in self.groups if it is not base]
        first = _differences(base, others[0])[:1]
        where = "".join(f": {_place(it)}" for it in first)
        return f"{self.subject}: {self._who(base, others)}{where}{self._boundary()}"

    def _who(self, base: SameRows, others: Sequence[SameRows]) -> str:
        if self.reference is not None:
            verb = "agree" if len(base.kernels) > 1 else "is what others must be like"
            differs = "differs" if len(self.odd) == 1 else "differ"
            return f"{base} {verb}; {in_words(self.odd)} {differs}"
        if all(len(it.kernels) == 1 for it in self.groups):
            return f"no two of {in_words(self.odd)} agree"
        return f"no majority: {'; '.join(map(_alike, [base, *others]))}"

    def _boundary(self) -> str:
        """Return between which kernels it changes, if it does so once."""
        order = {it: number for number, it in enumerate(self.order)}
        first, *others = sorted(
            (sorted(it.kernels, key=order.__getitem__) for it in self.groups),
            key=lambda kernels: order[kernels[0]],
        )
        if len(others) != 1 or order[first[-1]] > order[others[0][0]]:
            return ""
        return f"; it changes between {first[-1]} and {others[0][0]}"


def in_words(kernels: Sequence[str]) -> str:
    """Return "5.10, 6.1 and 6.12"."""
    *most, last = kernels
    return f"{', '.join(most)} and {last}" if most else last


def filled(subject: str) -> str:
    """Return what to do about something that holds nothing."""
    if subject.startswith("value "):
        what = subject.removeprefix("value ")
        return f"let the case do something that {what} shows"
    return (
        f"add a trigger that makes the program fill {subject}; if it must be empty, "
        "expect `rows: []`"
    )


def judged(results: RunResults) -> RunResults:
    """Return a run in which the cases that compare kernels have ended."""
    cases = [_alone_again(it) for it in results.cases]
    compared: dict[tuple[str, str], list[CaseResult]] = {}
    for case in cases:
        if is_waiting(case):
            compared.setdefault((case.suite, case.case), []).append(case)
    if not compared:
        return results
    ended: dict[CaseKey, CaseResult] = {}
    for members in compared.values():
        for case in _CaseOnKernels(results, members).ended():
            ended[case.key] = case
    # Made without validation: nothing else changes.
    return results.model_copy(
        update={"cases": tuple(ended.get(it.key, it) for it in cases)}
    )


def differences(results: RunResults) -> list[LoadDifference]:
    """Return what differs by kernel, value by value, in the order of the cases."""
    found: list[LoadDifference] = []
    compared: dict[tuple[str, str], list[CaseResult]] = {}
    for case in map(_alone_again, results.cases):
        if is_waiting(case):
            compared.setdefault((case.suite, case.case), []).append(case)
    for (suite, name), members in compared.items():
        comparison = _CaseOnKernels(results, members)
        for disagreement in comparison.disagreements.values():
            found += _by_value(f"{suite}::{name}", disagreement)
    return found


def _by_value(name: str, disagreement: Disagreement) -> Iterator[LoadDifference]:
    base = disagreement.reference or disagreement.groups[0]
    # Place → what a group has there, if it is not what the base has.
    others: dict[str, dict[SameRows, str]] = {}
    own: dict[str, str] = {}
    for group in disagreement.groups:
        if group is base:
            continue
        for it in rowdiff.differences(
            disagreement.subject, base.found.rows, group.found.rows
        ):
            own.setdefault(it.where, it.expected)
            others.setdefault(it.where, {})[group] = it.observed
    states: dict[str, dict[str, list[str]]] = {}
    for where, observed in others.items():
        for group in disagreement.groups:
            state = observed.get(group, own[where])
            by_kernel = states.setdefault(where, {})
            by_kernel.setdefault(state, []).extend(group.kernels)
    for where, by_state in states.items():
        yield LoadDifference(
            case=name,
            subject=one_line(where),
            states={one_line(it): on for it, on in by_state.items()},
        )


def _place(mismatch: Mismatch) -> str:
    where = mismatch.where.removeprefix(mismatch.subject).strip()
    return f"{where}: {mismatch.expected}, {mismatch.observed}".removeprefix(": ")


def _alike(group: SameRows) -> str:
    if len(group.kernels) == 1:
        return f"{group} has its own rows"
    return f"{group} have the same"


def _differences(base: SameRows, other: SameRows) -> list[Mismatch]:
    """Return how a group differs from another, with the kernels that have each."""
    found = rowdiff.differences(
        base.found.subject, base.found.rows, other.found.rows
    ) or [
        # What differs is in the rows that are not kept.
        Mismatch(
            subject=base.found.subject,
            expected=f"rows of checksum {base.found.sha256[:12]}",
            observed=f"rows of checksum {other.found.sha256[:12]}",
        )
    ]
    return [
        it.model_copy(
            update={
                "expected": f"{it.expected} on {base}",
                "observed": f"{it.observed} on {other}",
            }
        )
        for it in found
    ]


def is_waiting(case: CaseResult) -> bool:
    """Whether a case has given something that kernels must agree about.

    Until they are compared, it has passed on its own only.
    """
    found = case.agreement.found if case.agreement else ()
    return any(not it.file for it in found)


def _alone_again(case: CaseResult) -> CaseResult:
    """Return a case as it ended on its own kernel."""
    if case.agreement is None or case.agreement.own is None:
        return case
    agreement = case.agreement.model_copy(update={"own": None})
    return case.model_copy(update={**dict(case.agreement.own), "agreement": agreement})


class _CaseOnKernels:
    """A case on all kernels that have rows of it."""

    def __init__(self, results: RunResults, members: Sequence[CaseResult]) -> None:
        self._results = results
        self._members = members
        self._required = {it.id for it in results.kernels if it.required}
        order = [it.id for it in results.kernels]
        self._cases = {
            it.kernel: it
            for it in sorted(members, key=lambda case: order.index(case.kernel))
        }
        self._found: dict[int, dict[str, FoundRows]] = {}
        for kernel, case in self._cases.items():
            for rows in _agreement(case).found:
                if not rows.file:
                    self._found.setdefault(rows.expectation, {})[kernel] = rows
        self._is_one_suite = len({_agreement(it).case_sha256 for it in members}) == 1
        self.disagreements: dict[int, Disagreement] = {}
        if self._is_one_suite:
            found = {it: self._disagreement(self._found[it]) for it in self._found}
            self.disagreements = {
                number: it for number, it in found.items() if it is not None
            }

    def ended(self) -> Iterator[CaseResult]:
        """Return each kernel's result, with how it ended by itself if that changed."""
        for kernel, case in self._cases.items():
            verdict = self._verdict(kernel, case)
            if verdict is None:
                yield case
                continue
            agreement = _agreement(case).model_copy(update={"own": _own(case)})
            yield case.model_copy(update={**verdict, "agreement": agreement})

    def _verdict(self, kernel: str, case: CaseResult) -> Mapping[str, object] | None:
        """Return what changes of a case; None if nothing does."""
        own = {it for it, found in self._found.items() if kernel in found}
        wrong = [it for it in self._disagreeing(kernel) if it in own]
        if case.outcome is Outcome.FAILED and wrong:
            return self._also(kernel, case, wrong)
        if case.outcome is not Outcome.PASSED:
            return None
        if wrong:
            return self._disagrees(kernel, case, wrong, len(own))
        empty = [it for it in sorted(own) if self._is_empty(it)]
        if empty:
            return self._empty(empty[0])
        alone = [it for it in sorted(own) if not self._is_compared(it)]
        if alone:
            return self._alone(kernel, case, alone, len(own))
        declared = _agreement(case).declared
        if declared:
            return _failed(
                UNEXPECTED_PASS.name,
                "agrees with the other kernels, but the suite declares that it does "
                f"not: {KERNELS_DISAGREE.name} ({declared})",
                UNEXPECTED_PASS.cure,
            )
        return {
            "checked": case.checked + len(own),
            "matches": (*case.matches, *map(self._match, sorted(own))),
        }

    # ------------------------------------------------------------- majorities

    def _disagreement(self, found: Mapping[str, FoundRows]) -> Disagreement | None:
        by_rows: dict[str, list[str]] = {}
        for kernel, rows in found.items():
            by_rows.setdefault(rows.sha256, []).append(kernel)
        if len(by_rows) < 2:
            return None
        groups = tuple(
            SameRows(kernels=tuple(kernels), found=found[kernels[0]])
            for kernels in by_rows.values()
        )
        voters = self._voters(list(found))
        majority = (
            it
            for it in groups
            if 2 * sum(kernel in voters for kernel in it.kernels) > len(voters)
        )
        return Disagreement(
            reference=next(majority, None), groups=groups, order=tuple(self._cases)
        )

    def _voters(self, kernels: Sequence[str]) -> Sequence[str]:
        """Return the kernels that decide: not those that are declared to differ.

        Kernels that are not required decide only where no other does.
        """
        undeclared = [it for it in kernels if not _agreement(self._cases[it]).declared]
        required = [it for it in undeclared if it in self._required]
        return required or undeclared or kernels

    def _disagreeing(self, kernel: str) -> list[int]:
        return [
            number
            for number, it in sorted(self.disagreements.items())
            if kernel in it.odd
        ]

    def _is_compared(self, number: int) -> bool:
        return self._is_one_suite and len(self._found[number]) > 1

    def _is_empty(self, number: int) -> bool:
        found = self._found[number].values()
        nothing = all(
            not leaves.has_compared(it.rows) and not it.left_out for it in found
        )
        return nothing or bool(self._missing(number))

    def _missing(self, number: int) -> list[str]:
        """Return the keys of `show` that no kernel has: they may be mistyped."""
        first, *others = [it.missing for it in self._found[number].values()]
        found = [it for it in first if all(it in missing for missing in others)]
        return found if others else []

    # --------------------------------------------------------------- verdicts

    def _disagrees(
        self, kernel: str, case: CaseResult, wrong: Sequence[int], compared: int
    ) -> Mapping[str, object]:
        agreement = _agreement(case)
        message = "; ".join(str(self.disagreements[it]) for it in wrong)
        if agreement.declared:
            declared = f"{KERNELS_DISAGREE.name} ({agreement.declared})"
            return {
                "outcome": Outcome.SKIPPED if agreement.gap else Outcome.PASSED,
                "message": f"fails as declared: {declared}",
                "failure_class": KERNELS_DISAGREE.name,
                "checked": 1,
            }
        advice = "".join(f"; {it}" for it in self._advice(wrong))
        return {
            **_failed(KERNELS_DISAGREE.name, message, KERNELS_DISAGREE.cure + advice),
            "mismatches": self._mismatches(kernel, wrong),
            "checked": case.checked + compared,
        }

    def _also(
        self, kernel: str, case: CaseResult, wrong: Sequence[int]
    ) -> Mapping[str, object]:
        """Return what a case has failed of, with what else is wrong."""
        message = "; ".join(str(self.disagreements[it]) for it in wrong)
        return {
            "message": f"{case.message}; also, {message}",
            "mismatches": (*case.mismatches, *self._mismatches(kernel, wrong)),
        }

    def _mismatches(self, kernel: str, wrong: Sequence[int]) -> tuple[Mismatch, ...]:
        return tuple(
            mismatch
            for it in wrong
            for mismatch in self.disagreements[it].mismatches(kernel)
        )

    def _advice(self, wrong: Sequence[int]) -> Iterator[str]:
        """Return which paths hold a known number on every kernel that was compared."""
        for number in wrong:
            found = list(self._found[number].values())
            for path, name in found[0].unnamed.items():
                if all(it.unnamed.get(path) == name for it in found):
                    yield (
                        f"{path} is ${{{name}}} on each of them: add `normalise: "
                        f"{{{path}: pid}}`"
                    )

    def _match(self, number: int) -> Match:
        found = self._found[number]
        rows = next(iter(found.values())).rows
        words = f"the same on {in_words([*found])}"
        return match(self._subject(number), words, show(list(rows)))

    def _subject(self, number: int) -> str:
        return next(iter(self._found[number].values())).subject

    def _empty(self, number: int) -> Mapping[str, object]:
        missing = ", ".join(self._missing(number))
        subject = self._subject(number)
        why = f"bpftool shows no {missing}" if missing else "no kernel gave anything"
        cure = f"take {missing} out of `show`" if missing else filled(subject)
        return _failed(
            NOTHING_TO_AGREE_WITH.name,
            f"{subject}: nothing to compare, because {why}",
            cure,
        )

    def _alone(
        self, kernel: str, case: CaseResult, alone: Sequence[int], own: int
    ) -> Mapping[str, object]:
        """Return the verdict on what no other kernel was compared with."""
        why = self._why_alone(kernel)
        notes = tuple(
            f"{self._found[it][kernel].subject}: agree: {why}" for it in alone
        )
        checked = case.checked + own - len(alone)
        more = {"not_available": (*case.not_available, *notes)}
        if not self._is_one_suite or (self._is_final and not checked):
            failed = _failed(
                NOTHING_TO_AGREE_WITH.name, why, NOTHING_TO_AGREE_WITH.cure
            )
            return {**failed, **more, "checked": checked}
        message = f"not compared with other kernels: {why}"
        if not checked:
            return {
                **_failed(
                    NOTHING_TO_AGREE_WITH.name, message, NOTHING_TO_AGREE_WITH.cure
                ),
                **more,
                "outcome": Outcome.SKIPPED,
            }
        if case.message:
            message = f"{case.message}; {message}"
        return {**more, "message": message, "checked": checked}

    @property
    def _is_final(self) -> bool:
        """Whether more kernels would not help: no other of the matrix can run it."""
        results = self._results
        if not results.selection.all_kernels or results.shard is not None:
            return False
        others = self._others()
        return all(
            it is not None and it.outcome is Outcome.SKIPPED for it in others.values()
        )

    def _others(self) -> dict[str, CaseResult | None]:
        """Return the other kernels' results; None for those that have none."""
        first = self._members[0]
        there = {
            it.kernel: it
            for it in self._results.cases
            if (it.suite, it.case) == (first.suite, first.case)
        }
        planned = [
            it.kernel
            for it in self._results.plan
            if (it.suite, it.case) == (first.suite, first.case)
        ]
        return {it: there.get(it) for it in planned if it not in self._cases}

    def _why_alone(self, kernel: str) -> str:
        shard = self._results.shard
        if not self._is_one_suite:
            return (
                f"{in_words([*self._cases])} can't be compared, because the case "
                "is not the same in all parts of the run"
            )
        if shard is not None and len(shard.planned) > 1:
            return f"this is shard {shard}; `merge` compares the kernels of all shards"
        others = self._others()
        if not others and len(self._cases) == 1:
            return f"{kernel} is the only kernel of this run; run more (--kernels all)"
        reasons = [f"{it}: {_reason(case)}" for it, case in others.items()]
        reasons += [f"{it}: it does not tell" for it in self._cases if it != kernel]
        return f"no other kernel gave anything ({listing(reasons)})"


def _agreement(case: CaseResult) -> Agreement:
    assert case.agreement is not None
    return case.agreement


def _own(case: CaseResult) -> CaseVerdict:
    return CaseVerdict(**{it: getattr(case, it) for it in CaseVerdict.model_fields})


def _failed(name: str, message: str, cure: str) -> dict[str, object]:
    return {
        "outcome": Outcome.FAILED,
        "message": message,
        "failure_class": name,
        "cure": cure,
    }


def _reason(case: CaseResult | None) -> str:
    if case is None:
        return "did not run, because the run ended before"
    words = one_line(case.message) or case.failure_class
    words = words if len(words) <= _REASON else f"{words[: _REASON - 1]}…"
    return f"{case.outcome}: {words}"
