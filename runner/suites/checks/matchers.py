"""How one observed value is judged: equals, within, between, one_of, matches,
mask.
"""

import re
from collections.abc import Mapping

from pydantic import JsonValue

from runner.errors import UsageError
from runner.suites.checks.equality import differences, equal, number, text
from runner.suites.checks.text import Observed, ValueDifference, show
from runner.suites.model import Matcher
from runner.suites.references import resolve


def judge(
    matcher: Matcher, observed: Observed, namespace: Mapping[str, JsonValue]
) -> list[ValueDifference]:
    """Return how a value is not as a matcher wants it.

    A matcher that names no condition wants that there is a value, whatever it is.
    Raises UsageError for a condition that can't be used.
    """
    if matcher.mask is not None:
        whole = number(observed)
        if whole is None:
            return _unlike(
                matcher, namespace, f"{show(observed)}, which is not a number"
            )
        masked = whole & matcher.mask
        if _holds(matcher, masked, namespace):
            return []
        return _unlike(matcher, namespace, _masked(whole, matcher.mask))
    if "equals" in matcher.model_fields_set and matcher.within is None:
        return differences(resolve(matcher.equals, namespace), observed)
    if _holds(matcher, observed, namespace):
        return []
    return _unlike(matcher, namespace, show(observed))


def in_words(matcher: Matcher, namespace: Mapping[str, JsonValue]) -> str:
    """Return what a matcher wants: "7", "between 3 and 9"."""
    if "equals" in matcher.model_fields_set:
        words = show(resolve(matcher.equals, namespace))
        if matcher.within is not None:
            words = f"{words}, plus or minus {matcher.within}"
    elif matcher.between is not None:
        low, high = _range(matcher.between, namespace)
        words = f"between {low} and {high}"
    elif matcher.one_of is not None:
        choices = [show(resolve(choice, namespace)) for choice in matcher.one_of]
        words = f"one of {', '.join(choices)}"
    elif matcher.matches is not None:
        words = f"text that matches {_pattern(matcher.matches, namespace)!r}"
    else:
        words = "any value"
    return words if matcher.mask is None else f"{words}, masked by {matcher.mask:#x}"


def as_read(matcher: Matcher, observed: Observed) -> str:
    """Return a value as a report shows it: what a mask leaves of it, too."""
    whole = None if matcher.mask is None else number(observed)
    if whole is None or matcher.mask is None:
        return show(observed)
    return _masked(whole, matcher.mask)


def _masked(whole: int, mask: int) -> str:
    return f"{whole & mask:#x} ({whole:#x} masked by {mask:#x})"


def _unlike(
    matcher: Matcher, namespace: Mapping[str, JsonValue], observed: str
) -> list[ValueDifference]:
    return [ValueDifference(expected=in_words(matcher, namespace), observed=observed)]


def _holds(
    matcher: Matcher, observed: Observed, namespace: Mapping[str, JsonValue]
) -> bool:
    if matcher.within is not None:
        wanted, found = number(resolve(matcher.equals, namespace)), number(observed)
        return (
            wanted is not None
            and found is not None
            and abs(wanted - found) <= matcher.within
        )
    if "equals" in matcher.model_fields_set:
        return equal(resolve(matcher.equals, namespace), observed)
    if matcher.between is not None:
        low, high = _range(matcher.between, namespace)
        found = number(observed)
        return found is not None and low <= found <= high
    if matcher.one_of is not None:
        return any(
            equal(resolve(choice, namespace), observed) for choice in matcher.one_of
        )
    if matcher.matches is not None:
        return _matches(_pattern(matcher.matches, namespace), observed)
    return True


def _range(
    ends: tuple[int | str, int | str], namespace: Mapping[str, JsonValue]
) -> tuple[int, int]:
    low, high = (number(resolve(end, namespace)) for end in ends)
    if low is None or high is None:
        raise UsageError(f"between: {show(list(ends))} must be two numbers")
    return low, high


def _pattern(pattern: str, namespace: Mapping[str, JsonValue]) -> str:
    return str(resolve(pattern, namespace))


def _matches(pattern: str, observed: Observed) -> bool:
    found = text(observed)
    if found is None:
        found = show(observed)
    try:
        return re.fullmatch(pattern, found) is not None
    except re.error as error:
        raise UsageError(
            f"matches: {pattern!r} is not a regular expression: {error}"
        ) from error
