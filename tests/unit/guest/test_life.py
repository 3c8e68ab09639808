"""Which states of a guest follow which, and what is shown of them."""

import pytest

from runner.guest.life import Life, Starts, State, Step

DEAD = {State.RETRIED, State.GIVEN_UP, State.ENDED}


def walked(*states: State) -> tuple[Life, list[str]]:
    steps: list[Step] = []
    life = Life(Starts(kernel="6.1", observe=steps.append))
    for state in states:
        life.to(state)
    assert {it.kernel for it in steps} <= {"6.1"}
    return life, [it.text for it in steps]


def test_a_guest_of_a_snapshot_lives_from_its_boot_to_its_end() -> None:
    life, shown = walked(
        *(State.BOOTING, State.READY, State.SAVED, State.RESTORING, State.READY),
        *(State.LEASED, State.DIRTY, State.LEASED, State.DIRTY, State.ENDED),
    )

    assert life.state is State.ENDED
    assert shown[:4] == ["booting", "ready", "saved", "starting from the snapshot"]


def test_a_lost_guest_is_retried_or_given_up_and_then_ended() -> None:
    for decision in (State.RETRIED, State.GIVEN_UP):
        life, _ = walked(State.BOOTING, State.LOST, decision, State.ENDED)
        assert life.state is State.ENDED


@pytest.mark.parametrize("state", [it for it in State if it not in DEAD])
def test_what_lives_may_be_lost(state: State) -> None:
    life = Life(Starts(kernel="6.1"))
    life.state = state

    life.to(State.LOST)

    assert life.state is State.LOST


@pytest.mark.parametrize(
    ("state", "following"),
    [
        (State.WANTED, State.LEASED),
        (State.SAVED, State.LEASED),
        (State.DIRTY, State.SAVED),
        (State.ENDED, State.LOST),
        (State.ENDED, State.LEASED),
        (State.RETRIED, State.LEASED),
    ],
)
def test_what_can_not_follow_is_refused(state: State, following: State) -> None:
    life = Life(Starts(kernel="6.1"))
    life.state = state

    with pytest.raises(RuntimeError, match=f"{state.name} .*{following.name}"):
        life.to(following)

    assert life.state is state


def test_a_state_that_stays_is_shown_once() -> None:
    _, shown = walked(State.BOOTING, State.LOST, State.LOST)

    assert shown == ["booting", "lost"]
