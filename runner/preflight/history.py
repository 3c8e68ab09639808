"""What became of a field from kernel to kernel."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from runner.bpf.btf import COMPOSITES
from runner.bpf.kinds import Kind, RelocationKind
from runner.errors import UsageError
from runner.preflight import targets
from runner.preflight.candidates import Blamer, Stop, walk
from runner.preflight.engine import Engine, LocalAnswer, RootAnswer
from runner.preflight.model import Candidate
from runner.preflight.targets import BtfSource

_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_FIELD = re.compile(r"(?:struct |union )?(\w+)((?:\.\w+|\[\d+\])+)")


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


def history(field: str, sources: Sequence[BtfSource], engine: Engine) -> list[Span]:
    """Return what a field is on kernels, in their order, the same ones together.

    Raises UsageError for what is no field, RunnerError for BTF that can't be used.
    """
    local = _parse(field)
    states = [(source, _state(local, source, engine)) for source in sources]
    return [
        Span(sources=tuple(source for source, _ in group), state=state)
        for state, group in groupby(states, key=lambda it: it[1])
    ]


def _parse(field: str) -> LocalAnswer:
    found = _FIELD.fullmatch(field)
    if found is None:
        raise UsageError(
            f"--explain: {field!r} is not a field",
            hint="write it like task_struct.thread.fsbase or mm_struct.rss_stat[0]",
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


def _state(local: LocalAnswer, source: BtfSource, engine: Engine) -> FieldState:
    target = targets.load(source)
    engine.load_target(target.btf, target.modules)
    stop = _find(local, engine)
    if stop is not None:
        size = stop.holder.size
        of = f", {size} bytes" if size is not None else ""
        at = f"{stop.base // 8}" + (f":{stop.base % 8}" if stop.base % 8 else "")
        return FieldState(shown=f"{stop.holder.text}{of} at {at}")
    blame = Blamer(engine)(RelocationKind.BYTE_OFF, local, "")
    return FieldState(shown="", near=_plain(blame[1] if blame else ()))


def _plain(near: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the nearest one, without what differs from kernel to kernel."""
    return tuple(replace(it, bit_offset=None, likeness=0) for it in near[:1])
