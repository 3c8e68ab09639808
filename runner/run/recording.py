"""`--update`: writes what cases record, as far as the kernels agree about it."""

import difflib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from runner.errors import InfrastructureError, UsageError, file_errors
from runner.failures.classes import KERNELS_DISAGREE, RECORD_MISSING
from runner.files import whole, yamlfile
from runner.reports.agreement import in_words
from runner.results import CaseKey, CaseResult, FoundRows, Outcome, RunResults
from runner.run.settings import Settings
from runner.suites import recordfile
from runner.suites.checks import rowdiff
from runner.suites.checks.normal import MOST_ROWS, canonical
from runner.suites.recordfile import RecordFile

_OFF = ("", "0", "false", "no")
_ONE_KERNEL = "choose one that you trust: --update --kernels"


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

    def lines(self) -> Iterator[str]:
        """Yield what a user sees of it."""
        yield f"{self.state}: {self.file}: {self.why}"
        for line in self.diff:
            yield f"    {line}"


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
        updates.append(done)
        if done.state == "not written":
            ended |= {it.key: it for it in record.failed(done.why)}
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
        self._shown = os.path.relpath(path)
        self._class = RECORD_MISSING

    def written(self) -> Update:
        """Write the file, unless something speaks against it."""
        why = self._obstacle()
        if why:
            return Update(file=self._shown, state="not written", why=why)
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
            return Update(file=self._shown, state="unchanged", why=why)
        data = recordfile.text(new).encode()
        if len(data) > yamlfile.LARGEST:
            why = f"it would be larger than {yamlfile.LARGEST >> 20} MiB"
            return Update(file=self._shown, state="not written", why=why)
        try:
            with file_errors(InfrastructureError, f"{self._shown} can't be written"):
                whole.write(self._path, data, mode=0o644)
        except InfrastructureError as error:
            return Update(file=self._shown, state="not written", why=error.message)
        return Update(
            file=self._shown,
            state="new" if old is None else "changed",
            why=f"{why}; review it",
            diff=list(_diff(() if old is None else old.rows, new.rows)),
        )

    def failed(self, why: str) -> Iterator[CaseResult]:
        """Return the cases of a file that is not written, which must not be green."""
        for case, _ in self._found:
            if case.outcome is Outcome.PASSED:
                yield case.model_copy(
                    update={
                        "outcome": Outcome.FAILED,
                        "message": f"{self._shown} was not written: {why}",
                        "failure_class": self._class.name,
                        "cure": self._class.cure,
                    }
                )

    def _kernels(self) -> list[str]:
        return list(dict.fromkeys(case.kernel for case, _ in self._found))

    def _obstacle(self) -> str:
        """Return why the file can't be written; nothing if it can."""
        if self._path.is_symlink() or self._path.is_dir():
            return "it is not a file of its own, but a link or a folder"
        suite = self._path.parents[len(Path(self._found[0][1].file).parts) - 1]
        if not self._path.parent.resolve().is_relative_to(suite.resolve()):
            return "a link leads out of the suite's folder"
        if not self._found[0][1].rows:
            return "there are no rows to record"
        missing = self._found[0][1].missing
        if missing:
            return f"bpftool shows no {', '.join(missing)}"
        left_out = max(rows.left_out for _, rows in self._found)
        if left_out:
            return (
                f"there are {_counted(left_out)} more than the {MOST_ROWS}, or the "
                "256 KiB, that a file to review may hold"
            )
        return self._unfinished() or self._disagreement()

    def _unfinished(self) -> str:
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
            return ""
        return f"the case did not pass on {', '.join(dict.fromkeys(bad))}"

    def _disagreement(self) -> str:
        groups: dict[str, list[str]] = {}
        for case, rows in self._found:
            groups.setdefault(rows.sha256, []).append(case.kernel)
        if len(groups) < 2:
            return ""
        self._class = KERNELS_DISAGREE
        one, other = (
            next(rows for _, rows in self._found if rows.sha256 == it)
            for it in [*groups][:2]
        )
        first = rowdiff.differences(one.subject, one.rows, other.rows)[:1]
        who = "; ".join(in_words(list(dict.fromkeys(it))) for it in groups.values())
        where = "".join(f": {it}" for it in first)
        return (
            f"the kernels do not agree ({who}){where}; {_ONE_KERNEL} "
            f"{self._kernels()[0]}"
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
