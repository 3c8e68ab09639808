"""Which names are alike."""

import difflib

from hypothesis import given
from hypothesis import strategies as st

from runner.preflight import candidates

NAMES = st.text("abc_", max_size=12)


@given(wanted=NAMES, name=NAMES, worth=st.sampled_from([0.4, 0.6]))
def test_what_is_passed_over_is_not_alike(wanted: str, name: str, worth: float) -> None:
    expected = difflib.SequenceMatcher(None, wanted, name).ratio()
    found = candidates._likeness(wanted, name, worth)

    if expected >= worth:
        assert found == expected
    else:
        assert found in (0, expected)
