"""`--update`: writes what cases record, as far as the kernels agree about it."""

import difflib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from runner.errors import InfrastructureError, UsageError, file_errors
from runner.failures.classes import KERNELS_DISAGREE, RECORD_MISSING, FailureClass
from runner.files import whole, yamlfile
from runner.reports.agreement import filled, in_words
from runner.results import CaseKey, CaseResult, FoundRows, Outcome, RunResults
from runner.run.settings import Settings
from runner.suites import recordfile
from runner.suites.checks import leaves, rowdiff
from runner.suites.checks.normal import MOST_ROWS, canonical
from runner.suites.recordfile import RecordFile

_OFF = ("", "0", "false", "no")
_ONE_KERNEL = "choose one that you trust: --update --kernels"
_LESS = "record less: one `field`, without what `ignore` lists, or after fewer triggers"


@dataclass(frozen=True, kw_only=True)
class Update:
    """A file of recorded rows, and what became of it."""

    # As the user would name it.
    file: str
    state: Literal["new", "changed", "unchanged", "not written"]
    # From which kernels, or why not.
    why: str
    # What changed, as lines of a unified diff.
    diff: Sequence[str] = ()
    # What to do about a file that is not written.
    cure: str = ""

    def lines(self) -> Iterator[str]:
        """Yield what a user sees of it."""
        yield f"{self.state}: {self.file}: {self.why}"
        if self.cure:
            yield f"    {self.cure}"
        for line in self.diff:
            yield f"    {line}"


@dataclass(frozen=True, kw_only=True)
class _Obstacle:
    """Why a file can't be written, and what to do about it."""

    why: str
    cure: str
    failure: FailureClass = RECORD_MISSING


@dataclass(frozen=True, kw_only=True)
class Updated:
    """A run after its records were written."""

    results: RunResults
    updates: Sequence[Update]


def refuse_unreviewed(settings: Settings, environment: Mapping[str, str]) -> None:
    """Raise UsageError for an --update that nobody could review."""
    if not settings.update:
        return
    if environment.get("CI", "").lower() not in _OFF:
        raise UsageError(
            "--update does not work in CI, where nobody reviews what it writes",
            hint="run it on your machine and commit the files; a job that opens a pull "
            "request with them unsets CI: `env -u CI …`",
        )
    if settings.part is not None:
        raise UsageError(
            "--update does not work with --shard: no part knows what all kernels give",
            hint="run it on one machine: --update --kernels 6.1",
        )


def update(results: RunResults, folder_of: Callable[[CaseResult], Path]) -> Updated:
    """Write the records of all cases that passed, and fail those that can't be.

    `folder_of` returns the folder of a case's suite. Every file is there whole or not
    at all.
    """
    updates: list[Update] = []
    ended: dict[CaseKey, CaseResult] = {}
    for path, found in _by_file(results, folder_of).items():
        record = _Record(results, path, found)
        done = record.written()
        if isinstance(done, _Obstacle):
            ended |= {it.key: it for it in record.failed(done)}
            done = Update(
                file=record.shown, state="not written", why=done.why, cure=done.cure
            )
        updates.append(done)
    cases = tuple(ended.get(it.key, it) for it in results.cases)
    return Updated(results=results.model_copy(update={"cases": cases}), updates=updates)


_Found = list[tuple[CaseResult, FoundRows]]


def _by_file(
    results: RunResults, folder_of: Callable[[CaseResult], Path]
) -> dict[Path, _Found]:
    found: dict[Path, _Found] = {}
    for case in results.cases:
        for rows in case.agreement.found if case.agreement else ():
            if rows.file:
                path = folder_of(case) / rows.file
                found.setdefault(path, []).append((case, rows))
    return found


class _Record:
    """A file, and what the kernels gave for it."""

    def __init__(self, results: RunResults, path: Path, found: _Found) -> None:
        self._results = results
        self._path = path
        self._found = found
        self.shown = os.path.relpath(path)

    def written(self) -> Update | _Obstacle:
        """Write the file, unless something speaks against it."""
        obstacle = self._obstacle()
        if obstacle is not None:
            return obstacle
        case, rows = self._found[0]
        kernels = self._kernels()
        new = RecordFile(
            case=f"{case.suite}::{case.case}",
            subject=rows.subject,
            kernel=", ".join(
                f"{it.id} ({it.release})"
                for it in self._results.kernels
                if it.id in kernels
            ),
            rows=rows.rows,
        )
        old = self._old()
        why = f"{_counted(len(new.rows))} from {in_words(kernels)}"
        if old is not None and _same(old.rows, new.rows):
            return Update(file=self.shown, state="unchanged", why=why)
        data = recordfile.text(new).encode()
        if len(data) > yamlfile.LARGEST:
            why = f"it would be larger than {yamlfile.LARGEST >> 20} MiB"
            return _Obstacle(why=why, cure=_LESS)
        try:
            with file_errors(InfrastructureError, f"{self.shown} can't be written"):
                whole.write(self._path, data, mode=0o644)
        except InfrastructureError as error:
            cure = error.hint or "see to it that the file can be written, and run again"
            return _Obstacle(why=error.message, cure=cure)
        return Update(
            file=self.shown,
            state="new" if old is None else "changed",
            why=f"{why}; review it",
            diff=list(_diff(() if old is None else old.rows, new.rows)),
        )

    def failed(self, obstacle: _Obstacle) -> Iterator[CaseResult]:
        """Return the cases of a file that is not written, which must not be green."""
        for case, _ in self._found:
            if case.outcome is Outcome.PASSED:
                yield case.model_copy(
                    update={
                        "outcome": Outcome.FAILED,
                        "message": f"{self.shown} was not written: {obstacle.why}",
                        "failure_class": obstacle.failure.name,
                        "cure": obstacle.cure,
                    }
                )

    def _kernels(self) -> list[str]:
        return list(dict.fromkeys(case.kernel for case, _ in self._found))

    def _obstacle(self) -> _Obstacle | None:
        """Return why the file can't be written; None if it can."""
        return (
            self._misplaced() or self._unfit() or self._unfinished() or self._disputed()
        )

    def _misplaced(self) -> _Obstacle | None:
        why = ""
        suite = self._path.parents[len(Path(self._found[0][1].file).parts) - 1]
        if self._path.is_symlink() or self._path.is_dir():
            why = "it is not a file of its own, but a link or a folder"
        elif not self._path.parent.resolve().is_relative_to(suite.resolve()):
            why = "a link leads out of the suite's folder"
        cure = "remove the link or folder, or name another file in `record`"
        return _Obstacle(why=why, cure=cure) if why else None

    def _unfit(self) -> _Obstacle | None:
        """Return why the rows are not fit to be recorded."""
        first = self._found[0][1]
        if first.missing:
            missing = ", ".join(first.missing)
            cure = f"take {missing} out of `show`, or record on a kernel that shows it"
            return _Obstacle(why=f"bpftool shows no {missing}", cure=cure)
        if not first.left_out and not leaves.has_compared(first.rows):
            why = f"{first.subject} holds nothing to record"
            return _Obstacle(why=why, cure=filled(first.subject))
        left_out = max(rows.left_out for _, rows in self._found)
        if not left_out:
            return None
        why = (
            f"there are {_counted(left_out)} more than the {MOST_ROWS}, or the "
            "256 KiB, that a file to review may hold"
        )
        return _Obstacle(why=why, cure=_LESS)

    def _unfinished(self) -> _Obstacle | None:
        """Return which kernels did not get to the end of the case."""
        names = {(case.suite, case.case) for case, _ in self._found}
        fine = (Outcome.PASSED, Outcome.SKIPPED)
        bad = [
            f"{it.kernel} ({it.failure_class or it.outcome})"
            for it in self._results.cases
            if (it.suite, it.case) in names and it.outcome not in fine
        ]
        bad += [
            f"{it.kernel} (did not run)"
            for it in self._results.undone
            if (it.suite, it.case) in names
        ]
        if not bad:
            return None
        return _Obstacle(
            why=f"the case did not pass on {', '.join(dict.fromkeys(bad))}",
            cure="make it pass there, or leave these kernels out: --update --kernels "
            f"{self._kernels()[0]}",
        )

    def _disputed(self) -> _Obstacle | None:
        groups: dict[str, list[str]] = {}
        for case, rows in self._found:
            groups.setdefault(rows.sha256, []).append(case.kernel)
        if len(groups) < 2:
            return None
        one, other = (
            next(rows for _, rows in self._found if rows.sha256 == it)
            for it in [*groups][:2]
        )
        first = rowdiff.differences(one.subject, one.rows, other.rows)[:1]
        who = "; ".join(in_words(list(dict.fromkeys(it))) for it in groups.values())
        where = "".join(f": {it}" for it in first)
        return _Obstacle(
            why=f"the kernels do not agree ({who}){where}",
            cure=f"{_ONE_KERNEL} {self._kernels()[0]}",
            failure=KERNELS_DISAGREE,
        )

    def _old(self) -> RecordFile | None:
        try:
            return recordfile.read(self._path)
        except UsageError:
            # Damaged: it is written anew.
            return None


def _same(old: Sequence[JsonValue], new: Sequence[JsonValue]) -> bool:
    return canonical(list(old)) == canonical(list(new))


def _counted(rows: int) -> str:
    return f"{rows} row{'' if rows == 1 else 's'}"


def _diff(old: Sequence[JsonValue], new: Sequence[JsonValue]) -> Iterator[str]:
    before, after = recordfile.rows_text(old), recordfile.rows_text(new)
    # Without the names of files, which stand above.
    yield from list(difflib.unified_diff(before, after, lineterm="", n=2))[2:]
