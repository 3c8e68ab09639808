"""A history: runs in order of time, and what became of each case on each kernel."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from runner.history.digest import DigestedKernel, DigestedState, RunDigest
from runner.results import Outcome

# Branches that a history is about unless you say otherwise.
MAIN_BRANCHES = ("main", "master", "trunk")


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What decides how a case ends: with the same, it must end the same."""

    object_sha256: str
    # Only where there is no object: a test in Python, or a command.
    commit: str
    image: str
    image_sha256: str
    btf_sha256: str
    libbpf: str
    libbpf_sha256: str
    loader: str
    suites_sha256: str
    runner: str

    @property
    def are_known(self) -> bool:
        """Whether they say what was tested, and on which kernel."""
        return bool((self.object_sha256 or self.commit) and self.image_sha256)


@dataclass(kw_only=True)
class Period:
    """Runs in a row in which a case ended the same, with the same inputs."""

    # Places among the history's runs.
    first: int
    last: int
    state: DigestedState
    kernel: DigestedKernel
    inputs: Inputs

    @property
    def length(self) -> int:
        """How many runs they are."""
        return self.last - self.first + 1

    @property
    def is_bad(self) -> bool:
        """Whether the case failed, also if that is known to be flaky."""
        return self.state.outcome is Outcome.FAILED

    @property
    def is_excused(self) -> bool:
        """Whether it is a known flaky case, so that its failure does not count."""
        return self.state.is_excused

    @property
    def is_good(self) -> bool:
        """Whether the case passed."""
        return self.state.outcome is Outcome.PASSED


@dataclass(kw_only=True)
class Series:
    """A case on a kernel, from run to run."""

    suite: str
    case: str
    kernel: str
    periods: list[Period] = field(default_factory=list)
    # Milliseconds, by the run's place; without runs that gave no verdict.
    took: list[tuple[int, int]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return SUITE::CASE."""
        return f"{self.suite}::{self.case}"

    @property
    def last(self) -> Period:
        """The newest one."""
        return self.periods[-1]


@dataclass(frozen=True, kw_only=True)
class History:
    """Runs, and the series that they make."""

    runs: tuple[RunDigest, ...]
    series: tuple[Series, ...]
    # Runs that the site has, but this history is not about: of other branches.
    others: int = 0

    @cached_property
    def by_case(self) -> dict[str, list[Series]]:
        """The series of each case, by its name, on each kernel that it ran on."""
        found: dict[str, list[Series]] = {}
        for it in self.series:
            found.setdefault(it.name, []).append(it)
        return found

    @cached_property
    def newest(self) -> dict[str, int]:
        """The newest run that has each kernel, by its place."""
        return {
            kernel.id: number
            for number, run in enumerate(self.runs)
            for kernel in run.kernels
        }


def of(runs: Iterable[RunDigest], branches: Sequence[str] | None = None) -> History:
    """Return the history of some runs, the oldest first.

    `branches` are those whose runs count, all of them if it is empty. By default they
    are those of MAIN_BRANCHES; a run that names no branch and one of a release always
    count.
    """
    given = list(runs)
    wanted = MAIN_BRANCHES if branches is None else tuple(branches)
    chosen = [
        run
        for run in given
        if not wanted or not run.branch or run.release or run.branch in wanted
    ]
    return History(
        runs=tuple(chosen),
        series=tuple(_series(chosen)),
        others=len(given) - len(chosen),
    )


def _series(runs: Sequence[RunDigest]) -> list[Series]:
    found: dict[tuple[str, str, str], Series] = {}
    names = _new_names(runs)
    # The same value for what is equal, so that a comparison is one of identity.
    known: dict[object, object] = {}
    inputs: dict[tuple[object, ...], Inputs] = {}
    last: dict[tuple[str, str, str], tuple[object, ...]] = {}
    for place, run in enumerate(runs):
        kernels = [known.setdefault(_lasting(it), _lasting(it)) for it in run.kernels]
        states = [known.setdefault(it, it) for it in run.states]
        told = run.suites_sha256, run.runner, run.commit
        for it in run.cases:
            suite, case = names.get((it.suite, it.case), (it.suite, it.case))
            for at, number, took in zip(it.kernels, it.states, it.took, strict=True):
                kernel, state = kernels[at], states[number]
                assert isinstance(kernel, DigestedKernel)
                assert isinstance(state, DigestedState)
                key = suite, case, kernel.id
                series = found.get(key)
                if series is None:
                    series = found[key] = Series(
                        suite=suite, case=case, kernel=kernel.id
                    )
                if state.outcome in _VERDICTS:
                    series.took.append((place, took))
                commit = "" if state.object_sha256 else run.commit
                same = id(kernel), id(state), run.suites_sha256, run.runner, commit
                periods = series.periods
                if periods and last[key] == same and periods[-1].last == place - 1:
                    periods[-1].last = place
                    continue
                if periods and periods[-1].last == place:
                    # A case twice in a run: a former name and the new one.
                    continue
                last[key] = same
                if same not in inputs:
                    inputs[same] = _inputs(kernel, state, *told)
                periods.append(
                    Period(
                        first=place,
                        last=place,
                        state=state,
                        kernel=kernel,
                        inputs=inputs[same],
                    )
                )
    return list(found.values())


_VERDICTS = (Outcome.PASSED, Outcome.FAILED)


def _lasting(kernel: DigestedKernel) -> DigestedKernel:
    """Return a kernel without what differs from boot to boot."""
    return kernel if kernel.boot is None else kernel.model_copy(update={"boot": None})


def _inputs(
    kernel: DigestedKernel, state: DigestedState, suites: str, runner: str, commit: str
) -> Inputs:
    return Inputs(
        object_sha256=state.object_sha256,
        commit="" if state.object_sha256 else commit,
        image=kernel.image,
        image_sha256=kernel.image_sha256,
        btf_sha256=kernel.btf_sha256,
        libbpf=kernel.libbpf,
        libbpf_sha256=kernel.libbpf_sha256,
        loader=state.loader,
        suites_sha256=suites,
        runner=runner,
    )


def _new_names(runs: Sequence[RunDigest]) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the newest name of each case that was renamed, by its former ones.

    A name that a later case has taken again is its own.
    """
    found: dict[tuple[str, str], tuple[str, str]] = {}
    taken: set[tuple[str, str]] = set()
    for run in reversed(runs):
        names = {(it.suite, it.case) for it in run.cases}
        taken |= names - found.keys()
        for it in run.cases:
            for old in it.was:
                suite, _, case = old.partition("::")
                if (suite, case) not in taken:
                    name = it.suite, it.case
                    found.setdefault((suite, case), found.get(name, name))
    return found
