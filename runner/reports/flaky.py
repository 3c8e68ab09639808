"""Known flaky cases: a list with owners and end dates, and failures that it excuses.

A failure that an entry covers does not count until the entry's end date. It is never a
pass: reports show it with its owner, and the kernel is not among those that work.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from runner.failures import classes
from runner.files import modelfile
from runner.files.modelfile import FileEntry
from runner.files.yamlfile import YamlSource
from runner.reports import support
from runner.results import (
    CaseKey,
    CaseResult,
    KernelRun,
    KnownFlaky,
    Outcome,
    RunResults,
)
from runner.text.nearest import near
from runner.versions import VersionRange

# Days that an entry may reach ahead: whoever owns it has to look again.
MOST_DAYS = 90

_LITERAL = re.compile(r"[A-Za-z0-9]")
_WILD = re.compile(r"\*|\?|\[[^\]]*\]")
_Text = Annotated[str, Field(min_length=1)]


class FlakyCase(FileEntry):
    """A case that fails now and then, for a reason that somebody looks into."""

    case: _Text
    """SUITE::CASE, as reports print it. In the case's name `*`, `?` and `[…]` are
    wildcards; it must have a letter or digit besides. The suite's name has none."""
    kernels: tuple[_Text, ...] = ()
    """The kernels on which it is flaky, all by default: ids or ranges (">=5.4,<6",
    "rhel>=9.4")."""
    failure_class: str = Field(default="", alias="class")
    """The class of its failures: "wrong_value". A failure of another class counts. By
    default those of any class are excused."""
    owner: _Text
    """Who takes care of it."""
    until: _Text
    """The last day on which its failures do not count: YYYY-MM-DD, at most 90 days
    ahead. From the next day on they count again. Days are those of UTC."""
    reason: str = ""
    """What is known about it."""
    issue: str = ""
    """The address of its issue."""

    @property
    def suite(self) -> str:
        """The name of its suite."""
        return self.case.partition("::")[0]

    @cached_property
    def last_day(self) -> date:
        """Its end date. Raises ValueError if `until` is not a date."""
        return date.fromisoformat(self.until)

    def covers_name(self, suite: str, case: str) -> bool:
        """Whether it is about a case."""
        own_suite, _, name = self.case.partition("::")
        return suite == own_suite and fnmatchcase(case, name)

    def covers(self, case: CaseResult, kernel: KernelRun | None) -> bool:
        """Whether a failure is the one that it lists."""
        return (
            self.covers_name(case.suite, case.case)
            and self.failure_class in ("", case.failure_class)
            and self.covers_kernel(case.kernel, kernel)
        )

    def covers_kernel(self, id_: str, kernel: KernelRun | None) -> bool:
        """Whether it is about a kernel; None if no more than its id is known."""
        if not self.kernels or id_ in self.kernels:
            return True
        version = support.version_of(kernel or KernelRun(id=id_))
        return version is not None and any(
            version in it for it in self.ranges if it is not None
        )

    @cached_property
    def ranges(self) -> tuple[VersionRange | None, ...]:
        """What of `kernels` are ranges, and None for ids."""
        return tuple(_range(it) for it in self.kernels)


def _range(text: str) -> VersionRange | None:
    try:
        found = VersionRange.parse(text)
    except ValueError:
        return None
    # A bare "5.10" is an id, as on the command line.
    return found if re.search("[<>=!]", text) or found.needs_release else None


class FlakyFile(FileEntry):
    """A list of known flaky cases."""

    version: Literal[1] = 1
    """The version of this format."""
    flaky: tuple[FlakyCase, ...]
    """The cases. Of several entries for one failure, one that has not ended counts."""


@dataclass(frozen=True, kw_only=True)
class FlakyList:
    """A file of known flaky cases that was read, and makes sense."""

    source: YamlSource
    cases: tuple[FlakyCase, ...]
    # The day on which failures are judged, in UTC.
    today: date

    @classmethod
    def read(cls, path: Path, today: date | None = None) -> "FlakyList":
        """Read a file.

        Raises UsageError that lists every mistake: what is missing or unknown, an entry
        that could hide anything, and one that ends too far ahead.
        """
        found, source = modelfile.load(path, FlakyFile)
        today = today or datetime.now(UTC).date()
        latest = today + timedelta(days=MOST_DAYS)
        mistakes = [
            source.mistake(("flaky", number, key), what)
            for number, entry in enumerate(found.flaky)
            for key, what in _mistakes(entry, latest)
        ]
        if mistakes:
            raise modelfile.refused(source, mistakes)
        return cls(source=source, cases=found.flaky, today=today)

    def require_known(
        self, keys: Iterable[CaseKey], *, all_suites: bool = False
    ) -> None:
        """Refuse entries for cases that there are not, in suites that there are.

        `keys` are all cases of the suites of a run. An entry of another suite may be
        for another run, unless there are none: `all_suites`. Raises UsageError.
        """
        names = {(it.suite, it.case) for it in keys}
        suites = {suite for suite, _ in names}
        mistakes = [
            self.source.mistake(("flaky", number, "case"), _no_case(entry, names))
            for number, entry in enumerate(self.cases)
            if (all_suites or entry.suite in suites) and not _is_known(entry, names)
        ]
        if mistakes:
            raise modelfile.refused(self.source, mistakes)

    def require_kernels(self, ids: Collection[str]) -> None:
        """Refuse kernels that are no range, and that a matrix does not have.

        `ids` are those of all its kernels. Raises UsageError.
        """
        mistakes = [
            self.source.mistake(
                ("flaky", number, "kernels"),
                f"the matrix has no kernel {text!r}{near(text, ids)}",
            )
            for number, entry in enumerate(self.cases)
            for text, range_ in zip(entry.kernels, entry.ranges, strict=True)
            if range_ is None and text not in ids
        ]
        if mistakes:
            raise modelfile.refused(self.source, mistakes)

    def without_case(self, keys: Iterable[CaseKey]) -> list[str]:
        """Return what to tell of entries that no case of a run matches."""
        names = {(it.suite, it.case) for it in keys}
        return [
            self.source.mistake(("flaky", number, "case"), _no_case(entry, names))
            for number, entry in enumerate(self.cases)
            if not _is_known(entry, names)
        ]

    def without_kernel(self, kernels: Iterable[KernelRun]) -> list[str]:
        """Return what to tell of entries that no kernel of a run matches."""
        runs = list(kernels)
        return [
            self.source.mistake(
                ("flaky", number, "kernels"),
                f"this run has no kernel of {', '.join(entry.kernels)}",
            )
            for number, entry in enumerate(self.cases)
            if not any(entry.covers_kernel(it.id, it) for it in runs)
        ]

    def marked(self, results: RunResults) -> RunResults:
        """Return a run with the failures marked that the list has, and no others.

        Marks of an earlier list go. An entry has ended if its last day was before the
        run, or is over now.
        """
        kernels = {it.id: it for it in results.kernels}
        day = max(_day(results.started), self.today)
        cases = tuple(
            self._marked(_unmarked(case), kernels.get(case.kernel), day)
            for case in results.cases
        )
        return results.model_copy(update={"cases": cases})

    def excuses(self, case: CaseResult, kernel: KernelRun | None) -> bool:
        """Whether a case's failure does not count if its run is judged today."""
        return self._marked(case, kernel, self.today).is_excused

    def _marked(
        self, case: CaseResult, kernel: KernelRun | None, day: date
    ) -> CaseResult:
        found = [it for it in self.cases if it.covers(case, kernel)]
        if not found or case.outcome is not Outcome.FAILED:
            return case
        entry = max(found, key=lambda it: it.last_day)
        known = KnownFlaky(
            owner=entry.owner,
            until=entry.last_day,
            reason=entry.reason,
            issue=entry.issue,
            ended=day > entry.last_day,
        )
        return _with_mark(case, known)


def aged(results: RunResults, today: date | None = None) -> RunResults:
    """Return a run in which the failures count whose mark has ended since."""
    day = today or datetime.now(UTC).date()

    def of_now(case: CaseResult) -> CaseResult:
        known = case.known_flaky
        if known is None or known.ended or day <= known.until:
            return case
        ended = known.model_copy(update={"ended": True})
        return _with_mark(_unmarked(case), ended)

    return results.model_copy(update={"cases": tuple(map(of_now, results.cases))})


def notes(flaky: FlakyList | None, results: RunResults) -> list[str]:
    """Return what the user of a command on a run that is over should know.

    With a list, which entries match nothing. Without one, the marks that the run has
    from its own list: who owns them, and until when they hold.
    """
    if flaky is not None:
        return [
            *flaky.without_case(results.plan),
            *flaky.without_kernel(results.kernels),
        ]
    found = (
        f"{case.suite}::{case.case}, from the list that the run was made with: "
        f"{words(case.known_flaky)}"
        for case in results.cases
        if case.known_flaky is not None
    )
    return list(dict.fromkeys(found))


def _with_mark(case: CaseResult, known: KnownFlaky) -> CaseResult:
    cure = "; ".join(filter(None, (words(known), case.cure)))
    return case.model_copy(update={"known_flaky": known, "cure": cure})


def _unmarked(case: CaseResult) -> CaseResult:
    """Return a case as it was before a list marked it."""
    if case.known_flaky is None:
        return case
    return case.model_copy(update={"known_flaky": None, "cure": cure_of(case)})


def cure_of(case: CaseResult) -> str:
    """Return what to do about a failure, without what its mark says."""
    if case.known_flaky is None:
        return case.cure
    return case.cure.removeprefix(words(case.known_flaky)).removeprefix("; ")


def words(known: KnownFlaky) -> str:
    """Return what reports say about a failure that the list has."""
    about = ", ".join(filter(None, (known.reason, known.issue)))
    about = f" ({about})" if about else ""
    if known.ended:
        return (
            f"its entry in the list of known flaky cases ended on {known.until}, so it "
            f"counts again; ask {known.owner}{about}"
        )
    return f"known flaky, does not count until {known.until}; ask {known.owner}{about}"


def _mistakes(entry: FlakyCase, latest: date) -> Iterable[tuple[str, str]]:
    suite, colons, name = entry.case.partition("::")
    if not colons or not suite or not name:
        yield "case", "use SUITE::CASE, as reports print it"
    elif _WILD.search(suite):
        yield "case", "the suite's name can't have wildcards"
    elif not _LITERAL.search(_WILD.sub("", name)):
        yield "case", "it would hide a whole suite; name a case, or a part of its name"
    if not any(map(str.isalnum, entry.owner)):
        yield "owner", "name who takes care of it"
    known = classes.CLASSES
    if entry.failure_class and entry.failure_class not in known:
        yield (
            "class",
            f"there is no class {entry.failure_class!r}"
            f"{near(entry.failure_class, known, '')}",
        )
    if "kernels" in entry.model_fields_set and not entry.kernels:
        yield "kernels", "name a kernel, or leave the key out for all"
    for text in entry.kernels:
        if text.startswith("@") or text == "all":
            yield "kernels", f"{text!r}: use ids or ranges"
    try:
        last = entry.last_day
    except ValueError:
        yield "until", f"{entry.until!r} is not a date: use YYYY-MM-DD"
        return
    if last > latest:
        yield "until", f"{last} is too far ahead; the latest is {latest}"


def _is_known(entry: FlakyCase, names: Iterable[tuple[str, str]]) -> bool:
    # The tests of a program may be known only once it has run.
    return any(
        entry.covers_name(suite, case) or entry.case.startswith(f"{suite}::{case}::")
        for suite, case in names
    )


def _no_case(entry: FlakyCase, names: Iterable[tuple[str, str]]) -> str:
    known = [f"{suite}::{case}" for suite, case in sorted(names)]
    return f"no case matches {entry.case}{near(entry.case, known, '')}"


def _day(started: str) -> date:
    try:
        return datetime.fromisoformat(started).date()
    except ValueError:
        return datetime.now(UTC).date()
