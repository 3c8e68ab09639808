"""What a case's expectations come to: what was not as expected, and what was.

Who reads that a case passed wants to see which values were read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from runner.bpf.bpftool import MapDump
from runner.results import Match, Mismatch
from runner.suites.checks import (
    Observations,
    check,
    code,
    dump_of,
    instructions_of,
    is_available,
    loaded,
    map_ids,
    maps,
    rows,
    show_of,
    shown_subject,
)
from runner.suites.checks.matchers import as_read, in_words
from runner.suites.checks.text import match, show
from runner.suites.comparable import Compared
from runner.suites.model import (
    CodeExpectation,
    Expectation,
    LoadedExpectation,
    MapExpectation,
    RowsExpectation,
    ShowExpectation,
    ValueExpectation,
)
from runner.suites.references import resolve

# Of a case: results.json has those of thousands of cases.
MOST = 20


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What expectations come to, in their order."""

    mismatches: tuple[Mismatch, ...]
    # Of expectations that hold; the first `MOST`.
    matches: tuple[Match, ...]


def judge_all(
    expectations: Iterable[Expectation],
    observations: Observations,
    namespace: Mapping[str, JsonValue],
) -> Judged:
    """Judge expectations, with the values that were read.

    Raises UsageError for a reference that names nothing.
    """
    mismatches: list[Mismatch] = []
    matches: list[Match] = []
    for expectation in expectations:
        found = check(expectation, observations, namespace)
        mismatches += found
        if not found and len(matches) < MOST:
            matches += _matches(expectation, observations, namespace)
    return Judged(mismatches=tuple(mismatches), matches=tuple(matches[:MOST]))


def _matches(
    expectation: Expectation,
    observations: Observations,
    namespace: Mapping[str, JsonValue],
) -> Sequence[Match]:
    """Return what was read for an expectation that holds, or is not available."""
    if not is_available(expectation, observations):
        return ()
    match expectation:
        case MapExpectation() | RowsExpectation():
            return _of_map(expectation, observations, namespace)
        case LoadedExpectation():
            record = observations.recorded
            thing = expectation.loaded
            return () if record is None else (loaded.evidence(thing, record),)
        case CodeExpectation():
            found = instructions_of(expectation, observations)
            layout, ids = observations.layout, map_ids(observations)
            return code.evidence(expectation, found, layout, ids)
        case ShowExpectation():
            return list(_shown(expectation, observations, namespace))
        case ValueExpectation():
            observed = resolve(expectation.value, namespace)
            words = in_words(expectation, namespace)
            read = as_read(expectation, observed)
            return (match(f"value {expectation.value}", words, read),)
        case Compared():
            # What it is compared with is not known here.
            return ()


def _of_map(
    expectation: MapExpectation | RowsExpectation,
    observations: Observations,
    namespace: Mapping[str, JsonValue],
) -> Sequence[Match]:
    dump = dump_of(expectation, observations, namespace)
    assert isinstance(dump, MapDump), "it holds"
    if isinstance(expectation, MapExpectation):
        return (maps.evidence(expectation, dump, namespace),)
    return rows.evidence(expectation, dump, namespace)


def _shown(
    expectation: ShowExpectation,
    observations: Observations,
    namespace: Mapping[str, JsonValue],
) -> Iterator[Match]:
    subject = shown_subject(expectation, namespace)
    found = show_of(expectation, observations, namespace)
    assert isinstance(found, Mapping), "it holds"
    for key, value in expectation.show.items():
        wanted = show(resolve(value, namespace))
        yield match(subject, wanted, show(found[key]), field=key)
