"""What became of a field, or of an enumerator, from kernel to kernel."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from runner.bpf.btf import COMPOSITES, ENUMERATIONS
from runner.bpf.kinds import Kind, RelocationKind
from runner.errors import UsageError
from runner.preflight import targets
from runner.preflight.candidates import Blamer, Stop, walk
from runner.preflight.engine import Engine, FieldAnswer, LocalAnswer, RootAnswer
from runner.preflight.model import Candidate
from runner.preflight.targets import BtfSource

_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_FIELD = re.compile(r"(?:struct |union |enum )?(\w+)((?:\.\w+|\[\d+\])+)")
# Of any enumeration; the kernel writes them so.
_ENUMERATOR = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class FieldState:
    """A field on a kernel."""

    # "unsigned int, 4 bytes at 24"; empty where it is missing.
    shown: str
    near: tuple[Candidate, ...] = ()

    def __str__(self) -> str:
        if self.shown:
            return self.shown
        if not self.near:
            return "missing"
        return f"missing; similar: {', '.join(map(str, self.near))}"


@dataclass(frozen=True, kw_only=True)
class Span:
    """Kernels behind each other where a field is the same."""

    sources: tuple[BtfSource, ...]
    state: FieldState


@dataclass(frozen=True, kw_only=True)
class _There:
    """What a kernel has."""

    shown: str
    # None for an enumerator.
    field: FieldAnswer | None = None


def history(field: str, sources: Sequence[BtfSource], engine: Engine) -> list[Span]:
    """Return what a field is on kernels, in their order, the same ones together.

    Or an enumerator: ENUM.NAME, or NAME alone. Raises UsageError for what is neither,
    RunnerError for BTF that can't be used.
    """
    if _ENUMERATOR.fullmatch(field):
        found = [_enumerator(field, it, engine) for it in sources]
        near = [FieldState(shown=it) for it in found]
        return _spans(sources, near)
    local = _parse(field)
    there = [_there(local, it, engine) for it in sources]
    states = [
        FieldState(shown=it.shown)
        if it is not None
        else _missing(local, source, _nearest(there, number), engine)
        for number, (source, it) in enumerate(zip(sources, there, strict=True))
    ]
    return _spans(sources, states)


def _spans(sources: Sequence[BtfSource], states: Sequence[FieldState]) -> list[Span]:
    pairs = zip(sources, states, strict=True)
    return [
        Span(sources=tuple(source for source, _ in group), state=state)
        for state, group in groupby(pairs, key=lambda it: it[1])
    ]


def _nearest(there: Sequence[_There | None], number: int) -> FieldAnswer | None:
    """Return what the nearest kernel has that has the field."""
    known = [at for at, it in enumerate(there) if it is not None]
    nearest = min(known, key=lambda at: abs(at - number), default=None)
    found = None if nearest is None else there[nearest]
    return found.field if found else None


def _parse(field: str) -> LocalAnswer:
    found = _FIELD.fullmatch(field)
    if found is None:
        raise UsageError(
            f"--explain: {field!r} is not a field",
            hint="write it like task_struct.thread.fsbase, mm_struct.rss_stat[0], or "
            "bpf_func_id.BPF_FUNC_loop",
        )
    name, steps = found.groups()
    return LocalAnswer(
        root=RootAnswer(kind=Kind.STRUCT, name=name, text=f"struct {name}"),
        steps=tuple(word or int(number) for word, number in _STEP.findall(steps)),
    )


def is_field(text: str) -> bool:
    """Tell whether `has_field` can look for it: it leads behind no pointer."""
    return _FIELD.fullmatch(text) is not None


def has_field(field: str, engine: Engine) -> bool:
    """Tell whether the engine's target has a field."""
    return _find(_parse(field), engine) is not None


def _find(local: LocalAnswer, engine: Engine) -> Stop | None:
    assert local.root is not None
    (types,) = engine.find([local.root.name])
    for type_ in engine.types([id_ for id_, kind in types if kind in COMPOSITES]):
        if type_ is not None:
            stop = walk(type_, local.root.name, local, engine)
            if stop.walked == len(local.steps):
                return stop
    return None


def _there(local: LocalAnswer, source: BtfSource, engine: Engine) -> _There | None:
    _load(source, engine)
    stop = _find(local, engine)
    if stop is None:
        value = _value(local, engine)
        return None if value is None else _There(shown=_value_text(value))
    holder = stop.holder
    of = f", {holder.size} bytes" if holder.size is not None else ""
    at = f"{stop.base // 8}" + (f":{stop.base % 8}" if stop.base % 8 else "")
    return _There(
        shown=f"{holder.text}{of} at {at}",
        field=FieldAnswer(
            text=holder.text,
            kind=holder.kind,
            size=holder.size,
            bits=0,
            bit_offset=stop.base,
            signed=False,
        ),
    )


def _load(source: BtfSource, engine: Engine) -> None:
    target = targets.load(source)
    engine.load_target(target.btf, target.modules)


def _value(local: LocalAnswer, engine: Engine) -> int | None:
    """Return the value of ENUM.NAME; None where there is none."""
    assert local.root is not None
    (types,) = engine.find([local.root.name])
    found = engine.types([id_ for id_, kind in types if kind in ENUMERATIONS])
    values = [
        it.enumerators[str(local.steps[0])]
        for it in found
        if it is not None and str(local.steps[0]) in it.enumerators
    ]
    return values[0] if values and len(local.steps) == 1 else None


def _enumerator(name: str, source: BtfSource, engine: Engine) -> str:
    _load(source, engine)
    (value,) = engine.enumerators([name])
    return "" if value is None else _value_text(value)


def _value_text(value: int) -> str:
    return f"an enumerator, {value}"


def _missing(
    local: LocalAnswer, source: BtfSource, known: FieldAnswer | None, engine: Engine
) -> FieldState:
    """Return what is near, of the type that the nearest kernel has."""
    _load(source, engine)
    assert local.root is not None
    (types,) = engine.find([local.root.name])
    kind = RelocationKind.BYTE_OFF
    if any(it in ENUMERATIONS for _, it in types) and len(local.steps) == 1:
        kind = RelocationKind.ENUMVAL_VALUE
        root = local.root.model_copy(update={"kind": Kind.ENUM})
        local = local.model_copy(update={"root": root})
    blame = Blamer(engine)(kind, local.model_copy(update={"field": known}), "")
    return FieldState(shown="", near=_plain(blame[1] if blame else ()))


def _plain(near: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the nearest one, without what differs from kernel to kernel."""
    return tuple(replace(it, bit_offset=None, likeness=0) for it in near[:1])
