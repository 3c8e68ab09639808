"""Hold what a suite expects against what was observed in a guest."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from runner.bpf.bpftool import MapDump
from runner.bpf.insn import Insn
from runner.results import LoadRecord, Mismatch
from runner.suites.checks import code, loaded, mapplaces, maps, rows
from runner.suites.checks.equality import differences
from runner.suites.checks.mapplaces import Place
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
    # Those in maps of maps, or why there is nothing to read.
    inner: Mapping[Place, MapDump | str] = field(default_factory=dict)
    inner_shows: Mapping[Place, Mapping[str, JsonValue] | str] = field(
        default_factory=dict
    )
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


def not_available(
    expectations: Iterable[Expectation], observations: Observations
) -> list[str]:
    """Return the expectations that the kernel gives no facts for, each with why."""
    found = (_why_not_available(it, observations) for it in expectations)
    return [words for words in found if words]


def is_available(
    expectation: Expectation | Compared, observations: Observations
) -> bool:
    """Whether the kernel gives the facts for an expectation."""
    return not _why_not_available(expectation, observations)


def _why_not_available(
    expectation: Expectation | Compared, observations: Observations
) -> str:
    """Return "map tasks: WHY"; nothing for an expectation that can be checked."""
    if isinstance(expectation, LoadedExpectation):
        thing, record = expectation.loaded, observations.recorded
        why = loaded.not_available(thing, record, observations.nameless)
        return f"loaded {' '.join(thing.subject)}: {why}" if why else ""
    if isinstance(expectation, MapExpectation | RowsExpectation):
        why = observations.out_of_sight.get(expectation.map, "")
        if expectation.inner is not None:
            # They are read by their ids.
            why = why or observations.not_shown
        return f"map {expectation.map}: {why}" if why else ""
    if isinstance(expectation, Compared) and expectation.dumped is not None:
        why = observations.out_of_sight.get(expectation.dumped, "")
        if expectation.inner is not None:
            why = why or observations.not_shown
        return f"map {expectation.dumped}: {why}" if why else ""
    subject = _of_what_is_shown(expectation) if observations.not_shown else ""
    return f"{subject}: {observations.not_shown}" if subject else ""


def _of_what_is_shown(expectation: Expectation | Compared) -> str:
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
    if not is_available(expectation, observations):
        return []
    match expectation:
        # Judged by what other kernels give, or by a file: runner.case.comparing.
        case Compared():
            return []
        case MapExpectation() | RowsExpectation():
            return _check_map(expectation, observations, namespace)
        case LoadedExpectation():
            record = observations.recorded
            return [] if record is None else loaded.check(expectation.loaded, record)
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


def dump_of(
    expectation: MapExpectation | RowsExpectation | Compared,
    observations: Observations,
    namespace: Mapping[str, JsonValue],
) -> MapDump | str | None:
    """Return the rows that an expectation is about.

    None where the object lacks the map, and text that says why a map of maps has none
    at the key that is meant.
    """
    meant = mapplaces.place(expectation, namespace)
    if meant is None or expectation.map not in observations.maps:
        return observations.maps.get(expectation.map or "")
    return observations.inner.get(meant, _NOT_READ)


_NOT_READ = "nothing was read"


def show_of(
    expectation: ShowExpectation | Compared,
    observations: Observations,
    namespace: Mapping[str, JsonValue],
) -> Mapping[str, JsonValue] | str | None:
    """Return what bpftool shows of what an expectation is about.

    None where the object lacks it, and text that says why a map of maps has none at the
    key that is meant.
    """
    meant = mapplaces.place(expectation, namespace)
    if meant is not None and expectation.map in observations.maps:
        return observations.inner_shows.get(meant, _NOT_READ)
    if meant is not None:
        return None
    if isinstance(expectation, Compared):
        return observations.shows.get(expectation.shown)
    return observations.shows.get(expectation.subject)


def _check_map(
    expectation: MapExpectation | RowsExpectation,
    observations: Observations,
    namespace: Mapping[str, JsonValue],
) -> list[Mismatch]:
    if isinstance(expectation, MapExpectation):
        words = in_words(expectation, namespace)
    else:
        words = f"{len(expectation.rows)} rows"
    dump = dump_of(expectation, observations, namespace)
    if dump is None:
        return [absent("map", expectation.map, words, observations)]
    if isinstance(dump, str):
        subject = mapplaces.subject(expectation, namespace)
        return [Mismatch(subject=subject, expected=words, observed=dump)]
    if isinstance(expectation, MapExpectation):
        return maps.check(expectation, dump, namespace)
    return rows.check(expectation, dump, namespace)


def _check_code(
    expectation: CodeExpectation, observations: Observations
) -> list[Mismatch]:
    found = _programs(expectation, observations).get(expectation.program)
    if found is None:
        return [absent("program", expectation.program, "to exist", observations)]
    return code.check(expectation, found, observations.layout, map_ids(observations))


def instructions_of(
    expectation: CodeExpectation, observations: Observations
) -> Sequence[Insn]:
    """Return the instructions that an expectation is about."""
    return _programs(expectation, observations)[expectation.program]


def _programs(
    expectation: CodeExpectation, observations: Observations
) -> Mapping[str, Sequence[Insn]]:
    """Return the dumps that an expectation is about, by programs' names."""
    xlated = expectation.xlated is not None
    return observations.xlated if xlated else observations.relocated


def map_ids(observations: Observations) -> dict[str, int]:
    """Return the ids of the maps, by their names."""
    return {
        name: id_
        for (kind, name), id_ in observations.ids.items()
        if id_ is not None and kind == "map"
    }


_SHOWN = "to be shown"


def _check_show(
    expectation: ShowExpectation,
    observations: Observations,
    namespace: Mapping[str, JsonValue],
) -> list[Mismatch]:
    shown = show_of(expectation, observations, namespace)
    if shown is None:
        return [absent(*expectation.subject, _SHOWN, observations)]
    subject = shown_subject(expectation, namespace)
    if isinstance(shown, str):
        return [Mismatch(subject=subject, expected=_SHOWN, observed=shown)]
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


def shown_subject(
    expectation: ShowExpectation, namespace: Mapping[str, JsonValue]
) -> str:
    """Return what messages call it: "program count", "map outer, inner map 1"."""
    if expectation.map is not None:
        return mapplaces.subject(expectation, namespace)
    return " ".join(expectation.subject)


def absent(kind: str, name: str, words: str, observations: Observations) -> Mismatch:
    """Return the mismatch of a program or map that the object lacks."""
    names = [known for of_kind, known in observations.ids if of_kind == kind]
    return Mismatch(
        subject=f"{kind} {name}", expected=words, observed=no_such(kind, name, names)
    )
