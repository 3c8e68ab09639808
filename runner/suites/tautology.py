"""Expectations that hold whatever the object does, and so check nothing."""

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
    if isinstance(expectation, ValueExpectation):
        for key in _repeating(expectation):
            yield (
                (key,),
                f"compares {expectation.value} with itself, which always holds; "
                "compare it with a number, a text or a truth",
            )


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
