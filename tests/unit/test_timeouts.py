"""How long the runner waits, and on what that depends."""

import re

import pytest

from runner import timeouts
from runner.guest.agent import AgentSession
from runner.timeouts import Pace
from tests.unit.guest.doubles import COMMAND, FakeAgent


def pace(load: float = 0.0) -> Pace:
    return Pace(load=lambda: load)


def test_every_timeout_is_in_the_table_once_with_its_reason() -> None:
    assert len({row.name for row in timeouts.TABLE}) == len(timeouts.TABLE)
    assert (timeouts.TABLE[0], timeouts.TABLE[-1]) == (
        timeouts.QEMU_START,
        timeouts.QEMU_EXIT,
    )
    assert all(row.seconds > 0 and len(row.why) > 20 for row in timeouts.TABLE)


def test_a_machine_of_usual_speed_waits_as_the_table_says() -> None:
    usual = pace()
    usual.saw_boot(timeouts.USUAL_BOOT / 2)

    assert usual.scale == 1.0
    assert usual.seconds(timeouts.LOOK) == timeouts.LOOK.seconds


def test_a_machine_that_boots_slowly_waits_longer() -> None:
    slow = pace()
    slow.saw_boot(timeouts.USUAL_BOOT * 3)
    slow.saw_boot(timeouts.USUAL_BOOT)

    assert slow.scale == 3.0
    assert slow.seconds(timeouts.LOOK) == timeouts.LOOK.seconds * 3
    assert slow.most == 3.0


def test_a_machine_under_load_waits_longer() -> None:
    assert pace(load=10.0).scale == 10.0
    assert pace(load=0.5).scale == 1.0


def test_a_slow_machine_does_not_wait_for_ever() -> None:
    slow = pace(load=500.0)

    assert slow.scale == timeouts.MOST_BY_ITSELF


def test_what_the_user_gives_counts_alone() -> None:
    given = Pace(0.5, load=lambda: 10.0)
    given.saw_boot(100)

    assert given.scale == 0.5
    assert given.most == 0.5


def test_the_load_is_that_of_each_processor() -> None:
    assert 0 <= timeouts.load_now() < 10000


def test_an_agent_gives_commands_and_answers_more_time_on_a_slow_machine() -> None:
    agent = FakeAgent({"run": COMMAND, "sleep": TimeoutError()})
    session = AgentSession(agent, Pace(4.0))

    output = session.run(["x"], timeout=2.5)

    assert agent.requests[0]["timeout_ms"] == 10_000
    assert output.seconds == 10.0
    with pytest.raises(Exception, match=re.escape("did not answer sleep within 80 s")):
        session.sleep(1, timeout=20)


def test_a_command_never_gets_longer_than_the_agent_takes() -> None:
    agent = FakeAgent({"run": COMMAND})

    AgentSession(agent, Pace(1000.0)).run(["x"], timeout=600)

    assert agent.requests[0]["timeout_ms"] == 24 * 3600 * 1000
