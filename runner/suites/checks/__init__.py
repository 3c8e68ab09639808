"""Hold what a suite expects against what was observed in a guest."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from runner.bpf.bpftool import MapDump
from runner.bpf.insn import Insn
from runner.results import LoadRecord, Mismatch
from runner.suites.checks import code, loaded, maps, rows
from runner.suites.checks.equality import differences
from runner.suites.checks.matchers import in_words, judge
from runner.suites.checks.text import mismatch, no_such, show
from runner.suites.comparable import Compared
from runner.suites.model import (
    CodeExpectation,
    Expectation,
    LoadedExpectation,
    MapExpectation,
    RowsExpectation,
    ShowExpectation,
    Subject,
    ValueExpectation,
)
from runner.suites.references import resolve


@dataclass(frozen=True, kw_only=True)
class Observations:
    """What was read in a guest after a case's triggers, by the object's names."""

    maps: Mapping[str, MapDump] = field(default_factory=dict)
    shows: Mapping[Subject, Mapping[str, JsonValue]] = field(default_factory=dict)
    # As the kernel dumps them, and as libbpf handed them to it.
    xlated: Mapping[str, Sequence[Insn]] = field(default_factory=dict)
    relocated: Mapping[str, Sequence[Insn]] = field(default_factory=dict)
    # The kernel's types; None without its BTF, or where nothing asks for it.
    layout: code.Layout | None = None
    # All that the object has, to say what a wrong name may have meant; None where the
    # kernel has no ids.
    ids: Mapping[Subject, int | None] = field(default_factory=dict)
    # Why programs and maps could not be shown; empty where they could.
    not_shown: str = ""
    # What a case's command loaded, and why names say nothing of it.
    recorded: LoadRecord | None = None
    nameless: str = ""
    # Why it is not known what is in some maps.
    out_of_sight: Mapping[str, str] = field(default_factory=dict)


def check_all(
    expectations: Iterable[Expectation],
    observations: Observations,
    namespace: Mapping[str, JsonValue],
) -> list[Mismatch]:
    """Return what does not hold, in the order of the expectations.

    Raises UsageError for a reference that names nothing.
    """
    return [
        found
        for expectation in expectations
        for found in check(expectation, observations, namespace)
    ]


def not_available(
    expectations: Iterable[Expectation], observations: Observations
) -> list[str]:
    """Return the expectations that the kernel gives no facts for, each with why."""
    found = []
    for expectation in expectations:
        if isinstance(expectation, LoadedExpectation):
            thing = expectation.loaded
            why = loaded.not_available(
                thing, observations.recorded, observations.nameless
            )
            found += [f"loaded {' '.join(thing.subject)}: {why}"] if why else []
        elif isinstance(expectation, MapExpectation | RowsExpectation):
            why = observations.out_of_sight.get(expectation.map, "")
            found += [f"map {expectation.map}: {why}"] if why else []
        elif isinstance(expectation, Compared) and expectation.dumped is not None:
            why = observations.out_of_sight.get(expectation.dumped, "")
            found += [f"map {expectation.dumped}: {why}"] if why else []
        elif observations.not_shown and _of_what_is_shown(expectation):
            subject = _of_what_is_shown(expectation)
            found.append(f"{subject}: {observations.not_shown}")
    return found


def _of_what_is_shown(expectation: Expectation) -> str:
    """Return what of an expectation takes ids, which old kernels lack, or nothing."""
    match expectation:
        case Compared() if expectation.show is not None:
            return f"{' '.join(expectation.shown)}: {', '.join(expectation.show)}"
        case ShowExpectation():
            return f"{' '.join(expectation.subject)}: {', '.join(expectation.show)}"
        case CodeExpectation() if expectation.xlated is not None:
            return f"program {expectation.program}: xlated"
    return ""


def check(
    expectation: Expectation,
    observations: Observations,
    namespace: Mapping[str, JsonValue],
) -> list[Mismatch]:
    """Return how an expectation does not hold; nothing when it does.

    An expectation that is not available neither holds nor fails.

    Raises UsageError for a reference that names nothing.
    """
    match expectation:
        # Judged by what other kernels give, or by a file: runner.case.comparing.
        case Compared():
            return []
        case MapExpectation() | RowsExpectation() if (
            expectation.map in observations.out_of_sight
        ):
            return []
        case MapExpectation():
            dump = observations.maps.get(expectation.map)
            if dump is None:
                words = in_words(expectation, namespace)
                return [absent("map", expectation.map, words, observations)]
            return maps.check(expectation, dump, namespace)
        case RowsExpectation():
            dump = observations.maps.get(expectation.map)
            if dump is None:
                words = f"{len(expectation.rows)} rows"
                return [absent("map", expectation.map, words, observations)]
            return rows.check(expectation, dump, namespace)
        case LoadedExpectation():
            thing, record = expectation.loaded, observations.recorded
            why = loaded.not_available(thing, record, observations.nameless)
            return [] if why or record is None else loaded.check(thing, record)
        case ShowExpectation() if observations.not_shown:
            return []
        case CodeExpectation():
            return _check_code(expectation, observations)
        case ShowExpectation():
            return _check_show(expectation, observations, namespace)
        case ValueExpectation():
            observed = resolve(expectation.value, namespace)
            return [
                mismatch(f"value {expectation.value}", difference)
                for difference in judge(expectation, observed, namespace)
            ]


def _check_code(
    expectation: CodeExpectation, observations: Observations
) -> list[Mismatch]:
    xlated = expectation.xlated is not None
    if xlated and observations.not_shown:
        return []
    programs = observations.xlated if xlated else observations.relocated
    found = programs.get(expectation.program)
    if found is None:
        return [absent("program", expectation.program, "to exist", observations)]
    map_ids = {
        name: id_
        for (kind, name), id_ in observations.ids.items()
        if id_ is not None and kind == "map"
    }
    return code.check(expectation, found, observations.layout, map_ids)


def _check_show(
    expectation: ShowExpectation,
    observations: Observations,
    namespace: Mapping[str, JsonValue],
) -> list[Mismatch]:
    kind, name = expectation.subject
    subject, shown = f"{kind} {name}", observations.shows.get((kind, name))
    if shown is None:
        return [absent(kind, name, "to be shown", observations)]
    found = []
    for key, value in expectation.show.items():
        if key not in shown:
            expected = show(resolve(value, namespace))
            observed = no_such("key", key, shown)
            found.append(
                Mismatch(
                    subject=subject, field=key, expected=expected, observed=observed
                )
            )
            continue
        found += [
            mismatch(subject, difference, field=key)
            for difference in differences(resolve(value, namespace), shown[key])
        ]
    return found


def absent(kind: str, name: str, words: str, observations: Observations) -> Mismatch:
    """Return the mismatch of a program or map that the object lacks."""
    names = [known for of_kind, known in observations.ids if of_kind == kind]
    return Mismatch(
        subject=f"{kind} {name}", expected=words, observed=no_such(kind, name, names)
    )
