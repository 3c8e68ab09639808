"""Known flaky cases: a list with owners and end dates, and failures that it excuses.

A failure that an entry covers does not count until the entry's end date. It is never a
pass: reports show it with its owner, and the kernel is not among those that work.
"""

import re
from collections.abc import Iterable
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
            and self._covers_kernel(case.kernel, kernel)
        )

    def _covers_kernel(self, id_: str, kernel: KernelRun | None) -> bool:
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

    @classmethod
    def read(cls, path: Path, today: date | None = None) -> "FlakyList":
        """Read a file.

        Raises UsageError that lists every mistake: what is missing or unknown, an entry
        that could hide anything, and one that ends too far ahead.
        """
        found, source = modelfile.load(path, FlakyFile)
        latest = (today or datetime.now(UTC).date()) + timedelta(days=MOST_DAYS)
        mistakes = [
            source.mistake(("flaky", number, key), what)
            for number, entry in enumerate(found.flaky)
            for key, what in _mistakes(entry, latest)
        ]
        if mistakes:
            raise modelfile.refused(source, mistakes)
        return cls(source=source, cases=found.flaky)

    def require_known(self, keys: Iterable[CaseKey]) -> None:
        """Refuse entries for cases that there are not, in suites that there are.

        `keys` are all cases of the suites of a run. An entry of another suite may be
        for another run. Raises UsageError.
        """
        names = {(it.suite, it.case) for it in keys}
        suites = {suite for suite, _ in names}
        mistakes = [
            self.source.mistake(
                ("flaky", number, "case"),
                f"no case matches {entry.case}{_near(entry, names)}",
            )
            for number, entry in enumerate(self.cases)
            if entry.suite in suites and not _is_known(entry, names)
        ]
        if mistakes:
            raise modelfile.refused(self.source, mistakes)

    def marked(self, results: RunResults) -> RunResults:
        """Return a run with the failures marked that the list has.

        Entries end by the day on which the run was started. What is marked already
        stays as it is.
        """
        kernels = {it.id: it for it in results.kernels}
        day = _day(results.started)
        cases = tuple(
            self._marked(case, kernels.get(case.kernel), day)
            if case.outcome is Outcome.FAILED and case.known_flaky is None
            else case
            for case in results.cases
        )
        return results.model_copy(update={"cases": cases})

    def _marked(
        self, case: CaseResult, kernel: KernelRun | None, day: date
    ) -> CaseResult:
        found = [it for it in self.cases if it.covers(case, kernel)]
        if not found:
            return case
        entry = max(found, key=lambda it: it.last_day)
        known = KnownFlaky(
            owner=entry.owner,
            until=entry.last_day,
            reason=entry.reason,
            issue=entry.issue,
            ended=day > entry.last_day,
        )
        cure = "; ".join(filter(None, (words(known), case.cure)))
        return case.model_copy(update={"known_flaky": known, "cure": cure})


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
    known = classes.CLASSES
    if entry.failure_class and entry.failure_class not in known:
        yield (
            "class",
            f"there is no class {entry.failure_class!r}"
            f"{near(entry.failure_class, known, '')}",
        )
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


def _near(entry: FlakyCase, names: Iterable[tuple[str, str]]) -> str:
    own = [f"{suite}::{case}" for suite, case in sorted(names) if suite == entry.suite]
    return near(entry.case, own, "")


def _day(started: str) -> date:
    try:
        return datetime.fromisoformat(started).date()
    except ValueError:
        return datetime.now(UTC).date()
