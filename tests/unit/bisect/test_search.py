"""The search for the first bad version, with versions that are nothing but numbers."""

from dataclasses import dataclass, field

import pytest

from runner.bisect.search import (
    BootState,
    Foreseen,
    SearchAnswer,
    TriedBoot,
    WrongEndError,
    search,
)

GOOD, BAD, SKIP = BootState.GOOD, BootState.BAD, BootState.SKIP
LOADS, REFUSED, UNKNOWN = Foreseen.LOADS, Foreseen.REFUSED, Foreseen.UNKNOWN


@dataclass
class FakeVersions:
    """Versions that are good up to one of them, and predicted as a test says."""

    count: int
    first_bad: int
    skips: frozenset[int] = frozenset()
    # What is predicted, by the versions' numbers; nothing of others.
    predicted: dict[int, Foreseen] = field(default_factory=dict)
    # What the next boots of a version say, before the usual.
    odd: dict[int, list[BootState]] = field(default_factory=dict)
    booted: list[int] = field(default_factory=list)

    def foresee(self, number: int) -> Foreseen:
        return self.predicted.get(number, UNKNOWN)

    def boot(self, number: int) -> TriedBoot:
        self.booted.append(number)
        if self.odd.get(number):
            return TriedBoot(state=self.odd[number].pop(0))
        if number in self.skips:
            return TriedBoot(state=SKIP, message="no boot")
        return TriedBoot(state=BAD if number >= self.first_bad else GOOD)


@dataclass
class Told:
    """What a search tells."""

    lies: list[int] = field(default_factory=list)
    flaky_ones: list[int] = field(default_factory=list)
    most: list[int] = field(default_factory=list)

    def booting(self, number: int, left: int, most: int) -> None:
        self.most.append(most)

    def booted(self, number: int, boot: TriedBoot) -> None:
        pass

    def foreseen(self, number: int, found: Foreseen) -> None:
        pass

    def lied(self, number: int, found: Foreseen, boot: TriedBoot) -> None:
        self.lies.append(number)

    def flaky(self, number: int, first: TriedBoot, again: TriedBoot) -> None:
        self.flaky_ones.append(number)


def asked(
    versions: FakeVersions, told: Told | None = None, *, tries: int = 1
) -> SearchAnswer:
    return search(versions.count, versions, told or Told(), tries=tries)


def right(count: int, first_bad: int) -> dict[int, Foreseen]:
    """Predictions that are all right."""
    return {n: REFUSED if n >= first_bad else LOADS for n in range(count)}


@pytest.mark.parametrize("count", [2, 3, 4, 7, 16, 33])
@pytest.mark.parametrize("predicts", [False, True])
def test_first_bad_version_is_found_wherever_it_is(count: int, predicts: bool) -> None:
    for first_bad in range(1, count):
        predicted = right(count, first_bad) if predicts else {}
        versions = FakeVersions(count, first_bad, predicted=predicted)
        found = asked(versions)
        assert (found.good, found.bad) == (first_bad - 1, first_bad)
        assert found.suspects == (first_bad,)
        assert {first_bad - 1, first_bad} <= {*versions.booted}


def test_boots_halve_what_is_left() -> None:
    versions, told = FakeVersions(130, 77), Told()
    asked(versions, told)
    # Both ends, and log2 of the 128 between them.
    assert len(versions.booted) <= 2 + 8
    assert told.most[2] == 8
    assert told.most[-1] >= 1


def test_right_predictions_leave_two_boots_between_the_ends() -> None:
    versions = FakeVersions(130, 77, predicted=right(130, 77))
    found = asked(versions)
    assert sorted(versions.booted) == [0, 76, 77, 129]
    assert found.boots == 4


def test_predictions_that_do_not_tell_the_ends_apart_are_not_followed() -> None:
    # It loads everywhere, and reads a wrong value from 5 on.
    predicted = dict.fromkeys(range(10), LOADS)
    found = asked(FakeVersions(10, 5, predicted=predicted))
    assert found.suspects == (5,)
    assert found.lies == ()


def test_version_that_is_predicted_refused_and_passes_is_told_loudly() -> None:
    predicted = right(20, 6)
    versions, told = FakeVersions(20, 15, predicted=predicted), Told()
    found = asked(versions, told)
    assert told.lies == [6]
    assert found.lies == (6,)
    # A prediction alone makes no version bad.
    assert found.suspects == (15,)


def test_version_that_is_predicted_to_load_and_fails_is_told_loudly() -> None:
    versions, told = FakeVersions(20, 4, predicted=right(20, 12)), Told()
    found = asked(versions, told)
    assert told.lies == [11]
    assert found.suspects == (4,)


def test_version_that_nothing_is_predicted_of_is_booted() -> None:
    predicted = right(12, 6) | dict.fromkeys(range(4, 8), UNKNOWN)
    versions = FakeVersions(12, 6, predicted=predicted)
    assert asked(versions).suspects == (6,)
    # Not those that predictions rule out.
    assert not {1, 2, 9, 10} & {*versions.booted}


def test_versions_that_say_nothing_leave_a_range() -> None:
    found = asked(FakeVersions(9, 5, skips=frozenset({3, 4, 5})))
    assert (found.good, found.bad) == (2, 6)
    assert found.suspects == (3, 4, 5, 6)
    assert found.skipped == (3, 4, 5)


def test_skipped_version_away_from_the_answer_leaves_no_range() -> None:
    found = asked(FakeVersions(9, 7, skips=frozenset({4})))
    assert found.suspects == (7,)
    assert found.skipped == (4,)


def test_skips_among_predicted_versions_leave_a_range() -> None:
    versions = FakeVersions(
        9, 5, skips=frozenset({4, 5}), predicted=right(9, 5) | {4: UNKNOWN, 5: UNKNOWN}
    )
    assert asked(versions).suspects == (4, 5, 6)


def test_each_side_of_the_answer_is_booted_as_often_as_asked() -> None:
    versions = FakeVersions(9, 5)
    asked(versions, tries=3)
    counts = {n: versions.booted.count(n) for n in versions.booted}
    assert (counts.pop(4), counts.pop(5)) == (3, 3)
    assert {*counts.values()} == {1}


def test_boots_that_disagree_make_the_version_a_skipped_one() -> None:
    told = Told()
    versions = FakeVersions(9, 6, odd={5: [BAD, GOOD]})
    found = asked(versions, told, tries=2)
    assert told.flaky_ones == [5]
    assert found.flaky == (5,)
    assert found.suspects == (5, 6)


def test_end_that_is_flaky_is_told() -> None:
    versions = FakeVersions(2, 1, odd={1: [BAD, GOOD]})
    found = asked(versions, tries=2)
    assert found.flaky == (1,)
    assert found.suspects == (1,)


@pytest.mark.parametrize(("first_bad", "number", "state"), [(0, 0, BAD), (9, 8, GOOD)])
def test_end_that_is_not_what_was_said_is_refused(
    first_bad: int, number: int, state: BootState
) -> None:
    versions = FakeVersions(9, first_bad)
    with pytest.raises(WrongEndError) as raised:
        asked(versions)
    assert raised.value.number == number
    assert raised.value.boot.state is state
    # Nothing else was booted for that.
    assert {*versions.booted} <= {0, 8}


def test_end_that_says_nothing_is_refused() -> None:
    with pytest.raises(WrongEndError):
        asked(FakeVersions(9, 5, skips=frozenset({0})))
