"""What a suite expects of a map, and what can come of the map's types.

runner.suites.checks.equality compares with what was read. This says before any boot
what can't be equal, whatever a program stores.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from runner.bpf.forms import (
    BitsForm,
    BytesForm,
    EnumForm,
    Form,
    ListForm,
    MembersForm,
    NumberForm,
    TextForm,
)
from runner.files.modelfile import Mistake, Where, written
from runner.suites.checks.equality import bytes_of, characters_of, number
from runner.suites.checks.text import join, listing, no_such
from runner.suites.model import Matcher
from runner.suites.references import used

_BITS = re.compile(r"0x(0|[1-9a-f][0-9a-f]*)")
_INDEX = re.compile(r"\[\d+\]\.?")
# What a number may be read of.
_NUMBERS = (NumberForm, BitsForm, EnumForm, TextForm, BytesForm)
_COUNTING = ("mask", "within", "between")
# Of which nobody says how large it may be.
_ANY_NUMBER = NumberForm(size=32, is_signed=True)


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What something is compared with."""

    # "a value of map cells", and which member of it.
    owner: str
    path: str = ""
    # None where nobody knows before the boot.
    form: Form | None
    # Whether all members of a mapping are compared, and not only those that it names.
    is_whole: bool = True

    @property
    def subject(self) -> str:
        """What messages call it."""
        return f"{self.path} in {self.owner}" if self.path else self.owner

    def member(self, name: str, form: Form, *, is_whole: bool) -> "Fitted":
        """Return a part of it."""
        path = join(self.path, name)
        return replace(self, path=path, form=form, is_whole=is_whole)

    def at(self, path: str) -> "Fitted":
        """Return the member that a path such as "last.sizes[2]" leads to."""
        return replace(
            self, path=join(self.path, path), form=_followed(self.form, path)
        )


def _followed(form: Form | None, path: str) -> Form | None:
    rest = path
    while rest and form is not None:
        if index := _INDEX.match(rest):
            rest = rest[index.end() :]
            # A character is shown as a number, of either sign.
            form = form.element if isinstance(form, ListForm) else None
            continue
        if not isinstance(form, MembersForm):
            return None
        # A static variable of a function has a dot in its name.
        names = [
            it
            for it in form.members
            if rest == it or rest.startswith((f"{it}.", f"{it}["))
        ]
        if not names:
            return None
        name = max(names, key=len)
        form, rest = form.members[name], rest[len(name) :].removeprefix(".")
    return form


# ------------------------------------------------------------------ values


def misfits(
    expected: JsonValue, what: Fitted, at: Where, *, takes_bytes: bool = False
) -> Iterator[Mistake]:
    """Find why a value can never be equal; nothing where it may be.

    `at` is where the suite has it. With `takes_bytes`, text such as "0x01 0x02" may be
    meant for kernels that format nothing. What a reference will be is known later.
    """
    form = what.form
    if form is None or _is_reference(expected):
        return
    if takes_bytes and isinstance(expected, str) and _are_bytes(expected, form.size):
        return
    if isinstance(form, MembersForm) and isinstance(expected, Mapping):
        yield from _members(expected, form, what, at)
    elif (
        isinstance(form, ListForm)
        and isinstance(expected, list)
        and len(expected) == form.length
    ):
        for index, value in enumerate(expected):
            part = what.member(f"[{index}]", form.element, is_whole=True)
            yield from misfits(value, part, (*at, index))
    elif not _fits(expected, form):
        words = f"{written(expected)}: {what.subject} {_is(form, expected)}"
        yield Mistake(at, words)


def _is_reference(expected: JsonValue) -> bool:
    return isinstance(expected, str) and any(True for _ in used(expected))


def _members(
    expected: Mapping[str, JsonValue], form: MembersForm, what: Fitted, at: Where
) -> Iterator[Mistake]:
    for name, value in expected.items():
        if name not in form.members:
            near = no_such("field", name, form.members)
            yield Mistake((*at, name), f"{name!r}: {near}")
            continue
        part = what.member(name, form.members[name], is_whole=what.is_whole)
        yield from misfits(value, part, (*at, name))
    missing = [it for it in form.members if it not in expected]
    if what.is_whole and missing and form.members.keys() >= expected.keys():
        words = "is" if len(missing) == 1 else "are"
        yield Mistake(
            at,
            f"{what.subject} is compared with all of its members, and "
            f"{listing(missing)} {words} missing",
        )


def _fits(expected: JsonValue, form: Form) -> bool:
    """Whether a value that can't be taken apart may be equal."""
    match form:
        case NumberForm():
            low, high = form.ends
            whole = _integer(expected)
            return whole is not None and low <= whole <= high
        case BitsForm():
            return _are_bits(expected, form.bits)
        case EnumForm():
            if isinstance(expected, str):
                return expected in form.numbers
            whole = _integer(expected)
            return whole is not None and whole not in form.numbers.values()
        case TextForm():
            return _is_text(expected, form.size)
        case ListForm():
            # A list of numbers may be text, too.
            plain = isinstance(form.element, NumberForm) and not form.element.is_bool
            return (
                plain and isinstance(expected, str) and _is_text(expected, form.length)
            )
        case MembersForm():
            return False
        case BytesForm():
            return _are_bytes(expected, form.size)


def _integer(expected: JsonValue) -> int | None:
    if isinstance(expected, float) and expected.is_integer():
        return int(expected)
    return int(expected) if isinstance(expected, int) else None


def _are_bits(expected: JsonValue, bits: int) -> bool:
    if isinstance(expected, str) and not _BITS.fullmatch(expected):
        return False
    found = number(expected) if isinstance(expected, int | str) else None
    return found is not None and 0 <= found < 1 << bits


def _is_text(expected: JsonValue, size: int) -> bool:
    match expected:
        case str():
            return len(expected.encode("utf-8", "replace")) <= size
        case int():
            # A truth that reads as a number.
            return expected >= 0
    # What comes after a NUL is not shown, and taken for zeros.
    codes = characters_of(expected)
    return codes is not None and len(codes.rstrip(b"\0")) <= size


def _are_bytes(expected: JsonValue, size: int) -> bool:
    match expected:
        case int():
            return -(1 << 8 * size >> 1) <= expected < 1 << 8 * size
        case str():
            found = bytes_of(expected)
        case _:
            found = characters_of(expected)
    return found is not None and len(found) == size


# ---------------------------------------------------------------- matchers


def misfits_of(
    matcher: Matcher, what: Fitted, at: Where, *, is_sum: bool = False
) -> Iterator[Mistake]:
    """Find why no value can be as a matcher wants it; nothing where one may be.

    With `is_sum`, the values of all processors are added up.
    """
    if what.form is None:
        return
    counting = [it for it in _COUNTING if getattr(matcher, it) is not None]
    counting += ["cpu"] if is_sum else []
    if counting and not isinstance(what.form, _NUMBERS):
        words = f"`{counting[0]}` needs a number; {what.subject} {_is(what.form)}"
        yield Mistake((*at, counting[0]), words)
        return
    if matcher.mask is not None or is_sum:
        # The type does not limit what comes of it.
        kind = "sum" if is_sum else "masked value"
        what = Fitted(owner=f"the {kind} of {what.subject}", form=_ANY_NUMBER)
    if matcher.between is not None:
        yield from _outside(matcher.between, what, (*at, "between"))
    elif matcher.within is not None:
        middle, off = _number(matcher.equals), matcher.within
        ends = (None, None) if middle is None else (middle - off, middle + off)
        if middle is None and not _is_reference(matcher.equals):
            yield Mistake((*at, "equals"), f"{written(matcher.equals)} is not a number")
        yield from _outside(ends, what, (*at, "equals"))
    elif matcher.one_of is not None:
        found = [
            list(misfits(it, what, (*at, "one_of", index), takes_bytes=not what.path))
            for index, it in enumerate(matcher.one_of)
        ]
        # One is enough; others may be those of other kernels.
        if all(found):
            yield from (mistakes[0] for mistakes in found)
    elif "equals" in matcher.model_fields_set:
        place = (*at, "equals")
        yield from misfits(matcher.equals, what, place, takes_bytes=not what.path)


def _outside(ends: Sequence[JsonValue], what: Fitted, at: Where) -> Iterator[Mistake]:
    low, high = map(_number, ends)
    if low is None or high is None or not isinstance(what.form, NumberForm):
        return
    lowest, highest = what.form.ends
    if high < lowest or low > highest:
        yield Mistake(at, f"{low} to {high}: {what.subject} {_is(what.form)}")


def _number(value: JsonValue) -> int | None:
    """Return a number that the suite itself says."""
    return None if isinstance(value, str) and _is_reference(value) else number(value)


# ------------------------------------------------------------------- words


def _is(form: Form, expected: JsonValue = None) -> str:
    """Return what something of a form is, in words, where `expected` does not fit."""
    match form:
        case NumberForm() if form == _ANY_NUMBER:
            return "is a number"
        case NumberForm(is_bool=True):
            return "is true or false"
        case NumberForm():
            low, high = form.ends
            return f"is an integer of {_bytes(form.size)}, {low} to {high}"
        case BitsForm():
            return f"is a number of {form.bits} bits, 0x0 to {(1 << form.bits) - 1:#x}"
        case EnumForm():
            number = _integer(expected)
            for name, it in form.numbers.items():
                if it == number:
                    return f"is shown by its name, {name}"
            return f"is a name of {_type(form.type)}: {listing(form.numbers)}"
        case TextForm():
            return f"is text of at most {_bytes(form.size)}"
        case ListForm():
            return f"is a list of {form.length} elements"
        case MembersForm():
            names = listing(form.members) or "none"
            return f"is a mapping of the members of {_type(form.type)}: {names}"
        case BytesForm():
            return (
                f"is {_bytes(form.size)} that nothing formats: a number, or text such "
                'as "0x01 0x02"'
            )


def _bytes(size: int) -> str:
    return "1 byte" if size == 1 else f"{size} bytes"


def _type(type_: str) -> str:
    """Return "struct cell", or "a struct" for one without a name."""
    return f"a {type_.strip()}" if type_.endswith(" ") else type_
