"""The agent makes calls of bpf(2) as it is asked to, and tells how they ended.

Whether this machine lets it is not known; the guests of tests/vm do.
"""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.guest import bpfcalls
from runner.guest.bpfcalls import BpfCall, Descriptor
from tests.unit.guest.agent_process import AgentProcess, build, start

# No kernel has so many commands.
UNKNOWN = BpfCall(command=9999, attribute=bytes(8))


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    with start(build(), tmp_path / "errors") as started:
        yield started
        # It checks itself for leaks.
        assert started.end() == 0, (tmp_path / "errors").read_text()


def ask(agent: AgentProcess, *calls: BpfCall) -> list[dict[str, object]]:
    reply = agent.ask("bpf", calls=[it.as_json() for it in calls])
    assert reply["duration_us"] >= 0
    answers = reply["answers"]
    assert isinstance(answers, list)
    return answers


def test_a_refused_call_names_its_error(agent: AgentProcess) -> None:
    (answer,) = ask(agent, UNKNOWN)

    assert answer["done"] is False
    assert answer["errno"] in ("EINVAL", "EPERM", "ENOSYS")
    assert answer["log"] == ""


def test_a_call_that_needs_what_failed_is_not_made(agent: AgentProcess) -> None:
    needs = BpfCall(
        command=9999, attribute=bytes(8), descriptors=(Descriptor(at=0, of=0),)
    )

    assert [it["errno"] for it in ask(agent, UNKNOWN, needs)][1] == "ECANCELED"


def test_each_call_has_an_answer(agent: AgentProcess) -> None:
    insn = bpfcalls.program(log_level=1)

    assert len(ask(agent, *[insn] * 300)) == 300


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        (None, '"calls" must be an array'),
        ([1], "call 0 can't be read"),
        ([{"cmd": 0}], '"attr" must be base64'),
        ([{"cmd": 0, "attr": base64.b64encode(bytes(512)).decode()}], "call 0"),
        ([{"cmd": 0, "attr": "AAAA", "fds": [{"at": 0, "of": 0}]}], "call 0"),
        ([{"cmd": 0, "attr": "AAAA", "fds": [{"at": 0, "of": -1}]}], "call 0"),
        ([{"cmd": 0, "attr": "AAAA", "log": 0}], "call 0"),
        ([{"cmd": 0, "attr": "AAAA", "btf_id": {"at": 0}}], "call 0"),
        (
            [{"cmd": 0, "attr": "AAAAAAAAAAA=", "data": [{"at": 1, "bytes": ""}]}],
            "call 0",
        ),
        (
            [{"cmd": 0, "attr": "AAAAAAAAAAA=", "data": [{"at": 0, "bytes": ""}] * 5}],
            "call 0",
        ),
    ],
)
def test_a_call_that_can_not_be_read_is_named(
    agent: AgentProcess, calls: object, said: str
) -> None:
    assert said in agent.refusal("bpf", calls=calls)
