"""What a kernel can be traced by: records of its tracepoints, and its functions.

A kernel that runs says both in tracefs, and its functions in /proc/kallsyms, too.
"""

import hashlib
import re
import zlib
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import JsonValue, TypeAdapter, ValidationError

# "\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;"
_FIELD = re.compile(
    r"^\s*field:(?P<declaration>[^;]+);\s*offset:(?P<offset>\d+);\s*size:(?P<size>\d+);"
    r"(?:\s*signed:(?P<signed>\d);)?",
    re.MULTILINE,
)
# "unsigned long args[6]", "__data_loc char[] name".
_DECLARATION = re.compile(r"^(?P<type>.*?)\s*\b(?P<name>\w+)\s*(?P<array>\[[^\]]*\])?$")
# What compilers append to names of functions that they change or split.
_SUFFIX = re.compile(r"\.(?:isra|constprop|part|cold|llvm)\b")


@dataclass(frozen=True, kw_only=True)
class EventField:
    """A field of a tracepoint's record."""

    name: str
    # As the kernel declares it, with "[16]" of an array.
    type: str
    # Bytes, from the beginning of the record.
    offset: int
    size: int
    signed: bool = False

    @property
    def end(self) -> int:
        """Return the first byte behind it."""
        return self.offset + self.size


@dataclass(frozen=True, kw_only=True)
class EventRecord:
    """What a tracepoint hands over, as the kernel has it in memory."""

    fields: tuple[EventField, ...]

    @property
    def end(self) -> int:
        """Return the end of the last field: programs that read beyond don't attach.

        `trace_event_get_offsets()` takes the field that was defined last, which is the
        last one in memory. Padding behind it does not count.
        """
        return max((it.end for it in self.fields), default=0)

    def at(self, offset: int) -> EventField | None:
        """Return the field that a byte belongs to; None for padding and the end."""
        inside = (it for it in self.fields if it.offset <= offset < it.end)
        return next(inside, None)

    def named(self, name: str) -> EventField | None:
        """Return the field of a name."""
        return next((it for it in self.fields if it.name == name), None)


def parse_format(text: str) -> EventRecord | None:
    """Read a tracepoint's `format` file; None for a text that holds no fields."""
    fields = []
    for match in _FIELD.finditer(text):
        declared = _DECLARATION.match(match["declaration"].strip())
        if declared is None:
            return None
        fields.append(
            EventField(
                name=declared["name"],
                type=declared["type"].strip() + (declared["array"] or ""),
                offset=int(match["offset"]),
                size=int(match["size"]),
                signed=match["signed"] == "1",
            )
        )
    return EventRecord(fields=tuple(fields)) if fields else None


@dataclass(frozen=True, kw_only=True)
class Functions:
    """Those of a kernel's own functions that can't just be traced by their names.

    A function of which nothing is known here has a symbol of just its name that can be
    traced, or does not exist.
    """

    # Lines as the agent returns them: zlib, base64.
    packed: str

    @cached_property
    def names(self) -> Mapping[str, bool]:
        """Names of symbols, and whether ftrace can trace them."""
        lines = zlib.decompress(b64decode(self.packed)).decode().split("\n")
        return {it[1:]: it.startswith("+") for it in lines if it}

    @cached_property
    def _changed(self) -> Mapping[str, tuple[str, ...]]:
        found = defaultdict[str, list[str]](list)
        for name in self.names:
            stem, dot, _ = name.partition(".")
            if dot and _SUFFIX.search(name):
                found[stem].append(name)
        return {stem: tuple(sorted(names)) for stem, names in found.items()}

    def changed(self, name: str) -> tuple[str, ...]:
        """Return what compilers made of a function: NAME.isra.0, NAME.part.0."""
        return self._changed.get(name, ())

    @cached_property
    def digest(self) -> str:
        """Return a hash of the names."""
        return hashlib.sha256(self.packed.encode()).hexdigest()


def pack_functions(lines: str) -> Functions:
    """Return what the agent's lines say: "+NAME" can be traced, "-NAME" can't."""
    packed = zlib.compress("\n".join(sorted(set(lines.split("\n")))).encode(), 6)
    return Functions(packed=b64encode(packed).decode())


@dataclass(frozen=True, kw_only=True)
class Traced:
    """What is known of a kernel's tracepoints and functions; it grows with questions.

    Reading the records of all tracepoints of a kernel takes seconds without KVM. So
    only those that objects name are read, when the first object that does runs there.
    """

    # By category and name: "sched/sched_switch". Others may exist.
    events: Mapping[str, EventRecord] = field(default_factory=dict)
    # None for a kernel that was not asked.
    functions: Functions | None = None

    @property
    def digest(self) -> str:
        """Return a text that differs where what is known does; empty for nothing."""
        words = [f"{name} {self.events[name]}" for name in sorted(self.events)]
        words += [self.functions.digest] if self.functions else []
        joined = "\0".join(words)
        return hashlib.sha256(joined.encode()).hexdigest() if words else ""

    def with_all_of(self, other: "Traced") -> "Traced":
        """Return what both know."""
        return Traced(
            events={**self.events, **other.events},
            functions=other.functions or self.functions,
        )


NOTHING_TRACED = Traced()

_TRACED = TypeAdapter(Traced)


def as_json(traced: Traced) -> JsonValue:
    """Return it as a file holds it."""
    found: JsonValue = _TRACED.dump_python(traced, mode="json")
    return found


def from_json(value: JsonValue) -> Traced:
    """Return what `as_json` gave; nothing for anything else."""
    try:
        return NOTHING_TRACED if value is None else _TRACED.validate_python(value)
    except ValidationError:
        return NOTHING_TRACED


# ------------------------------------------------------------------- places

_EVENT_SECTIONS = ("tp", "tracepoint")
_FUNCTION_SECTIONS = (
    *("kprobe", "kretprobe", "kprobe.multi", "kretprobe.multi", "kprobe.session"),
    *("fentry", "fexit", "fmod_ret", "fentry.s", "fexit.s", "fmod_ret.s"),
)


def event_of(place: str) -> str:
    """Return "sched/sched_switch" of "tp/sched/sched_switch"; empty for other places.

    A place is what libbpf takes as a section's name.
    """
    kind, _, rest = place.removeprefix("?").partition("/")
    category, slash, name = rest.partition("/")
    is_event = kind in _EVENT_SECTIONS and slash and name and "/" not in name
    # No path may lead elsewhere.
    plain = all(it and it.strip(".") == it for it in (category, name))
    return rest if is_event and plain else ""


def events_of(places: Iterable[str]) -> frozenset[str]:
    """Return the events that places name."""
    return frozenset(filter(None, map(event_of, places)))


def names_functions(places: Iterable[str]) -> bool:
    """Tell whether a place is a function of the kernel."""
    return any(
        it.removeprefix("?").partition("/")[0] in _FUNCTION_SECTIONS for it in places
    )
