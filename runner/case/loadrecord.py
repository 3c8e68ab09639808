"""What a command loaded, put together from the calls that its recorder saw."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from runner.guest.loads import AttachSeen, MapSeen, ProgramSeen, Seen, SomethingMissed
from runner.results import LoadRecord, RecordedCall, RecordedMap, RecordedProgram

# Of a command; a guest may say anything, for ever.
_MOST = 500
_MOST_PLACES = 20
# Names that libraries give to what they load to find out what the kernel can do:
# libbpf's features.c ("libbpf_nametest", "libbpf_global"), cilium/ebpf's syscalls.go
# and link/perf_event.go ("probe_bpf_perf_link"), aya's sys/bpf.rs ("aya_name_check",
# "aya_global").
_PROBE_NAMES = ("feature_test", "test", ".test", "aya_name_check", "aya_global")
_PROBE_PREFIXES = ("libbpf_", "probe_bpf_")
# Instructions, and entries of a map; both libraries' probes are smaller.
_PROBE_INSTRUCTIONS = 8
_PROBE_ENTRIES = 1

# Why there may be more, by the recorder's word for it.
_MISSING = {
    "too_many": "the command loads and attaches too often",
    "traced": "a process is traced by another one, and can't load anything then",
    "not_traceable": "the command can't be traced",
    "no_filter": "the kernel has no seccomp filters",
    "no_process": "the guest could not start a recorder",
}

_Call = TypeVar("_Call", bound=RecordedCall)


@dataclass(kw_only=True)
class _SeenProgram:
    seen: ProgramSeen
    attached: dict[str, None] = field(default_factory=dict)
    not_attached: dict[str, None] = field(default_factory=dict)

    def result(self) -> RecordedProgram:
        seen = self.seen
        return RecordedProgram(
            name=seen.name,
            type=seen.type,
            btf=seen.btf,
            process=seen.process,
            pid=seen.pid,
            error=seen.error,
            probe=not self.attached
            and seen.instructions <= _PROBE_INSTRUCTIONS
            and _is_probe_name(seen.name),
            tag=seen.tag,
            instructions=seen.instructions,
            target=seen.target,
            attached=tuple(self.attached),
            not_attached=tuple(self.not_attached),
        )


def _is_probe_name(name: str) -> bool:
    return not name or name in _PROBE_NAMES or name.startswith(_PROBE_PREFIXES)


class LoadRecorder:
    """Takes what a command did, call by call."""

    def __init__(self) -> None:
        # Those that were loaded, in their order: what is attached names its number.
        self._loaded: list[_SeenProgram] = []
        self._programs: list[_SeenProgram] = []
        self._maps: list[MapSeen] = []
        self._missing: dict[str, None] = {}
        self._left_out = 0
        # Whether a process is traced by another one, where its loads fail because of
        # the recorder.
        self.is_in_the_way = False

    def take(self, seen: Seen) -> None:
        """Take a call; what comes after too many is only counted."""
        match seen:
            case ProgramSeen():
                self._take_program(seen)
            case MapSeen() if len(self._maps) < _MOST:
                self._maps.append(seen)
            case AttachSeen():
                self._take_attach(seen)
            case SomethingMissed():
                more = f": {seen.error}" if seen.error else ""
                self.is_in_the_way |= seen.why == "traced"
                if len(self._missing) < _MOST_PLACES:
                    self._missing[f"{_MISSING[seen.why]}{more}"] = None
            case _:
                self._left_out += 1

    def _take_program(self, seen: ProgramSeen) -> None:
        if len(self._programs) >= _MOST:
            self._left_out += 1
            return
        found = _SeenProgram(seen=seen)
        self._programs.append(found)
        if not seen.error:
            self._loaded.append(found)

    def _take_attach(self, seen: AttachSeen) -> None:
        if not 0 <= seen.program < len(self._loaded):
            # A library's test of what can be attached, or a program of somebody else.
            return
        program = self._loaded[seen.program]
        place = seen.place or program.seen.target or program.seen.type
        places, words = program.attached, place
        if seen.error:
            places, words = program.not_attached, f"{place}: {seen.error}"
        if len(places) < _MOST_PLACES:
            places[words] = None

    def result(self) -> LoadRecord:
        """Return all that was seen."""
        programs = [it.result() for it in self._programs]
        # Where nothing has a name, a map without one may be any.
        names = [it.seen.name for it in self._programs]
        names += [it.name for it in self._maps]
        has_names = not all(map(_is_probe_name, names))
        left_out = [f"{self._left_out} more calls"] if self._left_out else []
        return LoadRecord(
            programs=_collapsed(programs),
            maps=_collapsed(_map(it, has_names=has_names) for it in self._maps),
            missing=(*self._missing, *left_out),
        )


def _map(seen: MapSeen, *, has_names: bool) -> RecordedMap:
    is_probe = _is_probe_name(seen.name) and (has_names or bool(seen.name))
    return RecordedMap(
        name=seen.name,
        type=seen.type,
        btf=seen.btf,
        process=seen.process,
        pid=seen.pid,
        error=seen.error,
        probe=seen.max_entries <= _PROBE_ENTRIES and is_probe,
        key_size=seen.key_size,
        value_size=seen.value_size,
        max_entries=seen.max_entries,
    )


def merged(records: Iterable[LoadRecord]) -> LoadRecord:
    """Return what several runs of a program loaded, as one."""
    found = list(records)
    return LoadRecord(
        programs=_collapsed([it for record in found for it in record.programs]),
        maps=_collapsed([it for record in found for it in record.maps]),
        missing=tuple(dict.fromkeys(it for record in found for it in record.missing)),
    )


def _collapsed(calls: Iterable[_Call]) -> tuple[_Call, ...]:
    """Return each call once, where the first one was made, with how often it was."""
    counts: dict[_Call, int] = {}
    firsts: dict[_Call, _Call] = {}
    for call in calls:
        same = call.model_copy(update={"pid": 0, "count": 1})
        firsts.setdefault(same, call)
        counts[same] = counts.get(same, 0) + call.count
    return tuple(
        first.model_copy(update={"count": counts[same]})
        for same, first in firsts.items()
    )
