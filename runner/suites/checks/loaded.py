"""Hold what a command loaded against what a suite expects of it."""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from runner.results import (
    LoadRecord,
    Match,
    Mismatch,
    RecordedCall,
    RecordedMap,
    RecordedProgram,
)
from runner.suites.checks.text import listing, match
from runner.suites.model import LoadedThing, Subject

# Bytes of a name that a kernel keeps: BPF_OBJ_NAME_LEN without its end.
_NAME = 15
_NAMELESS = "this kernel takes no names (before 4.15)"


def kept_name(name: str) -> str:
    """Return what a kernel keeps of a name."""
    return name.encode()[:_NAME].decode("utf-8", "ignore")


def out_of_sight(name: str, record: LoadRecord, why: str) -> str:
    """Return why nobody knows what is in a map that could not be read.

    `why` is what is known of the kernel: that it keeps no names. Nothing if the map was
    not there.
    """
    if any(_loaded(("map", name), record)):
        return "it was gone when the command had ended (maps are kept from 4.18 on)"
    return why or "; ".join(record.missing)


def check(thing: LoadedThing, record: LoadRecord) -> list[Mismatch]:
    """Return how what was loaded is not as expected."""
    kind, name = thing.subject
    found = [it for it in _loaded(thing.subject, record) if _fits(thing, it)]
    observed = _observed(thing.subject, record)
    if not thing.present and not any(_real((*record.programs, *record.maps))):
        observed += "; the command loaded nothing at all, so this says nothing"
    elif bool(found) is thing.present:
        return []
    expected = f"{'' if thing.present else 'not '}loaded{_conditions(thing)}"
    return [Mismatch(subject=f"{kind} {name}", expected=expected, observed=observed)]


def evidence(thing: LoadedThing, record: LoadRecord) -> Match:
    """Return what was loaded, for an expectation that holds."""
    wanted = f"{'' if thing.present else 'not '}loaded{_conditions(thing)}"
    return match(" ".join(thing.subject), wanted, _observed(thing.subject, record))


def not_available(thing: LoadedThing, record: LoadRecord | None, why: str) -> str:
    """Return why nobody knows whether an expectation holds; nothing if it is known.

    `why` is what is known of the kernel: that it keeps no names.
    """
    if record is None:
        return why or "nothing was recorded"
    if any(_fits(thing, it) for it in _loaded(thing.subject, record)):
        return ""
    return why or "; ".join(record.missing)


def nameless(record: LoadRecord, *, is_old: bool) -> str:
    """Return why names say nothing on this kernel; nothing if they do.

    `is_old` says that it is a kernel before 4.15.
    """
    calls = (*record.programs, *record.maps)
    named = any(it.name and not it.error for it in calls)
    return _NAMELESS if is_old and calls and not named else ""


def shown(subject: Subject, record: LoadRecord) -> Mapping[str, JsonValue] | None:
    """Return what was loaded as bpftool would show it; None if it was not.

    If it was loaded several times, the last one.
    """
    found = list(_loaded(subject, record))
    return _shown(found[-1]) if found else None


def named(record: LoadRecord) -> dict[Subject, int | None]:
    """Return all that was loaded, as what `show` may name; nobody asks for its ids."""
    programs: dict[Subject, int | None] = {
        ("program", it.name): None for it in _real(record.programs) if it.name
    }
    return {
        **programs,
        **{("map", it.name): None for it in _real(record.maps) if it.name},
    }


def _shown(call: RecordedCall) -> dict[str, JsonValue]:
    more: dict[str, JsonValue] = {}
    if isinstance(call, RecordedMap):
        more = {
            "bytes_key": call.key_size,
            "bytes_value": call.value_size,
            "max_entries": call.max_entries,
        }
    elif isinstance(call, RecordedProgram):
        more = {"tag": call.tag}
    return {"name": call.name, "type": call.type, **more}


def _calls(subject: Subject, record: LoadRecord) -> Iterator[RecordedCall]:
    kind, name = subject
    calls = record.programs if kind == "program" else record.maps
    yield from (it for it in calls if it.name and it.name in (name, kept_name(name)))


def _loaded(subject: Subject, record: LoadRecord) -> Iterator[RecordedCall]:
    yield from (it for it in _calls(subject, record) if not it.error)


def _fits(thing: LoadedThing, call: RecordedCall) -> bool:
    if thing.type is not None and thing.type != call.type:
        return False
    if not isinstance(call, RecordedProgram):
        return True
    if thing.tag is not None and thing.tag != call.tag:
        return False
    return thing.attach is None or any(
        thing.attach in (place, place.partition("/")[0]) for place in call.attached
    )


def _conditions(thing: LoadedThing) -> str:
    words = [
        f"{key} {value}"
        for key in ("type", "attach", "tag")
        if (value := getattr(thing, key)) is not None
    ]
    return f" with {', '.join(words)}" if words else ""


def _observed(subject: Subject, record: LoadRecord) -> str:
    """Return what became of all that has the name, or what else was loaded."""
    found = list(_calls(subject, record))
    if found:
        return "; ".join(dict.fromkeys(_state(it) for it in found))
    kind, _ = subject
    calls = record.programs if kind == "program" else record.maps
    names = dict.fromkeys(it.name or "one without a name" for it in _real(calls))
    if not names:
        return f"no {kind} was loaded"
    return f"no {kind} of this name; loaded were {listing(list(names))}"


def _real(calls: tuple[RecordedCall, ...]) -> Iterator[RecordedCall]:
    yield from (it for it in calls if not it.error and not it.probe)


def _state(call: RecordedCall) -> str:
    if call.error:
        return f"refused with {call.error} (type {call.type})"
    if not isinstance(call, RecordedProgram):
        return f"loaded with type {call.type}"
    places = [f"attach {it}" for it in call.attached]
    places += [f"not attached to {it}" for it in call.not_attached]
    return f"loaded with {', '.join([f'type {call.type}', *places])}"
