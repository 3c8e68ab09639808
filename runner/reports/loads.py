"""What commands loaded, in words: for one case, and as what differs by kernel."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from runner.reports.text import one_line
from runner.results import (
    CaseResult,
    LoadRecord,
    RecordedCall,
    RecordedMap,
    RecordedProgram,
    RunResults,
)

# Lines of a case.
_MOST = 40
_MOST_PLACES = 3


@dataclass(frozen=True, kw_only=True)
class LoadDifference:
    """A program or map that a case loads otherwise on some kernels than on others."""

    # "exec::my-tool"
    case: str
    # "map events"
    subject: str
    # What became of it, with the kernels where that is so, in the order of the matrix.
    states: Mapping[str, Sequence[str]]

    def __str__(self) -> str:
        states = (f"{state} on {', '.join(on)}" for state, on in self.states.items())
        return f"{self.subject}: {'; '.join(states)}"


def lines(case: CaseResult, most: int = _MOST) -> list[str]:
    """Return what a case's command loaded, a line each; probes are only counted."""
    record = case.recorded
    if record is None:
        return []
    calls = [*record.programs, *record.maps]
    found = [_line(it) for it in calls if not it.probe]
    if len(found) > most:
        found[most:] = [f"and {len(found) - most} more; see results.json"]
    probes = sum(it.count for it in calls if it.probe)
    if probes:
        found.append(f"{probes} tests of what the kernel can do")
    found += [f"not all was seen: {it}" for it in record.missing]
    return found


def _line(call: RecordedCall) -> str:
    words = f"{_kind(call)} {call.name or '(no name)'}: {state(call)}"
    if isinstance(call, RecordedProgram):
        words += "".join(f", not at {it}" for it in call.not_attached[:_MOST_PLACES])
        words += f", tag {call.tag}" if call.tag else ""
    words += ", with BTF" if call.btf and not call.error else ""
    times = f", {call.count} times" if call.count > 1 else ""
    return one_line(f"{words}, by {call.process}{times}")


def _kind(call: RecordedCall) -> str:
    return "map" if isinstance(call, RecordedMap) else "program"


def state(call: RecordedCall) -> str:
    """Return what became of a program or map: "kprobe at kprobe/do_unlinkat"."""
    if call.error:
        return one_line(f"{call.type} refused ({call.error})")
    if not isinstance(call, RecordedProgram):
        return one_line(call.type)
    places = f"at {_places(call.attached)}" if call.attached else "not attached"
    return one_line(f"{call.type} {places}")


def _places(places: Sequence[str]) -> str:
    shown = ", ".join(places[:_MOST_PLACES])
    more = len(places) - _MOST_PLACES
    return f"{shown} and {more} more" if more > 0 else shown


def differences(results: RunResults) -> list[LoadDifference]:
    """Return what a case's command loads otherwise on some kernels, in order.

    Only cases that ran on several kernels, and only what has a name: a kernel that
    keeps no names can't be compared.
    """
    found: dict[str, dict[str, LoadRecord]] = {}
    for case in results.cases:
        record = case.recorded
        if record is not None and _is_comparable(record):
            name = f"{case.suite}::{case.case}"
            found.setdefault(name, {})[case.kernel] = record
    return [
        difference
        for name, records in found.items()
        if len(records) > 1
        for difference in _of_case(name, records)
    ]


def _is_comparable(record: LoadRecord) -> bool:
    calls = [*record.programs, *record.maps]
    return not calls or any(it.name for it in calls)


def _of_case(name: str, records: Mapping[str, LoadRecord]) -> Iterator[LoadDifference]:
    states = {kernel: _states(record) for kernel, record in records.items()}
    subjects = dict.fromkeys(it for found in states.values() for it in found)
    for subject in subjects:
        by_state: dict[str, list[str]] = {}
        for kernel, found in states.items():
            by_state.setdefault(found.get(subject, "not loaded"), []).append(kernel)
        if len(by_state) > 1:
            yield LoadDifference(case=name, subject=subject, states=by_state)


def _states(record: LoadRecord) -> dict[str, str]:
    """Return what became of everything that has a name."""
    found: dict[str, list[RecordedCall]] = {}
    for call in (*record.programs, *record.maps):
        if call.name and not call.probe:
            subject = one_line(f"{_kind(call)} {call.name}")
            found.setdefault(subject, []).append(call)
    return {subject: _joined(calls) for subject, calls in found.items()}


def _joined(calls: Iterable[RecordedCall]) -> str:
    """Return the states of what has one name; a refusal counts if nothing else is."""
    calls = list(calls)
    loaded = [it for it in calls if not it.error]
    return ", ".join(dict.fromkeys(state(it) for it in loaded or calls))
