"""What a suite may say: the schema's own rules."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from runner.suites import model
from runner.suites.known import KnownKernel
from runner.suites.model import (
    Act,
    Case,
    Command,
    CommandTruth,
    Expectation,
    Fork,
    MapExpectation,
    ProcTruth,
    Program,
    RowsExpectation,
    ShowExpectation,
    Sleep,
    Syscall,
    Tcp,
    Trigger,
    Truth,
    Udp,
    ValueExpectation,
)
from runner.versions import KernelVersion


def read(kind: Any, data: object) -> Any:
    return TypeAdapter(kind).validate_json(json.dumps(data))


@pytest.mark.parametrize(
    ("data", "model"),
    [
        ({"fork": "sleeper"}, Fork),
        ({"fork": None}, Fork),
        ({"syscall": "getpid", "times": 3}, Syscall),
        ({"sleep": 0.1}, Sleep),
        ({"act": ["create", "mmap", "unlink"]}, Act),
        ({"udp": 100}, Udp),
        ({"tcp": 100, "ip": 6}, Tcp),
        ({"command": ["true"]}, Command),
        ({"test_run": "prog"}, model.TestRun),
    ],
)
def test_a_trigger_is_told_by_its_key(data: object, model: type) -> None:
    assert type(read(Trigger, data)) is model


@pytest.mark.parametrize(
    ("data", "model"),
    [
        ({"map": "m", "equals": 1}, MapExpectation),
        ({"map": "m", "rows": [{"key": 1}]}, RowsExpectation),
        ({"map": "m", "show": {"type": "hash"}}, ShowExpectation),
        ({"program": "p", "show": {"type": "kprobe"}}, ShowExpectation),
        ({"value": "${child.pid}", "equals": 1}, ValueExpectation),
    ],
)
def test_an_expectation_is_told_by_its_key(data: object, model: type) -> None:
    assert type(read(Expectation, data)) is model


def test_a_truth_is_told_by_its_key() -> None:
    assert type(read(Truth, {"proc": "/proc/1/stat"})) is ProcTruth
    assert type(read(Truth, {"command": ["uname"]})) is CommandTruth


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (Trigger, {}),
        (Trigger, []),
        (Trigger, "fork"),
        (Trigger, {"fork": "a comm that is too long"}),
        (Trigger, {"syscall": "reboot"}),
        (Trigger, {"syscall": "getpid", "times": 0}),
        (Trigger, {"sleep": 0}),
        (Trigger, {"sleep": 3600}),
        (Trigger, {"udp": 1401}),
        (Trigger, {"udp": 1, "port": 65536}),
        (Trigger, {"udp": 1, "ip": 5}),
        (Trigger, {"tcp": 16_385}),
        (Trigger, {"tcp": 1, "accepted": "yes"}),
        (Trigger, {"command": []}),
        (Trigger, {"command": "reboot -f"}),
        (Trigger, {"command": ["x"], "timeout": 0}),
        (Trigger, {"fork": "a", "save": "a b"}),
        (Trigger, {"test_run": "prog", "data": "0g"}),
        (Trigger, {"test_run": "prog", "data": "000"}),
        (Trigger, {"test_run": "prog", "skb": {"mark": "1"}}),
        (Truth, {"proc": "/etc/passwd"}),
        (Truth, {"proc": "/proc/1/stat", "field": 0}),
        (Truth, {"command": []}),
        (Expectation, {"map": "m", "rows": [{"kye": 1}]}),
        (Expectation, {"map": "m", "equals": 1, "cpu": "all"}),
        (Expectation, {"map": "m", "equals": 1, "raw": "yes"}),
        (Expectation, {"map": 7, "equals": 1}),
        (Expectation, {"map": "m", "show": {}}),
        (Expectation, {"map": "m", "mask": "0xff", "equals": 1}),
        (Expectation, {"value": "child.pid", "equals": 1}),
        (Case, {"name": "a", "object": "a.o", "loader": "bcc"}),
    ],
)
def test_what_makes_no_sense_is_refused(kind: Any, data: object) -> None:
    with pytest.raises(ValidationError):
        read(kind, data)


@pytest.mark.parametrize(
    ("version", "place"),
    [
        ("4.4.1", "kprobe/sys_getpgid"),
        ("4.17", "kprobe/__x64_sys_getpgid"),
        # Where its section says.
        ("6.12.107", None),
    ],
)
def test_where_a_program_is_attached_depends_on_the_kernel(
    version: str, place: str | None
) -> None:
    program = Program.model_validate(
        {
            "attach": {
                "<4.17": "kprobe/sys_getpgid",
                ">=4.17,<6": "kprobe/__x64_sys_getpgid",
            }
        }
    )

    assert program.place(KnownKernel(version=KernelVersion.parse(version))) == place


@pytest.mark.parametrize("acts", [["rename"], ["exec", "unlink", "create"]])
def test_an_act_on_a_file_needs_one(acts: list[str]) -> None:
    with pytest.raises(ValidationError, match="needs a file: write 'create' before"):
        read(Trigger, {"act": acts})
