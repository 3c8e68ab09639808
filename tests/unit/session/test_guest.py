"""What a guest is told when it comes back."""

import base64
import time

from runner.agent import AgentSession
from runner.session import guest
from tests.unit.session.doubles import FakeAgent


def test_each_guest_gets_the_time_and_randomness_of_its_own() -> None:
    agent = FakeAgent()
    before = time.time_ns()
    for _ in range(2):
        guest.wake(AgentSession(agent))

    first, second = agent.requests
    assert first["op"] == "wake"
    assert before <= int(str(first["time_ns"])) <= time.time_ns()
    assert first["entropy"] != second["entropy"]
    assert len(base64.b64decode(str(first["entropy"]))) >= 32
