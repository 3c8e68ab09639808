"""Moments by which something must have happened."""

import pytest

from runner.deadline import Deadline


def test_a_deadline_ahead_has_time_left() -> None:
    deadline = Deadline.after(60)

    assert 59 < deadline.remaining() <= 60
    assert not deadline.expired
    deadline.check("booting")


def test_a_deadline_behind_has_none_and_names_what_was_late() -> None:
    deadline = Deadline.after(-1)

    assert deadline.remaining() == 0.0
    assert deadline.expired
    with pytest.raises(TimeoutError, match="booting took too long"):
        deadline.check("booting")
