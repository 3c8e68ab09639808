"""Say why a kernel lacks what a relocation is about, and what may have become of it."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from runner.bpf.btf import COMPOSITES, ENUMERATIONS
from runner.bpf.kinds import Kind, RelocationKind
from runner.preflight.engine import (
    Engine,
    FieldAnswer,
    LocalAnswer,
    MemberAnswer,
    MovedAnswer,
    RootAnswer,
    TypeAnswer,
)
from runner.preflight.model import Candidate, Difference, FieldLayout

_MOST = 3
# How much names resemble each other, from 0 to 1.
_LIKE = 0.6
# What the same type is worth.
_SAME_TYPE = 0.2
# What the place is worth where a kernel nearby has the member.
_SAME_PLACE = 1.0
# What a name is worth that has the names of two steps.
_FLATTENED = 0.8
# What another type costs a member that has the right name. One of another kind is no
# candidate elsewhere: names such as `owner` mean many things.
_OTHER_TYPE = 0.1
_OTHER_KIND = 0.45
# What it costs to be behind a pointer, where it likely was before.
_ELSEWHERE = 0.05
_DEEPEST = 64

Blame = tuple[Difference, tuple[Candidate, ...]]
# Where a kernel nearby has each step of an access, in bits, and what it has there.
Known = tuple[tuple[int, ...], FieldLayout | None]


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Where the way through the kernel's types ends."""

    difference: Difference
    # How many steps went well.
    walked: int
    # The type where it ended.
    holder: TypeAnswer
    # What leads there: "task_struct.thread".
    access: str
    # Where that is, in bits from the beginning.
    base: int


class Blamer:
    """Blames what a target lacks; each thing once, however often it is relocated."""

    def __init__(
        self, engine: Engine, nearby: Mapping[str, Known] | None = None
    ) -> None:
        """Blame with what is known of a kernel nearby, by access."""
        self._engine = engine
        self._nearby = nearby or {}
        self._known: dict[object, Blame] = {}

    def __call__(
        self, kind: RelocationKind, local: LocalAnswer, access: str
    ) -> Blame | None:
        """Return why something is missing from the engine's target, and what is near.

        None when the object itself is not understood.
        """
        if local.root is None:
            return None
        key = local.root, local.steps, kind.is_of_field, kind.is_of_enumerator
        if key not in self._known:
            known = self._nearby.get(access)
            self._known[key] = _blame(kind, local, local.root, known, self._engine)
        return self._known[key]


def _blame(
    kind: RelocationKind,
    local: LocalAnswer,
    root: RootAnswer,
    known: Known | None,
    engine: Engine,
) -> Blame:
    name = root.name.partition("___")[0]
    (found,) = engine.find([name], flavors=True)
    same = [id_ for id_, other in found if _agree(other, root.kind)]
    if not same:
        return Difference.NO_TYPE, _types_near(name, local, root.kind, found, engine)
    types = [it for it in engine.types(same) if it is not None]
    if kind.is_of_enumerator:
        return Difference.NO_ENUMERATOR, _enumerators_near(local, types)
    if not kind.is_of_field:
        return Difference.RESHAPED, ()
    stops = [walk(it, name, local, engine) for it in types]
    stop = max(stops, key=lambda it: it.walked)
    if stop.difference is not Difference.NO_FIELD:
        return stop.difference, (_misfit(stop),)
    return stop.difference, _fields_near(stop, local, known, engine)


def _agree(kind: Kind, wanted: Kind) -> bool:
    return kind == wanted or (kind in ENUMERATIONS and wanted in ENUMERATIONS)


# -------------------------------------------------------------------- fields


def members_of(type_: TypeAnswer, engine: Engine) -> Iterator[MemberAnswer]:
    """Yield a struct's members, with those of nameless ones, from its own start."""
    yield from _members(type_, engine, 0, 0)


def _members(
    type_: TypeAnswer, engine: Engine, base: int, depth: int
) -> Iterator[MemberAnswer]:
    for member in type_.fields:
        at = base + member.bit_offset
        if member.name:
            # There are thousands, and most of them are where they should be.
            yield member.model_copy(update={"bit_offset": at}) if base else member
        elif depth < _DEEPEST:
            (inner,) = engine.types([member.type])
            if inner is not None and inner.kind in COMPOSITES:
                yield from _members(inner, engine, at, depth + 1)


def walk(type_: TypeAnswer, name: str, local: LocalAnswer, engine: Engine) -> Stop:
    """Go a local access's way through a type of the target, as far as it leads."""
    access, base, walked = name, 0, 0
    difference = Difference.RETYPED
    for step in local.steps:
        found = _step(type_, step, engine)
        if isinstance(found, Difference):
            difference = found
            break
        type_, bits = found
        access += f"[{step}]" if isinstance(step, int) else f".{step}"
        base += bits
        walked += 1
    return Stop(
        difference=difference, walked=walked, holder=type_, access=access, base=base
    )


def _step(
    type_: TypeAnswer, step: str | int, engine: Engine
) -> Difference | tuple[TypeAnswer, int]:
    """Return an element or member, and where it is in bits, or why there is none."""
    if isinstance(step, int):
        if type_.kind is not Kind.ARRAY:
            return Difference.RETYPED
        # An array of none has as many as there is room for.
        if type_.count and step >= type_.count:
            return Difference.TOO_SHORT
        (inner,) = engine.types([type_.to])
        return (inner, 8 * step * (inner.size or 0)) if inner else Difference.RETYPED
    if type_.kind not in COMPOSITES:
        return Difference.RETYPED
    member = next((it for it in members_of(type_, engine) if it.name == step), None)
    if member is None:
        return Difference.NO_FIELD
    (inner,) = engine.types([member.type])
    return (inner, member.bit_offset) if inner else Difference.RETYPED


def _misfit(stop: Stop) -> Candidate:
    """Return what stands in the place, which is of another type than the object's."""
    return Candidate(
        difference=stop.difference, access=stop.access, type=stop.holder.text
    )


def _fields_near(
    stop: Stop, local: LocalAnswer, known: Known | None, engine: Engine
) -> tuple[Candidate, ...]:
    wanted = local.steps[stop.walked]
    assert isinstance(wanted, str)
    last = stop.walked == len(local.steps) - 1
    field = local.field if last else None
    was = _place_before(known, stop.walked, last=last) if known else None
    behind = local.steps[stop.walked + 1 : stop.walked + 2]
    moved = [
        Candidate(
            difference=Difference.MOVED,
            access=_from(stop, it),
            type=it.text,
            bit_offset=it.bit_offset,
            likeness=_moved_likeness(it, field)
            + (_SAME_PLACE if it.inside and _is_in_place(stop, it, was) else 0),
        )
        for it in engine.moved(stop.holder.id, wanted)
        if _leads_on(it, behind, engine)
    ]
    plain = wanted.strip("_")
    renamed = []
    for it in members_of(stop.holder, engine):
        bonus = (_SAME_TYPE if field and _alike(it, field) else 0) + (
            _SAME_PLACE if _is_in_place(stop, it, was) else 0
        )
        worth = _LIKE - (_SAME_TYPE if bonus else 0)
        likeness = _likeness(plain, it.name.strip("_"), worth)
        # Most of a large struct's members are nothing like it.
        if (likeness or bonus) and _leads_on(it, behind, engine):
            renamed.append(
                Candidate(
                    difference=Difference.RENAMED,
                    access=f"{stop.access}.{it.name}",
                    type=it.text,
                    bit_offset=it.bit_offset,
                    likeness=likeness + bonus,
                )
            )
    rest = local.steps[stop.walked + 1 :]
    flat = _flattened(stop, wanted, rest, local.field, engine)
    found = _best([*moved, *renamed, *flat])
    return found or _regrouped(stop, rest, local.field, engine)


def _flattened(
    stop: Stop,
    wanted: str,
    rest: Sequence[str | int],
    field: FieldAnswer | None,
    engine: Engine,
) -> Iterator[Candidate]:
    """Yield members that took the place of a member of a struct that is gone.

    `i_ctime_sec` is what `i_ctime.tv_sec` was.
    """
    if not rest or not isinstance(rest[-1], str):
        return
    begin, end = wanted.strip("_") + "_", "_" + rest[-1].rpartition("_")[2]
    for it in members_of(stop.holder, engine):
        if it.name.strip("_").startswith(begin) and it.name.endswith(end):
            same = field is not None and _alike(it, field)
            yield Candidate(
                difference=Difference.RENAMED,
                access=f"{stop.access}.{it.name}",
                type=it.text,
                bit_offset=it.bit_offset,
                likeness=_FLATTENED + (_SAME_TYPE if same else 0),
            )


def _regrouped(
    stop: Stop, rest: Sequence[str | int], field: FieldAnswer | None, engine: Engine
) -> tuple[Candidate, ...]:
    """Return the only other struct of the holder that has what is looked for.

    `module.mem[0].base` is what `module.core_layout.base` was. Where several have it,
    nothing tells which one it is.
    """
    if not rest or field is None:
        return ()
    members = list(members_of(stop.holder, engine))
    found = []
    for it, inner in zip(members, engine.types(it.type for it in members), strict=True):
        path = [0, *rest] if inner and inner.kind is Kind.ARRAY else list(rest)
        end = _at_end(inner, path, engine)
        if end is not None and end.text == field.text:
            access = f"{stop.access}.{it.name}{_path_text(path)}"
            found.append(
                Candidate(
                    difference=Difference.MOVED,
                    access=access,
                    type=end.text,
                    likeness=_LIKE,
                )
            )
    return tuple(found) if len(found) == 1 else ()


def _at_end(
    type_: TypeAnswer | None, path: Sequence[str | int], engine: Engine
) -> TypeAnswer | None:
    """Return the type that a path leads to; None where it leads nowhere."""
    for step in path:
        found = _step(type_, step, engine) if type_ else Difference.RETYPED
        if isinstance(found, Difference):
            return None
        type_, _ = found
    return type_


def _path_text(path: Sequence[str | int]) -> str:
    return "".join(f"[{it}]" if isinstance(it, int) else f".{it}" for it in path)


def _leads_on(
    member: MemberAnswer, behind: Sequence[str | int], engine: Engine
) -> bool:
    """Whether a member of a struct has what an access wants behind it, if anything."""
    (inner,) = engine.types([member.type]) if behind else (None,)
    if inner is None:
        return not behind
    if isinstance(behind[0], int):
        return inner.kind is Kind.ARRAY
    return any(it.name == behind[0] for it in members_of(inner, engine))


@dataclass(frozen=True, kw_only=True)
class _Before:
    """What a kernel nearby has there."""

    # Bits from the beginning of the access.
    place: int
    # Kind and size; None on the way to the field, where only structs can stand.
    shape: tuple[str, int | None, int] | None


def _place_before(known: Known, walked: int, *, last: bool) -> _Before | None:
    trail, field = known
    if walked >= len(trail):
        return None
    shape = (field.kind, field.size, field.bits) if last and field else None
    return _Before(place=trail[walked], shape=shape)


def _is_in_place(stop: Stop, member: MemberAnswer, was: _Before | None) -> bool:
    """Tell whether a member stands where a kernel nearby has what is looked for."""
    if was is None or stop.base + member.bit_offset != was.place:
        return False
    if was.shape is None:
        return member.kind in (*COMPOSITES, Kind.ARRAY)
    return (member.kind.name, member.size, member.bits) == was.shape


def _from(stop: Stop, member: MovedAnswer) -> str:
    """Return how to get there: in the type itself by the way that led to it."""
    if not member.inside:
        return member.access
    return f"{stop.access}.{member.access.partition('.')[2]}"


def _alike(member: MemberAnswer, field: FieldAnswer) -> bool:
    """Tell whether types are the same; compilers name integers in different ways."""
    if member.text == field.text:
        return True
    whole = member.kind is field.kind is Kind.INT
    return whole and (member.size, member.signed) == (field.size, field.signed)


def _moved_likeness(member: MovedAnswer, field: FieldAnswer | None) -> float:
    cost = _ELSEWHERE if "->" in member.access else 0.0
    if field and member.kind is not field.kind:
        cost += _OTHER_KIND
    elif field and not _alike(member, field):
        cost += _OTHER_TYPE
    return 1.0 - cost


# Kernels have mostly the same names.
@lru_cache(maxsize=1 << 16)
def _likeness(wanted: str, name: str, worth: float = _LIKE) -> float:
    """Return how much names are alike, or 0 when it is less than `worth`."""
    both = len(wanted) + len(name)
    # What matches in order is at most that much, and found in a tenth of the time.
    least = worth * both / 2
    if min(len(wanted), len(name)) < least or _in_common(wanted, name) < least:
        return 0.0
    return difflib.SequenceMatcher(None, wanted, name).ratio()


def _in_common(wanted: str, name: str) -> int:
    """Return the length of the longest common subsequence: Hyyrö's bit vectors."""
    places = _places(wanted)
    ends = full = (1 << len(wanted)) - 1
    for letter in name:
        matches = ends & places.get(letter, 0)
        ends = (ends + matches) | (ends - matches)
    return len(wanted) - (ends & full).bit_count()


@lru_cache(maxsize=64)
def _places(name: str) -> Mapping[str, int]:
    """Return where each letter stands in a name, a bit for each place."""
    found: dict[str, int] = {}
    for place, letter in enumerate(name):
        found[letter] = found.get(letter, 0) | 1 << place
    return found


def _best(found: Iterable[Candidate]) -> tuple[Candidate, ...]:
    good = [it for it in found if it.likeness >= _LIKE]
    good.sort(key=lambda it: (-it.likeness, len(it.access)))
    return tuple(good[:_MOST])


# ------------------------------------------------------- types, enumerators


def _types_near(
    name: str,
    local: LocalAnswer,
    kind: Kind,
    found: Sequence[tuple[int, Kind]],
    engine: Engine,
) -> tuple[Candidate, ...]:
    other = [
        Candidate(
            difference=Difference.RETYPED,
            access=it.text,
            type=it.kind.name.lower(),
        )
        for it in engine.types(
            [id_ for id_, other in found if other is not kind][:_MOST]
        )
        if it is not None
    ]
    renamed = [
        Candidate(
            difference=Difference.RENAMED,
            access=near,
            likeness=_likeness(name, near),
        )
        for near in engine.near(name)
        if near != name and _has_first(near, local, engine)
    ]
    return _best([*other, *renamed])


def _has_first(name: str, local: LocalAnswer, engine: Engine) -> bool:
    """Whether a struct has the member that an access begins with, if it has any."""
    first = next((it for it in local.steps if isinstance(it, str)), None)
    (found,) = engine.find([name])
    types = engine.types([id_ for id_, kind in found if kind in COMPOSITES])
    return first is None or any(
        member.name == first
        for type_ in types
        if type_ is not None
        for member in members_of(type_, engine)
    )


def _enumerators_near(
    local: LocalAnswer, types: Sequence[TypeAnswer]
) -> tuple[Candidate, ...]:
    wanted = str(local.steps[-1]) if local.steps else ""
    return _best(
        Candidate(
            difference=Difference.RENAMED,
            access=name,
            type=it.text,
            likeness=_likeness(*_own_words(wanted, name)),
        )
        for it in types
        for name in it.enumerators
    )


def _own_words(wanted: str, name: str) -> tuple[str, str]:
    """Return names without the words that all of an enumeration begin with."""
    own, other = wanted.split("_"), name.split("_")
    while len(own) > 1 and len(other) > 1 and own[0] == other[0]:
        own, other = own[1:], other[1:]
    return "_".join(own), "_".join(other)
