"""What must hold of a run, whatever was done to it."""

import signal
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.errors import ExitStatus, RunnerError
from runner.reports import resultsfile
from runner.reports.criteria import Criteria
from runner.results import CaseKey, Outcome, RunResults
from tests.faults import readers
from tests.faults.fault import Fault, Struck
from tests.faults.registries import REMOTE, SAME
from tests.faults.running import Ended
from tests.faults.world import World

# The case that a fault adds, whose verdict is its own.
_HOSTILE = "hostile"
# What a run that was ended from outside may end with, besides what its results say.
_ENDED = (
    ExitStatus.INFRASTRUCTURE,
    ExitStatus.INTERRUPTED,
    128 + signal.SIGTERM,
    -signal.SIGKILL,
)
# A library that gets no memory may end the program.
_WITHOUT_MEMORY = (-signal.SIGSEGV, -signal.SIGABRT)

Verdicts = Mapping[CaseKey, Outcome]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What became of a run with a fault."""

    # A column of the table: "the same verdicts", "some without a verdict", …
    outcome: str
    # What must not be, for people; empty for a run that stood it.
    wrong: tuple[str, ...]


def verdicts(results: RunResults) -> Verdicts:
    """Return what a run says of each case."""
    return {it.key: it.outcome for it in results.cases}


def judge(fault: Fault, struck: Struck, world: World, undisturbed: Verdicts) -> Judged:
    """Hold a run with a fault against one without."""
    found = read(world.reports)
    wrong = [*struck.wrong, *_ending(struck.ended, noisy=fault.noisy)]
    wrong += [f"written: {path}" for path in world.written()]
    if isinstance(found, str):
        wrong.append(found)
        return Judged(outcome="unreadable", wrong=tuple(wrong))
    wrong += _status(struck.ended, found, fault)
    if found is not None:
        wrong += readers.of_results(found)
    # Another suite may pass.
    if not fault.rewrites:
        wrong += readers.of_files(world.reports)
        if found is not None:
            wrong += _verdicts(found, undisturbed, loses=fault.loses)
    return Judged(outcome=_outcome(struck.ended, found), wrong=tuple(wrong))


def judge_next(ended: Ended, world: World, undisturbed: Verdicts) -> list[str]:
    """Hold the run that follows against one without a fault."""
    wrong = _ending(ended, noisy=False)
    found = read(world.reports)
    if not isinstance(found, RunResults):
        return [*wrong, f"the next run: {found or 'no results'}: {ended.output}"]
    if verdicts(found) != undisturbed or ended.status != ExitStatus.INCOMPATIBLE:
        wrong.append(f"the next run ended with {ended.status}: {ended.output}")
    # pytest keeps its folders for tests in Python, and removes all but the last three.
    ours = (it for it in world.temporary.iterdir() if not it.match("pytest-of-*"))
    left = [*ours, *(world.changed / "temporary").glob("*")]
    wrong += [f"left behind: {it}" for it in left if not _is_gone(it)]
    return wrong


def _is_gone(path: Path) -> bool:
    """Whether a file of an overlay marks one below it as removed."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return True
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def read(reports: Path) -> RunResults | str | None:
    """Return a run's results; None if it has none, and what is wrong with them."""
    path = reports / "results.json"
    if not path.exists():
        return None
    try:
        return resultsfile.read(path)
    except RunnerError as error:
        return f"results.json: {error}"


def _ending(ended: Ended, *, noisy: bool) -> list[str]:
    wrong = [f"it hung:\n{ended.output}"] if ended.hung else []
    wrong += [f"it still runs: {name}" for name in ended.left]
    if "Traceback" in ended.output and not noisy:
        wrong.append(f"a traceback:\n{ended.output}")
    return wrong


def _status(ended: Ended, found: RunResults | None, fault: Fault) -> list[str]:
    allowed = {int(it) for it in _ENDED}
    if fault.noisy:
        allowed |= {int(it) for it in _WITHOUT_MEMORY}
    if fault.refused:
        allowed.add(int(ExitStatus.USAGE))
    if found is None or not found.complete:
        # One case fails on purpose, and is known to before it can be written.
        allowed.add(int(ExitStatus.INCOMPATIBLE))
    if found is not None and found.complete:
        allowed.add(int(Criteria().report(found).status))
    if ended.status in allowed:
        return []
    return [f"exit status {ended.status}:\n{ended.output}"]


def _verdicts(found: RunResults, right: Verdicts, *, loses: bool) -> Iterator[str]:
    for key, outcome in verdicts(found).items():
        same = key._replace(kernel=SAME) if key.kernel == REMOTE else key
        if key.case == _HOSTILE or outcome is right.get(same):
            continue
        if outcome is not Outcome.ERROR or not loses:
            (case,) = [it for it in found.cases if it.key == key]
            yield f"{key}: {outcome}, not {right.get(key)}: {case.message}"
    if found.complete and not right.keys() <= verdicts(found).keys():
        yield "a complete run without all of its cases"


def _outcome(ended: Ended, found: RunResults | None) -> str:
    if found is None:
        return "no results"
    if not found.complete:
        return "incomplete"
    if any(it.outcome is Outcome.ERROR for it in found.cases):
        return "some without a verdict"
    return "all verdicts"
