"""A refused object's programs, each loaded and attached alone."""

import json
from pathlib import Path

import pytest
from pydantic import JsonValue

from runner.case import run as session_case
from runner.case.attempt import CaseJob
from runner.deadline import Deadline
from runner.results import CaseResult, Outcome
from runner.suites.model import Case
from tests.unit.guest.agent_process import compile_bpf
from tests.unit.guest.doubles import FakeAgent, fault, guest

SOURCE = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("tc") int good(void *context) { return 0; }
SEC("kprobe/f") int traced(void *context) { return 0; }
SEC("kprobe/g") int bad(void *context) { return 1; }
SEC("?tc") int optional(void *context) { return 1; }
char _license[] SEC("license") = "GPL";
"""
SECTIONS = {
    "good": "tc",
    "traced": "kprobe/f",
    "bad": "kprobe/g",
    "optional": "?tc",
}
REFUSED = """\
libbpf: prog 'bad': BPF program load failed: Invalid argument
libbpf: prog 'bad': -- BEGIN PROG LOAD LOG --
last insn is not an exit or jmp
processed 0 insns (limit 1000000)
-- END PROG LOAD LOG --
"""


class Picky(FakeAgent):
    """An agent whose kernel refuses one of an object's programs."""

    def __init__(self, refuses: tuple[str, ...]) -> None:
        super().__init__()
        self._refuses = refuses
        self.opened = 0
        self.closed = 0

    def receive_line(self, deadline: Deadline) -> bytes:
        request = self.requests[-1]
        answer = self._answer(request)
        if answer is None:
            return super().receive_line(deadline)
        return json.dumps({"id": request["id"], "ok": True, **answer}).encode()

    def _loaded(self) -> list[str]:
        (request, *_) = (it for it in self.requests[::-1] if it["op"] == "open")
        programs = request.get("programs") or {}
        assert isinstance(programs, dict)
        found = []
        for name in SECTIONS:
            wanted = programs.get(name, {})
            assert isinstance(wanted, dict)
            if wanted.get("load", name != "optional"):
                found.append(name)
        return found

    def _answer(self, request: dict[str, JsonValue]) -> dict[str, JsonValue] | None:
        loaded = self._loaded() if request["op"] in ("open", "load", "attach") else []
        match request["op"]:
            case "open":
                self.opened += 1
                rows: list[JsonValue] = [
                    {"name": it, "section": of, "type": None, "load": it in loaded}
                    for it, of in SECTIONS.items()
                ]
                return {"handle": 1, "programs": rows, "maps": [], "log": ""}
            case "load" if set(loaded) & set(self._refuses):
                return fault("can't load", "EINVAL", log=REFUSED)
            case "close":
                self.closed += 1
                return None
            case "attach":
                return {"attached": request["program"] != "good", "log": ""}
            case _:
                return None


def judged(
    folder: Path, agent: FakeAgent, *, each: bool = True, **more: JsonValue
) -> CaseResult:
    path = folder / "a.o"
    path.write_bytes(compile_bpf(SOURCE, folder))
    keys = {
        "name": "c",
        "object": "a.bpf.o",
        "each_program": each,
        "must_run": False,
        "expect": [{"value": "${kernel.release}", "matches": ".+"}],
        **more,
    }
    job = CaseJob(
        suite="s",
        case=Case.model_validate(keys, strict=False),
        object_path=path,
        shown_path="s/a.bpf.o",
        nodeid="s::c[6.1]",
        folder=folder,
    )
    return session_case.run(job, guest(agent))


def test_each_program_is_judged_after_one_is_refused(tmp_path: Path) -> None:
    agent = Picky(("bad",))
    found = judged(tmp_path, agent)
    assert found.outcome is Outcome.FAILED
    states = {it.name: (it.loaded, it.attached) for it in found.programs}
    assert states == {
        "good": (True, False),
        "traced": (True, True),
        "bad": (False, False),
        "optional": (False, False),
    }
    bad = next(it for it in found.programs if it.name == "bad")
    assert bad.failure_class == "bytecode_bad"
    assert "last insn is not an exit or jmp" in bad.why
    assert found.message.endswith(
        "; alone, 2 of 3 programs load: good (not attached), traced; "
        "refused alone: bad [bytecode_bad]"
    )
    assert agent.opened == agent.closed


def test_nothing_is_attached_where_loading_is_all(tmp_path: Path) -> None:
    agent = Picky(("bad",))
    found = judged(tmp_path, agent, attach=False)
    assert "attach" not in agent.operations
    assert "programs load: good, traced; refused" in found.message


def test_programs_may_all_be_refused(tmp_path: Path) -> None:
    found = judged(tmp_path, Picky(("bad", "good", "traced")))
    assert "alone, 0 of 3 programs load; refused alone: good [" in found.message


@pytest.mark.parametrize(("refuses", "each"), [((), True), (("bad",), False)])
def test_else_nothing_is_loaded_twice(
    tmp_path: Path, refuses: tuple[str, ...], each: bool
) -> None:
    found = judged(tmp_path, Picky(refuses), each=each)
    assert "alone" not in found.message
    assert not any(it.failure_class for it in found.programs)
