"""${name.field} in a suite's text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from runner.errors import UsageError
from runner.suites.references import references, resolve

NAMESPACE: dict[str, JsonValue] = {
    "child": {"pid": 42, "comm": "sleeper", "ids": [1, 2]},
    "truth": {"state": None},
}


def test_references_are_found_in_order() -> None:
    assert references("/proc/${child.pid}/${b}") == ["child.pid", "b"]
    assert references("$child {a} ${") == []


def test_a_lone_reference_keeps_its_type() -> None:
    assert resolve("${child.pid}", NAMESPACE) == 42
    assert resolve("${child.ids}", NAMESPACE) == [1, 2]
    assert resolve("${truth.state}", NAMESPACE) is None


def test_a_reference_in_text_becomes_text() -> None:
    assert resolve("/proc/${child.pid}/stat", NAMESPACE) == "/proc/42/stat"


def test_lists_and_mappings_are_walked() -> None:
    value: JsonValue = {"a": ["${child.pid}", 7, True], "${child.pid}": None}

    assert resolve(value, NAMESPACE) == {"a": [42, 7, True], "${child.pid}": None}


def test_what_is_put_in_is_not_looked_at_again() -> None:
    assert resolve("x${a.b}", {"a": {"b": "${a.b}"}}) == "x${a.b}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${chlid.pid}", "${chlid.pid}: no 'chlid'; known names: child, truth"),
        ("x ${child.pdi}", "${child.pdi}: no 'pdi'; known names: pid, comm, ids"),
        ("${child.pid.x}", "${child.pid.x}: no 'x'; it has no fields"),
        ("${}", "${}: no ''; known names: child, truth"),
        ("${child.ids.0}", "${child.ids.0}: no '0'; it has no fields"),
    ],
)
def test_a_name_that_is_missing_is_told(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(text, NAMESPACE)

    assert caught.value.message == said


@given(st.text(st.sampled_from("${}.abchildp \n"), max_size=30))
def test_any_text_resolves_or_is_a_usage_error(text: str) -> None:
    try:
        found = resolve(text, NAMESPACE)
    except UsageError:
        assert references(text)
    else:
        assert references(text) or found == text
