"""Expectations that hold whatever the object does, and so check nothing."""

import re
from collections.abc import Collection, Iterable, Iterator

from runner.suites.comparable import Compared
from runner.suites.model import Expectation, Matcher, ValueExpectation
from runner.suites.references import used

# Where a mistake is, below its expectation; and what it is.
Found = tuple[tuple[str, ...], str]


def mistakes(expectation: Expectation) -> Iterator[Found]:
    """Find what makes an expectation hold always."""
    if not isinstance(expectation, Matcher):
        return
    if expectation.mask == 0:
        yield ("mask",), "a mask of 0 leaves nothing to compare"
    key = _all_values(expectation)
    if key:
        yield (key,), _OF_ALL[key]
    if isinstance(expectation, ValueExpectation):
        for key in _repeating(expectation):
            yield (
                (key,),
                f"compares {expectation.value} with itself, which always holds; "
                "compare it with a number, a text or a truth",
            )


# What a value of 64 bits may be, without a sign and with one.
_UNSIGNED = (0, (1 << 64) - 1)
_SIGNED = (-(1 << 63), (1 << 63) - 1)

_OF_ALL = {
    "between": "every number is in this range, so it checks nothing; name the values "
    "that are right",
    "within": "every number is this near, so it checks nothing; name how far the "
    "kernel may be off",
    "matches": "every text matches this, so it checks nothing; name what must be in "
    "the text",
}
# Texts that have nothing in common.
_TEXTS = ("", "0", "-17", "bash", "/proc/1 ßé", '{"a": [1]}', "\t.")
_LINES = ("one\nand two\n",)


def _all_values(matcher: Matcher) -> str:
    """Return the key that every value meets, if there is one."""
    ends = _range(matcher)
    if ends is not None:
        low, high = ends
        masked = (0, matcher.mask) if matcher.mask is not None else _UNSIGNED
        if any(low <= first and high >= last for first, last in (masked, _SIGNED)):
            return "between" if matcher.between is not None else "within"
    if matcher.within is not None and matcher.within >= _UNSIGNED[1]:
        return "within"
    # bpftool shows a value on one line; what a command prints has several.
    texts = (*_TEXTS, *(_LINES if isinstance(matcher, ValueExpectation) else ()))
    if matcher.matches is not None and _matches_all(matcher.matches, texts):
        return "matches"
    return ""


def _range(matcher: Matcher) -> tuple[int, int] | None:
    """Return the numbers that are right, if the suite itself says which."""
    if matcher.between is not None:
        low, high = map(_number, matcher.between)
        return None if low is None or high is None else (low, high)
    middle = _number(matcher.equals)
    if middle is None or matcher.within is None:
        return None
    return middle - matcher.within, middle + matcher.within


def _number(value: object) -> int | None:
    # A bool is none.
    return value if type(value) is int else None


def _matches_all(pattern: str, texts: Iterable[str]) -> bool:
    try:
        return all(re.fullmatch(pattern, it) for it in texts)
    except (re.error, OverflowError, RecursionError):
        # A reference, or a mistake that is found where it is used.
        return False


def observes(expectations: Iterable[Expectation], known: Collection[str]) -> bool:
    """Whether an expectation refers to more than what is known beforehand.

    `known` are the names of what there is before the object is loaded.
    """
    return any(
        not (isinstance(it, ValueExpectation) or _compares_value(it))
        or any(name.partition(".")[0] not in known for name in used(it.model_dump()))
        for it in expectations
    )


def _compares_value(expectation: Expectation) -> bool:
    return isinstance(expectation, Compared) and expectation.value is not None


def _repeating(expectation: ValueExpectation) -> Iterator[str]:
    """Return the keys that say no more than what is judged."""
    judged = expectation.value
    if _is(judged, expectation.equals):
        yield "equals"
    if expectation.between and all(_is(judged, it) for it in expectation.between):
        yield "between"
    if any(_is(judged, it) for it in expectation.one_of or ()):
        yield "one_of"
    if _is(judged, expectation.matches):
        yield "matches"


def _is(judged: str, other: object) -> bool:
    """Whether a value is what is judged, or is put together of its members."""
    if isinstance(other, dict):
        whole = judged.startswith("${") and judged.endswith("}")
        return (
            whole
            and bool(other)
            and all(_is(f"{judged[:-1]}.{key}}}", it) for key, it in other.items())
        )
    return other == judged
