"""What a case gives for the comparison of kernels, and with what was recorded."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from runner import timeouts
from runner.case.attempt import Attempt
from runner.errors import UsageError
from runner.failures.classes import KERNELS_DISAGREE, RECORD_DIFFERS, RECORD_MISSING
from runner.guest.guest import Guest
from runner.results import Agreement, FoundRows, Match, Mismatch
from runner.suites import recordfile
from runner.suites.checks import (
    Observations,
    absent,
    dump_of,
    is_available,
    normal,
    rowdiff,
    show_of,
)
from runner.suites.checks.normal import Names, NormalRows
from runner.suites.checks.text import match, show
from runner.suites.comparable import AgreeExpectation, Compared, RecordExpectation
from runner.suites.model import Case, ExpectedFailure
from runner.suites.recordfile import RecordFile
from runner.suites.references import resolve

_CLOCK = "/proc/uptime"
# Nanoseconds: the file has hundredths of a second, rounded down.
_UNIT = 10_000_000
_LOADER = re.compile(r"\[[^\[\]]*\]$")
_WRITE_AGAIN = (
    "run the case with `--update` on one kernel that you trust (--kernels ID "
    "--update): it writes the file again"
)


@dataclass(frozen=True, kw_only=True)
class CaseRows:
    """What came of the expectations that kernels are compared by."""

    # Maps and programs that the object lacks.
    mismatches: tuple[Mismatch, ...] = ()
    # Where rows are not as recorded.
    differences: tuple[Mismatch, ...] = ()
    # Records that are not there yet.
    missing: tuple[str, ...] = ()
    # What is as recorded.
    matches: tuple[Match, ...] = ()


def clock(case: Case, guest: Guest) -> int | None:
    """Return the guest's time in nanoseconds since its boot, if a case needs it.

    Raises AgentError and GuestError.
    """
    wanted = (it for it in case.expect if isinstance(it, Compared))
    if not any(it.needs_clock for it in wanted):
        return None
    with guest.doing("reading the clock"):
        text = guest.agent.read(_CLOCK, timeout=timeouts.ANSWER.seconds)
    return int(text.split()[0].replace(".", "")) * _UNIT


def compare(
    attempt: Attempt, observations: Observations, namespace: Mapping[str, JsonValue]
) -> CaseRows:
    """Keep a case's rows in `attempt`, and compare them with what was recorded.

    Raises UsageError for a damaged file or another case's, a reference that names
    nothing, and a suite that leaves nothing to compare.
    """
    case = attempt.case
    wanted = [
        (number, it)
        for number, it in enumerate(case.expect)
        if isinstance(it, Compared)
    ]
    if not wanted:
        return CaseRows()
    now = clock(case, attempt.guest)
    began = attempt.began
    names = normal.names_of(
        [it.save for it in case.trigger],
        namespace,
        None if began is None or now is None else (began, now + _UNIT),
        addresses_overlap=attempt.guest.kernel.architecture.tree.addresses_overlap,
    )
    lacking: list[Mismatch] = []
    differences: list[Mismatch] = []
    matches: list[Match] = []
    missing: list[str] = []
    found: list[FoundRows] = []
    declared = case.failure_on(attempt.guest.on)
    updates = attempt.job.update and not _is_declared(
        declared, (RECORD_DIFFERS.name, RECORD_MISSING.name)
    )
    for number, it in wanted:
        rows = _rows(it, observations, names)
        if isinstance(rows, Mismatch):
            lacking.append(rows)
        if isinstance(rows, Mismatch) or rows is None:
            continue
        if rows.silenced:
            raise UsageError(
                f"{it.subject}: {rows.silenced}",
                hint="take something out of `ignore`, `normalise` or `patterns` "
                "(docs/agree.md)",
            )
        if isinstance(it, AgreeExpectation):
            found.append(normal.found(it, rows, expectation=number))
        elif isinstance(it, RecordExpectation):
            file = it.file(case.name)
            if updates:
                found.append(normal.found(it, rows, expectation=number, file=file))
                continue
            recorded = _recorded(attempt, it, file)
            if recorded is None:
                missing.append(file)
                continue
            different = rowdiff.differences(it.subject, recorded.rows, rows.rows)
            differences += different
            if not different:
                shown = show(list(rows.rows))
                matches.append(match(it.subject, f"as in {file}", shown))
    disagrees = _is_declared(declared, (KERNELS_DISAGREE.name,))
    attempt.agreement = Agreement(
        found=tuple(found),
        case_sha256=_sha256(case),
        declared=declared.reason if declared and disagrees else "",
        gap=declared is not None and disagrees and declared.is_gap,
    )
    return CaseRows(
        mismatches=tuple(lacking),
        differences=tuple(differences),
        missing=tuple(missing),
        matches=tuple(matches),
    )


def _recorded(
    attempt: Attempt, wanted: RecordExpectation, file: str
) -> RecordFile | None:
    """Read what was recorded; None if nothing was.

    Raises UsageError for a damaged file, and one of something else.
    """
    path = attempt.job.folder / file
    try:
        found = recordfile.read(path)
    except UsageError as error:
        cure = f"put a file in the place of {file}" if path.is_dir() else _WRITE_AGAIN
        raise UsageError(error.message, hint=cure) from error
    if found is None:
        return None
    case = attempt.case
    for what, recorded, own, is_own in (
        (
            "case",
            found.case,
            f"{attempt.job.suite}::{case.name}",
            _plain(found.case) in map(_plain, (case.name, *case.was)),
        ),
        ("subject", found.subject, wanted.subject, found.subject == wanted.subject),
    ):
        if not is_own:
            raise UsageError(
                f"{path}: {what}: it was recorded for {recorded}, and not for {own}",
                hint=f"name the file of this case in `record`; or {_WRITE_AGAIN}",
            )
    return found


def _plain(case: str) -> str:
    """Return a case's own name.

    Not that of its suite, which may be that of a folder, and not its loader, because
    all of them have the same record.
    """
    return _LOADER.sub("", case.rpartition("::")[2])


def is_pending(agreement: Agreement | None) -> bool:
    """Whether other kernels decide how the case ends."""
    return agreement is not None and any(not it.file for it in agreement.found)


def _is_declared(declared: ExpectedFailure | None, classes: Sequence[str]) -> bool:
    return declared is not None and any(it in classes for it in declared.classes)


def _sha256(case: Case) -> str:
    """Return a checksum of all that a case says, but for its names."""
    text = case.model_dump_json(exclude={"name", "was", "description"})
    return hashlib.sha256(text.encode()).hexdigest()


def _rows(
    wanted: Compared, observations: Observations, names: Names
) -> NormalRows | Mismatch | None:
    """Return rows; None where the kernel does not tell, a mismatch if nothing is."""
    if not is_available(wanted, observations):
        return None
    if wanted.value is not None:
        value = resolve(wanted.value, names.namespace)
        return normal.of_value(wanted, value, names)
    kind, name = wanted.shown
    if wanted.show is not None:
        shown = show_of(wanted, observations, names.namespace)
        if shown is None:
            return absent(kind, name, "to be shown", observations)
        if isinstance(shown, str):
            expected = "to be shown"
            return Mismatch(subject=wanted.subject, expected=expected, observed=shown)
        return normal.of_show(wanted, shown, names)
    dump = dump_of(wanted, observations, names.namespace)
    if dump is None:
        return absent("map", name, "rows", observations)
    if isinstance(dump, str):
        return Mismatch(subject=wanted.subject, expected="rows", observed=dump)
    return normal.of_map(wanted, dump, names)
