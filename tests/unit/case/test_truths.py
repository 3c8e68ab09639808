"""Values that a guest tells of itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.case import truths
from runner.errors import UsageError
from runner.guest.agent import AgentSession
from runner.suites.model import CommandTruth, ProcTruth
from tests.unit.guest.doubles import COMMAND, FakeAgent

STAT = "42 (a (b) c) S 7 42 42 0 -1 4194304"
STATUS = "Name:\tsleeper\nState:\tS (sleeping)\nPid:\t42\nUid:\t0\t1\t2\t3\n"


def select(
    text: str, path: str, field: int | None = None, line: str | None = None
) -> str:
    return truths.select(text, ProcTruth(proc=path, field=field, line=line), path)


def test_a_field_is_counted_from_one() -> None:
    assert select("1.5 2.5\n", "/proc/uptime", 1) == "1.5"
    assert select("1.5 2.5\n", "/proc/uptime", 2) == "2.5"
    assert select("1.5 2.5\n", "/proc/uptime") == "1.5 2.5"


def test_a_comm_is_one_field_whatever_is_in_it() -> None:
    assert select(STAT, "/proc/42/stat", 1) == "42"
    assert select(STAT, "/proc/42/stat", 2) == "(a_(b)_c)"
    assert select(STAT, "/proc/42/stat", 3) == "S"
    assert select(STAT, "/proc/42/stat", 4) == "7"


@given(st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=15))
def test_no_comm_moves_the_fields_behind_it(comm: str) -> None:
    assert select(f"42 ({comm}) S 7\n", "/proc/42/stat", 4) == "7"


def test_the_hosts_stat_has_no_comm() -> None:
    assert select("cpu 1 2 3\n", "/proc/stat", 2) == "1"


def test_a_line_is_found_by_its_name() -> None:
    path = "/proc/42/status"

    assert select(STATUS, path, line="Pid") == "42"
    assert select(STATUS, path, line="State") == "S (sleeping)"
    assert select(STATUS, path, 1, "State") == "S"
    assert select(STATUS, path, 4, "Uid") == "3"


def test_a_name_can_not_make_a_line_of_its_own() -> None:
    text = "Name:\ta\x0bPid:\t1\x1cPid:\t2\nPid:\t42\n"

    assert select(text, "/proc/42/status", line="Pid") == "42"


@pytest.mark.parametrize(
    ("field", "line", "said"),
    [
        (None, "Pdi", "/proc/42/status has no line 'Pdi'"),
        (5, "Uid", "no field 5; the text has 4: '\\t0\\t1\\t2\\t3'"),
    ],
)
def test_what_is_not_there_is_told(
    field: int | None, line: str | None, said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        select(STATUS, "/proc/42/status", field, line)

    assert caught.value.message == said


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42\n", 42),
        ("-1\n", -1),
        ("0x2a\n", "0x2a"),
        ("1_000\n", "1_000"),
        ("\u0661\n", "\u0661"),
        ("9" * 5000, "9" * 5000),
        ("sleeper\n", "sleeper"),
        ("\n", ""),
    ],
)
def test_what_reads_as_a_number_is_one(text: str, value: object) -> None:
    agent = FakeAgent({"read": {"text": text, "truncated": False}})

    taken = truths.take(ProcTruth(proc="/proc/x"), AgentSession(agent), {})

    assert taken == value
    assert type(taken) is type(value)


def test_references_are_resolved_before_they_are_asked_for() -> None:
    agent = FakeAgent({"run": {**COMMAND, "stdout": "a 42\n"}})
    session = AgentSession(agent)
    names = {"child": {"pid": 42}}

    truths.take(ProcTruth(proc="/proc/${child.pid}/stat"), session, names)  # type: ignore[arg-type]
    taken = truths.take(
        CommandTruth(command=("x", "${child.pid}"), field=2),
        session,
        names,  # type: ignore[arg-type]
    )

    assert taken == 42
    assert agent.requests[0]["path"] == "/proc/42/stat"
    assert agent.requests[1]["argv"] == ["x", "42"]
