"""What was observed, in a form that is the same on each kernel.

Numbers that the kernel chose get the name by which the suite knows them. That happens
only where chance has no part in it: in fields that are known to hold such a number, by
their name or because the suite says so, and for numbers that are too large to be met by
accident.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeGuard

from pydantic import JsonValue

from runner.bpf.bpftool import MapDump, MapRow
from runner.results import FoundRows
from runner.suites.checks import leaves
from runner.suites.checks.equality import number
from runner.suites.checks.maps import key_of
from runner.suites.checks.paths import NoSuchPathError, follow
from runner.suites.checks.text import Observed, join, show
from runner.suites.comparable import Compared
from runner.suites.references import resolve

# Numbers from here on are not met by accident: no counter gets there while a case runs.
LONG = 1 << 32
_WORD = LONG - 1
# The largest that Linux gives, and the fields that hold one.
_MOST_PIDS = 1 << 22
_PID_FIELD = re.compile(r"(?:^|[._])(?:pid|tid|tgid|ppid)$")
_INDEX = re.compile(r"\[\d+\]")
_PIDS = ("pid", "tid", "tgid", "ppid")
# Swapper and init have the same on each kernel.
_SAME_PIDS = (0, 1)
# Characters of a text that is not met by accident.
_LONG_TEXT = 8
_MASK = (1 << 64) - 1
_KERNEL = 1 << 63
_PAGE = 4096
# Rows that a run keeps; the checksum is that of all.
MOST_ROWS = 500
_MOST_CHARACTERS = 1 << 18

How = str | tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Names:
    """What a case and its guest know by name."""

    # All that references may name.
    namespace: Mapping[str, JsonValue] = field(default_factory=dict)
    pids: Mapping[int, str] = field(default_factory=dict)
    ids: Mapping[int, str] = field(default_factory=dict)
    # Large numbers, and texts.
    long: Mapping[int, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    # Nanoseconds since the boot: when the case began, and when it was read.
    window: tuple[int, int] | None = None
    # Whether an address alone does not tell whose it is.
    addresses_overlap: bool = False


def names_of(
    saved: Iterable[str],
    namespace: Mapping[str, JsonValue],
    window: tuple[int, int] | None = None,
    *,
    addresses_overlap: bool = False,
) -> Names:
    """Return the names of values; `saved` are those of the triggers, in their order.

    A number with several names gets the first one.
    """
    groups = ["agent", *saved]
    fields = {it: _fields(namespace.get(it)) for it in (*groups, "kernel", "truth")}
    pids: dict[int, str] = {}
    long: dict[int, str] = {}
    for group in groups:
        for name in _PIDS:
            found = fields[group].get(name)
            if _is_number(found) and found not in _SAME_PIDS:
                pids.setdefault(found, f"{group}.{name}")
    for group in (*groups[1:], "truth"):
        for name, value in sorted(fields[group].items()):
            if _is_number(value) and value >= LONG:
                long.setdefault(value, f"{group}.{name}")
    release = fields["kernel"].get("release")
    texts = {release: "kernel.release"} if isinstance(release, str) else {}
    return Names(
        namespace=namespace,
        pids=pids,
        ids={
            id_: f"{kind}.{name}.id"
            for kind in ("maps", "programs")
            for name, info in _fields(namespace.get(kind)).items()
            if _is_number(id_ := _fields(info).get("id"))
        },
        long=long,
        texts={it: name for it, name in texts.items() if len(it) >= _LONG_TEXT},
        window=window,
        addresses_overlap=addresses_overlap,
    )


def _fields(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


# --------------------------------------------------------------------- rows


@dataclass(frozen=True, kw_only=True)
class NormalRows:
    """Rows in their normal form and order."""

    rows: Sequence[JsonValue]
    # Keys that bpftool does not show.
    missing: Sequence[str] = ()
    # How the suite leaves nothing to compare of what there is; empty if it does not.
    silenced: str = ""
    # Paths of numbers that stayed, and the known ones that they equal everywhere.
    unnamed: Mapping[str, str] = field(default_factory=dict)


def of_map(wanted: Compared, dump: MapDump, names: Names) -> NormalRows:
    """Return a map's rows."""
    return _finished(wanted, [_row(wanted, it) for it in dump.rows], names, text=False)


def of_value(wanted: Compared, value: JsonValue, names: Names) -> NormalRows:
    """Return what a trigger or truth gave: a row for each line or element.

    Nothing, null, gives none.
    """
    is_text = isinstance(value, str)
    parts: list[JsonValue]
    if isinstance(value, str):
        parts = [*value.removesuffix("\n").split("\n")] if value else []
    elif isinstance(value, list):
        parts = value
    else:
        parts = [] if value is None else [value]
    return _finished(wanted, [{"value": it} for it in parts], names, text=is_text)


def of_show(
    wanted: Compared, shown: Mapping[str, JsonValue], names: Names
) -> NormalRows:
    """Return the wanted keys of what bpftool shows, as one row."""
    keys = wanted.show or ()
    row = {key: shown[key] for key in keys if key in shown}
    found = _finished(wanted, [{"value": row}], names, text=False)
    return replace(found, missing=[it for it in keys if it not in shown])


def silenced(wanted: Compared, sample: Mapping[str, JsonValue]) -> str:
    """Return how a suite leaves nothing to compare of a row of the right types.

    Empty if something is left. Texts may be anything, so `patterns` are not applied.
    """
    # Only that leaves nothing of any number.
    normalise = {
        path: "any" if how == "any" else "as_is"
        for path, how in wanted.normalise.items()
    }
    typed = wanted.model_copy(update={"normalise": normalise, "patterns": {}})
    return _silenced(typed, [(sample, _Normal(typed, Names()).row(sample))])


def found(
    wanted: Compared, normal: NormalRows, *, expectation: int, file: str = ""
) -> FoundRows:
    """Return rows as a run keeps them: the first ones, and the checksum of all."""
    whole, kept, size = hashlib.sha256(), list[JsonValue](), 0
    for row in normal.rows:
        text = canonical(row)
        whole.update(text.encode() + b"\n")
        size += len(text)
        if len(kept) < MOST_ROWS and size <= _MOST_CHARACTERS:
            kept.append(row)
    return FoundRows(
        expectation=expectation,
        subject=wanted.subject,
        file=file,
        rows=tuple(kept),
        left_out=len(normal.rows) - len(kept),
        sha256=whole.hexdigest(),
        missing=tuple(normal.missing),
        unnamed=dict(normal.unnamed),
    )


def canonical(value: JsonValue) -> str:
    """Return a value as text that is the same for the same value only."""
    return json.dumps(value, sort_keys=True)


def _row(wanted: Compared, row: MapRow) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    # Global data has one row, and a key that says nothing.
    if row.formatted_key is not None or row.formatted_value is None:
        found["key"] = _plain(key_of(row))
    if row.error:
        found["error"] = row.error
        return found
    # A member that a map's values lack is not there, and that is compared, too.
    with suppress(NoSuchPathError):
        found["value"] = _value_of(wanted, row)
    return found


def _value_of(wanted: Compared, row: MapRow) -> JsonValue:
    if not row.cpus:
        value = row.value if row.formatted_value is None else row.formatted_value
        return _member(wanted, value)
    values = [
        _member(wanted, it.data if it.formatted is None else it.formatted)
        for it in row.cpus
    ]
    return _sum(values) if wanted.cpu == "sum" else values


def _plain(value: Observed) -> JsonValue:
    return show(value) if isinstance(value, bytes) else value


def _member(wanted: Compared, value: Observed) -> JsonValue:
    plain = _plain(value)
    return plain if wanted.field is None else follow(plain, wanted.field)


def _sum(values: Sequence[JsonValue]) -> JsonValue:
    """Add up the numbers in values of one shape; what can't be added is listed."""
    first = values[0]
    if isinstance(first, dict):
        return {name: _sum([_fields(it).get(name) for it in values]) for name in first}
    if isinstance(first, list):
        rows = [it if isinstance(it, list) else [it] for it in values]
        return [_sum(column) for column in map(list, zip(*rows, strict=False))]
    numbers = [number(it) for it in values]
    if None not in numbers:
        return sum(it for it in numbers if it is not None)
    same = all(it == first for it in values)
    return first if same else [*values]


def _finished(
    wanted: Compared,
    rows: Iterable[dict[str, JsonValue]],
    names: Names,
    *,
    text: bool,
) -> NormalRows:
    normal = _Normal(wanted, names)
    pairs = [(it, normal.row(it)) for it in rows]
    done: list[JsonValue] = [it for _, it in pairs]
    ordered = text if wanted.ordered is None else wanted.ordered
    # Blank lines say nothing.
    told = [it for it in pairs if not text or str(it[0]["value"]).strip()]
    return NormalRows(
        rows=done if ordered else sorted(done, key=_place),
        silenced=_silenced(wanted, told),
        unnamed=normal.unnamed,
    )


_Row = Mapping[str, JsonValue]


def _silenced(wanted: Compared, pairs: Sequence[tuple[_Row, _Row]]) -> str:
    """Return how nothing is left to compare of rows; each comes with its normal form.

    Values that are empty by themselves are what a kernel gave, and no fault of a suite.
    """
    values = [row["value"] for row, _ in pairs if "value" in row]
    if not any(True for _ in leaves.of(values)):
        return ""
    if not leaves.has_compared([dict(it) for _, it in pairs]):
        return "nothing is left to compare"
    left = [it["value"] for _, it in pairs if "value" in it]
    if wanted.field is not None and not any(True for _ in leaves.of(left)):
        return f"nothing is left of the field {wanted.field}"
    return ""


def _place(value: JsonValue) -> tuple[object, ...]:
    """Return what sorts values of all types: numbers by their size, 9 before 10."""
    match value:
        case None:
            return (0,)
        case bool() | int() | float():
            return 1, value, isinstance(value, bool)
        case str():
            return 2, value
        case list():
            return 3, tuple(map(_place, value))
    return 4, tuple((name, _place(value[name])) for name in sorted(value))


# ------------------------------------------------------------------- values


def _named(name: str) -> str:
    return f"${{{name}}}"


def _literal(text: str) -> str:
    """Return a text so that it can't be taken for a name, and fits into a file."""
    # Half a character, of bytes that were no UTF-8.
    whole = text.encode("utf-8", "backslashreplace").decode()
    return whole.replace("${", "$${")


class _Normal:
    """Puts names in the place of values."""

    def __init__(self, wanted: Compared, names: Names) -> None:
        self._names = names
        self.unnamed: dict[str, str] = {}
        self._ignored = [_matcher(it) for it in wanted.ignore]
        self._declared = [(_matcher(it), how) for it, how in wanted.normalise.items()]
        self._patterns = [
            (re.compile(it, re.MULTILINE), how) for it, how in wanted.patterns.items()
        ]

    def row(self, row: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return a row without what is ignored."""
        return {
            part: self._walk(value, part, None)
            for part, value in row.items()
            if not self._is_ignored(part)
        }

    def _is_ignored(self, path: str) -> bool:
        return any(it.fullmatch(path) for it in self._ignored)

    def _walk(self, value: JsonValue, path: str, how: How | None) -> JsonValue:
        declared = (it for matcher, it in self._declared if matcher.fullmatch(path))
        # What is said of a struct or list holds for all that is in it.
        how = next(declared, how)
        if isinstance(value, dict):
            return {
                _literal(name): self._walk(inner, join(path, name), how)
                for name, inner in value.items()
                if not self._is_ignored(join(path, name))
            }
        if isinstance(value, list):
            return [
                self._walk(inner, f"{path}[{index}]", how)
                for index, inner in enumerate(value)
                if not self._is_ignored(f"{path}[{index}]")
            ]
        if how is not None:
            return self._declared_as(value, how)
        return self._by_itself(value, path)

    def _by_itself(self, value: JsonValue, path: str) -> JsonValue:
        """Return a value of which the suite says nothing."""
        if isinstance(value, str):
            return self._text(value)
        if not isinstance(value, int) or isinstance(value, bool):
            return value
        if _PID_FIELD.search(path) and value in self._names.pids:
            return _named(self._names.pids[value])
        if value in self._names.pids:
            self.unnamed[_INDEX.sub("[]", path)] = self._names.pids[value]
        return self._long(value)

    def _long(self, value: int) -> int | str:
        if value < LONG:
            return value
        if value in self._names.long:
            return _named(self._names.long[value])
        # What bpf_get_current_pid_tgid() returns.
        halves = [self._names.pids.get(it) for it in (value >> 32, value & _WORD)]
        if None not in halves:
            return "<<32|".join(_named(str(it)) for it in halves)
        return value

    def _text(self, text: str) -> str:
        text = _literal(text)
        for known, name in self._names.texts.items():
            text = text.replace(known, _named(name))
        for pattern, how in self._patterns:
            text = pattern.sub(partial(self._part, how), text)
        return text

    def _part(self, how: str, match: re.Match[str]) -> str:
        whole, start = match[0], match.start()
        group = 1 if match.re.groups else 0
        word = match[group]
        if word is None:
            return whole
        digits = re.fullmatch(r"(0x)?[0-9a-fA-F]{1,40}", word)
        base = 16 if how == "address" or word.startswith("0x") else 10
        value: JsonValue = word
        if digits and (base == 16 or word.isdecimal()):
            value = int(word, base)
        shown = self._declared_as(value, how)
        if shown == value:
            return whole
        begin, end = match.span(group)
        return f"{whole[: begin - start]}{shown}{whole[end - start :]}"

    def _declared_as(self, value: JsonValue, how: How) -> JsonValue:
        """Return a value of which the suite says what it is."""
        if how == "any":
            return leaves.ANY
        if isinstance(how, str) and how.startswith("${"):
            wanted = resolve(how, self._names.namespace)
            same = value == wanted or number(value) == number(wanted) is not None
            return how if same else self._as_is(value)
        found = None if isinstance(value, bool) else number(value)
        name = "" if how == "as_is" or found is None else self._name(found, how)
        return _named(name) if name else self._as_is(value)

    def _as_is(self, value: JsonValue) -> JsonValue:
        return _literal(value) if isinstance(value, str) else value

    def _name(self, value: int, how: How) -> str:
        """Return what a number is called; nothing for one that stays as it is."""
        match how:
            case (low, high):
                return f"{low} to {high}" if low <= value <= high else ""
            case "pid":
                return self._name_of_pid(value)
            case "id" if value > 0:
                return self._names.ids.get(value, "id")
            case "time" if value > 0:
                return self._name_of_time(value)
            case "address":
                return self._name_of_address(value)
        return ""

    def _name_of_pid(self, value: int) -> str:
        if value in _SAME_PIDS or not 0 < value <= _MOST_PIDS:
            return ""
        return self._names.pids.get(value, "pid")

    def _name_of_time(self, value: int) -> str:
        if self._names.window is None:
            return ""
        began, read = self._names.window
        if value < began:
            return "time before the case"
        return "time" if value <= read else "time after the case"

    def _name_of_address(self, value: int) -> str:
        unsigned = value & _MASK
        # Small ones are NULL and what is added to it, the largest ones are errors.
        if unsigned < _PAGE or unsigned > _MASK - _PAGE:
            return ""
        is_kernels = self._names.addresses_overlap or unsigned & _KERNEL
        return "address" if is_kernels else "user address"


def _matcher(path: str) -> re.Pattern[str]:
    """Return what matches a path; `[]` is any element."""
    return re.compile(re.escape(path).replace(r"\[\]", r"\[\d+\]"))
