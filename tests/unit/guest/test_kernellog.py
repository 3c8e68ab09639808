"""What a kernel logs while a case runs, wherever it shows it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from runner.guest import kernellog
from runner.guest.agent import KernelLog
from runner.guest.life import State
from tests.unit.guest.doubles import FakeAgent, FakeVm, fault, guest

WARNING = "12,339,5140900,-,caller=T12;WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2"


def logged(*records: str, incomplete: bool = False) -> dict[str, JsonValue]:
    return {"records": list(records), "incomplete": incomplete}


def text_of(*records: str) -> list[str]:
    found = KernelLog(records=records, incomplete=False)
    return kernellog.text_of(found).split("\n")


def test_records_look_as_on_a_console() -> None:
    record = "4,1,12000001,-;first\n SUBSYSTEM=net\n DEVICE=n1\n"

    assert text_of(record, WARNING) == [
        "[   12.000001] first",
        "[    5.140900] WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2",
    ]


def test_each_line_of_a_record_has_its_time() -> None:
    assert text_of(r"4,1,1,-;one\x0atwo \x5cx41\x1b[31m") == [
        "[    0.000001] one",
        r"[    0.000001] two \x41",
    ]


def test_what_goes_on_with_a_line_is_put_together() -> None:
    assert text_of("4,1,1,c;BUG: ", "4,2,2,+;KASAN", "4,3,3,-;more") == [
        "[    0.000001] BUG: KASAN",
        "[    0.000003] more",
    ]


@given(st.lists(st.text()))
def test_no_record_breaks_it(records: list[str]) -> None:
    kernellog.text_of(KernelLog(records=tuple(records), incomplete=False))


def test_the_log_has_what_a_quiet_console_lacks() -> None:
    agent = FakeAgent({"kernel_log": logged(WARNING)})

    text, shown = kernellog.since_last(guest(agent))

    assert "WARNING: CPU: 0" in text
    assert shown == ""


@pytest.mark.parametrize(
    "answer",
    [
        # A kernel without CONFIG_PRINTK, or that lets nobody look.
        {"records": None, "incomplete": False},
        fault("no such operation"),
    ],
)
def test_without_a_log_the_console_is_left(answer: dict[str, JsonValue]) -> None:
    up = guest(FakeAgent({"kernel_log": answer}), vm=FakeVm(said="[1.0] BUG: x\n"))

    assert kernellog.since_last(up) == ("", "[1.0] BUG: x\n")


def test_a_guest_that_dies_meanwhile_leaves_its_console() -> None:
    up = guest(FakeAgent({"kernel_log": EOFError()}), vm=FakeVm(said="[1.0] BUG: x\n"))

    assert kernellog.since_last(up) == ("", "[1.0] BUG: x\n")
    assert up.life.state is State.LOST


def test_overwritten_records_are_told_once() -> None:
    up = guest(FakeAgent({"kernel_log": logged(WARNING, incomplete=True)}))

    assert "WARNING" in kernellog.since_last(up)[0]
    kernellog.since_last(up)
    (note,) = up.life.starts.notes
    assert "logged more during a case than its log holds" in note


def test_what_came_before_a_case_is_skipped() -> None:
    agent = FakeAgent()
    dead = FakeAgent({"kernel_log": EOFError()})

    kernellog.turn_page(guest(agent))
    kernellog.turn_page(guest(dead))

    assert [it["skip"] for it in (*agent.requests, *dead.requests)] == [1, 1]
