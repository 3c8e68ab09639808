"""When a case broke, and what changed between the last pass and the failure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from runner.history.series import History, Inputs, Period, Series
from runner.results import Outcome


class Cause(StrEnum):
    """What a break can be due to: what differs between two runs."""

    OBJECT = "object"
    KERNEL = "kernel"
    LIBBPF = "libbpf"
    LOADER = "loader"
    # Other expectations, or another version of this program that checks them.
    SUITE = "suite"
    RUNNER = "runner"

    @classmethod
    def strong(cls) -> tuple["Cause", ...]:
        """Return those that alone explain a break.

        A change of the suites' files is seldom one of this case, and a new version of
        the runner seldom one of a verdict.
        """
        return cls.OBJECT, cls.KERNEL, cls.LIBBPF, cls.LOADER


# Who has to look, by what changed; in the order of suspicion.
_WORDS = {
    Cause.OBJECT: "your change: the object is another one",
    Cause.KERNEL: "the kernel's change: its package is another one",
    Cause.LIBBPF: "libbpf's change: its version is another one",
    Cause.LOADER: "the loader's change: its version is another one",
    Cause.SUITE: "the suite's change: its files are others",
    Cause.RUNNER: "bpf-kernel-matrix's change: its version is another one",
}


@dataclass(frozen=True, kw_only=True)
class Break:
    """A case that passed on a kernel, and then failed."""

    series: Series
    # None if no run before had a pass.
    good: Period | None
    bad: Period
    # The place of the first run that passed again; None while it still fails.
    fixed: int | None = None
    # Runs between the good and the bad one that gave no verdict.
    between: int = 0

    @property
    def causes(self) -> tuple[Cause, ...]:
        """What changed, the most suspicious first; empty if nothing did."""
        if self.good is None:
            return ()
        return tuple(_differences(self.good.inputs, self.bad.inputs))

    @property
    def words(self) -> str:
        """Whose change it is, in words."""
        if self.good is None:
            return "it failed in the first run that has it"
        before, after = self.good.inputs, self.bad.inputs
        if not (before.are_known and after.are_known):
            return "not known: the results lack checksums of the object or the kernel"
        causes = self.causes
        strong = [it for it in causes if it in Cause.strong()]
        if not causes:
            return (
                "neither object, kernel nor libbpf changed: the case is flaky, or the "
                "machine differs"
            )
        shown = strong or list(causes)
        if len(shown) == 1:
            return _WORDS[shown[0]]
        parts = [_WORDS[it].partition(":")[0] for it in shown]
        return f"either {', '.join(parts[:-1])} or {parts[-1]}"


def _differences(before: Inputs, after: Inputs) -> Iterator[Cause]:
    if (before.object_sha256, before.commit) != (after.object_sha256, after.commit):
        yield Cause.OBJECT
    if (before.image_sha256, before.btf_sha256) != (
        after.image_sha256,
        after.btf_sha256,
    ):
        yield Cause.KERNEL
    if (before.libbpf, before.libbpf_sha256) != (after.libbpf, after.libbpf_sha256):
        yield Cause.LIBBPF
    if before.loader != after.loader:
        yield Cause.LOADER
    if before.suites_sha256 != after.suites_sha256:
        yield Cause.SUITE
    if before.runner != after.runner:
        yield Cause.RUNNER


def breaks(series: Series) -> list[Break]:
    """Return every break of a case on a kernel, the oldest first.

    Infrastructure errors, declared gaps and runs that were stopped give no verdict.
    """
    found: list[Break] = []
    good: Period | None = None
    bad: Period | None = None
    between = 0
    for it in series.periods:
        if it.is_good:
            if bad is not None:
                found.append(_break(series, good, bad, between, fixed=it.first))
                bad = None
            good, between = it, 0
        elif it.is_bad and bad is None:
            bad = it
        elif bad is None:
            between += it.length
    if bad is not None:
        found.append(_break(series, good, bad, between))
    return found


def _break(
    series: Series,
    good: Period | None,
    bad: Period,
    between: int,
    fixed: int | None = None,
) -> Break:
    return Break(series=series, good=good, bad=bad, between=between, fixed=fixed)


@dataclass(frozen=True, kw_only=True)
class BrokenCase:
    """Breaks of one case that began in the same run and have the same cause."""

    breaks: tuple[Break, ...]

    @property
    def first(self) -> Break:
        """The one to show."""
        return self.breaks[0]

    @property
    def kernels(self) -> tuple[str, ...]:
        """The ids of the kernels."""
        return tuple(it.series.kernel for it in self.breaks)


def broken(history: History, found: Sequence[Break]) -> list[BrokenCase]:
    """Return what fails in the newest run of its kernel, the newest break first.

    Failures of known flaky cases do not count.
    """
    groups: dict[tuple[object, ...], list[Break]] = {}
    for it in found:
        series = it.series
        now = series.last.last == history.newest[series.kernel]
        fails = series.last.is_bad and not series.last.is_excused
        if it.fixed is None and now and fails:
            good = None if it.good is None else it.good.last
            key = series.name, it.bad.first, good, it.words, it.bad.state.failure_class
            groups.setdefault(key, []).append(it)
    cases = [BrokenCase(breaks=tuple(group)) for group in groups.values()]
    return sorted(cases, key=lambda it: -it.first.bad.first)


@dataclass(frozen=True, kw_only=True)
class Flakiness:
    """A case that passed and failed on a kernel with the same inputs."""

    series: Series
    # Runs with those inputs, and how many of them failed.
    verdicts: int
    failed: int
    # Runs in which a second try was needed, because the first one lost its guest.
    retried: int
    # The place of the newest run in which it was flaky.
    last: int

    @property
    def rate(self) -> float:
        """Failures and second tries, of all runs that count."""
        return (self.failed + self.retried) / max(1, self.verdicts)


def flakiness(series: Series) -> Flakiness | None:
    """Return how flaky a case is on a kernel; None if it never was."""
    counts: dict[Inputs, list[int]] = {}
    retried, all_verdicts, last_retried = 0, 0, -1
    last: dict[Inputs, int] = {}
    for it in series.periods:
        if it.state.flaky:
            retried += it.length
            last_retried = it.last
        if it.state.outcome not in (Outcome.PASSED, Outcome.FAILED):
            continue
        all_verdicts += it.length
        if it.inputs.are_known:
            passed_failed = counts.setdefault(it.inputs, [0, 0])
            passed_failed[it.is_bad] += it.length
            last[it.inputs] = it.last
    mixed = {key: found for key, found in counts.items() if all(found)}
    if not mixed and not retried:
        return None
    return Flakiness(
        series=series,
        verdicts=sum(map(sum, mixed.values())) if not retried else all_verdicts,
        failed=sum(failed for _, failed in mixed.values()),
        retried=retried,
        last=max([last_retried, *(last[key] for key in mixed)]),
    )
