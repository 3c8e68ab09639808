"""Expectations without a truth: kernels must agree, or give what was recorded."""

import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Literal, get_args

from pydantic import Field, JsonValue

from runner.files.modelfile import FileEntry, Mistake, Where
from runner.text.nearest import near

# What the number in a field is, so that it can be the same on each kernel.
Kind = Literal["pid", "id", "time", "address", "any", "as_is"]
KINDS = get_args(Kind)

_REFERENCE = re.compile(r"\$\{[^{}]+\}")
_PATH = re.compile(r"(key|value)((\.[^.\[\]]+)|\[\d*\])*")
_YAML = ".yaml"
_FOLDER = "/"
# What a suite may name of itself may not become a file of this machine elsewhere.
_SAFE = re.compile(r"[A-Za-z0-9_.-]+")


class Compared(FileEntry):
    """What is read in the guest, and how it becomes the same on each kernel."""

    map: str | None = None
    """The map's name in the object: all of its rows, in any order. Give either this,
    `value`, or `program` with `show`."""
    inner: JsonValue = None
    """Of a map of maps: the key of the one in it that is compared. All else is about
    that map."""
    program: str | None = None
    """The program's name in the object; needs `show`."""
    value: Annotated[str, Field(pattern=r"\$\{[^}]+\}")] | None = None
    """A value that a trigger or a truth returned: ${command.stdout}, whose lines are
    compared, or ${drain.records}."""
    show: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Keys of bpftool's JSON to compare, in place of a map's rows: [type, tag]."""
    field: str | None = None
    """The path to the member of a map's values that is compared; without it, all of
    the value is: pos.x, or a variable of .bss."""
    cpu: Literal["sum"] | None = None
    """For per-CPU maps: compare the sum of all CPUs. Without it, each CPU's value is
    compared, and must be the same on each kernel."""
    ordered: bool | None = None
    """Whether the order of a list's elements counts. By default, only the order of a
    text's lines does."""
    ignore: tuple[str, ...] = ()
    """Paths that are left out: key, value.start_ns, or, in quotes, "value.stack[]" for
    each element of a list. Paths begin with `key` or `value`."""
    normalise: dict[str, str | tuple[int, int]] = {}
    """How numbers become the same on each kernel, by their paths: `pid`, `id` (of a
    program or map), `time` (nanoseconds since the boot, while the case ran), `address`,
    `any` (only that it is there), `as_is`, a reference (${truth.inode}: it must be that
    value), or a range ([1, 1000])."""
    patterns: dict[str, str] = {}
    """The same for parts of texts, by regular expressions, whose first group is the
    part: {'pid=(\\d+)': pid}."""

    @property
    def subject(self) -> str:
        """What is compared, as messages call it."""
        if self.value is not None:
            return f"value {self.value}"
        kind, name = self.shown
        inside = "" if self.inner is None else f", inner map {_inline(self.inner)}"
        keys = f" {', '.join(self.show)}" if self.show else ""
        field = f" field {self.field}" if self.field else ""
        return f"{kind} {name}{inside}{keys}{field}"

    @property
    def shown(self) -> tuple[Literal["program", "map"], str]:
        """The program or map that is looked at, if it is one."""
        if self.program is not None:
            return "program", self.program
        return "map", self.map or ""

    @property
    def dumped(self) -> str | None:
        """The map whose rows are compared; None if it is something else."""
        return None if self.show else self.map

    @property
    def needs_clock(self) -> bool:
        """Whether it takes the guest's time to tell what is the same."""
        return "time" in (*self.normalise.values(), *self.patterns.values())


class AgreeExpectation(Compared):
    """What must be the same on all kernels of the run, whatever it is."""

    agree: Literal[True]
    """Always true."""


class RecordExpectation(Compared):
    """What must be as it was recorded on one kernel, in a file that you review."""

    record: Annotated[str, Field(min_length=1)]
    """The file that `--update` writes, relative to the suite's folder: rows/tasks.yaml.
    A folder, rows/, gets a file of the case's name."""

    def file(self, case: str) -> str:
        """Return the file's path, relative to the suite's folder."""
        if not self.record.endswith(_FOLDER):
            return self.record
        kind, name = ("value", self.value) if self.value else self.shown
        inside = "" if self.inner is None else f"-{_inline(self.inner)}"
        text = f"{case}-{kind}-{name}{inside}"
        words = "-".join(re.findall(r"\w+", text, re.ASCII))
        return f"{self.record}{words}{_YAML}"


def _inline(key: JsonValue) -> str:
    return key if isinstance(key, str) else json.dumps(key, ensure_ascii=False)


def mistakes(expectation: Compared, at: Where) -> Iterator[Mistake]:
    """Find what is wrong with what is compared, and with how."""
    yield from _subject(expectation, at)
    paths: list[tuple[Where, str]] = [
        *((("ignore", number), it) for number, it in enumerate(expectation.ignore)),
        *((("normalise", it), it) for it in expectation.normalise),
    ]
    for where, path in paths:
        if not _PATH.fullmatch(path):
            what = "is not a path such as key, value.pid or value.stack[]"
            yield Mistake((*at, *where), f"{path!r} {what}")
        elif path.startswith("key") and (expectation.map is None or expectation.show):
            yield Mistake((*at, *where), f"{path!r}: only a map's rows have a key")
    for path, how in expectation.normalise.items():
        yield from _how(how, (*at, "normalise", path))
    for pattern, how in expectation.patterns.items():
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            what = f"not a regular expression: {error}"
            yield Mistake((*at, "patterns", pattern), what)
        yield from _how(how, (*at, "patterns", pattern))
    yield from _nothing(expectation, at)
    if isinstance(expectation, RecordExpectation):
        yield from _file(expectation.record, (*at, "record"))


def _subject(expectation: Compared, at: Where) -> Iterator[Mistake]:
    named = ("map", "program", "value")
    given = [it for it in named if getattr(expectation, it) is not None]
    if len(given) != 1:
        what = f"needs one of {', '.join(named)}; {len(given)} given"
        yield Mistake(at, what)
        return
    if expectation.program is not None and expectation.show is None:
        yield Mistake(at, "`program` needs `show`: [type, tag]")
    if expectation.value is not None and expectation.show is not None:
        yield Mistake((*at, "show"), "needs `program` or `map`")
    if expectation.inner is not None and expectation.map is None:
        yield Mistake((*at, "inner"), "only works with `map`")
    for key in ("field", "cpu"):
        if getattr(expectation, key) is not None and expectation.dumped is None:
            yield Mistake((*at, key), "only works for the rows of a `map`")


def _nothing(expectation: Compared, at: Where) -> Iterator[Mistake]:
    """Find what leaves nothing to compare, whatever the types are."""
    name = expectation.dumped
    # Global data has one row, without a key.
    has_key = name is not None and "." not in name
    shown = [f"value.{it}" for it in expectation.show or ()]
    without_value = _is_left_out(expectation, "value") or (
        bool(shown) and all(_is_left_out(expectation, it) for it in shown)
    )
    key = "ignore" if expectation.ignore else "normalise"
    if without_value and (not has_key or _is_left_out(expectation, "key")):
        yield Mistake((*at, key), "leaves nothing to compare")
    elif expectation.field is not None and "value" in expectation.ignore:
        what = f"leaves nothing of the field {expectation.field!r}"
        yield Mistake((*at, "ignore"), what)


def _is_left_out(expectation: Compared, path: str) -> bool:
    if path in expectation.ignore:
        return True
    # A part of it may be compared nevertheless.
    inner = (f"{path}.", f"{path}[")
    return expectation.normalise.get(path) == "any" and all(
        how == "any" or it in expectation.ignore
        for it, how in expectation.normalise.items()
        if it.startswith(inner)
    )


def _how(how: str | tuple[int, int], at: Where) -> Iterator[Mistake]:
    if isinstance(how, tuple):
        if how[0] > how[1]:
            yield Mistake(at, f"no number is between {how[0]} and {how[1]}")
    elif how not in KINDS and not _REFERENCE.fullmatch(how):
        what = f"must be {', '.join(KINDS)}, a reference or a range"
        yield Mistake(at, f"{how!r} {what}{near(how, KINDS)}")


def _file(name: str, at: Where) -> Iterator[Mistake]:
    parts = PurePosixPath(name).parts
    if not all(_SAFE.fullmatch(it) for it in parts) or ".." in parts:
        what = "must be a path below the suite's folder, of letters, digits, '_', '.'"
        yield Mistake(at, f"{name!r} {what} and '-'")
    elif not name.endswith((_YAML, _FOLDER)):
        what = f"must end in {_YAML}, or in {_FOLDER} for a folder"
        yield Mistake(at, f"{name!r} {what}")
