"""A case on a guest, and how its end is judged."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import JsonValue

from runner import timeouts
from runner.bpf import object as bpf_object
from runner.case import run as session_case
from runner.case.attempt import CaseJob
from runner.errors import GuestError
from runner.facts.model import Facts
from runner.failures.classes import LOADER_CRASHED
from runner.files.cache import Cache
from runner.guest.guest import Guest
from runner.results import CaseResult, Outcome
from runner.suites.model import Case
from tests.unit.guest.agent_process import compile_bpf
from tests.unit.guest.doubles import ANSWERS, COMMAND, FakeAgent, FakeVm, fault, guest
from tests.unit.preflight.made import HEAD, build, compiled, kernel

REJECTED = """\
libbpf: prog 'p': -- BEGIN PROG LOAD LOG --
0: (85) call unknown#195896080
invalid func unknown#195896080
-- END PROG LOAD LOG --
"""
RIGHT: dict[str, JsonValue] = {"map": "m", "key": 1, "equals": 42}
WRONG: dict[str, JsonValue] = {"map": "m", "key": 1, "equals": 7}


def case(*expect: dict[str, JsonValue], **more: object) -> Case:
    return Case.model_validate(
        {"name": "c", "object": "a.bpf.c", "expect": expect, **more}, strict=False
    )


@pytest.fixture
def job_of(tmp_path: Path) -> "JobOf":
    return JobOf(tmp_path)


class JobOf:
    """Makes a job of a case, and runs it."""

    def __init__(self, folder: Path) -> None:
        self._object = folder / "a.o"
        self._object.write_bytes(b"object")

    def holds(self, data: bytes) -> None:
        """Set what the object is."""
        self._object.write_bytes(data)

    def run(
        self,
        case: Case,
        answers: Mapping[str, dict[str, JsonValue] | Exception] | None = None,
        *,
        agent: FakeAgent | None = None,
        vm: FakeVm | None = None,
        version: str = "6.1.176",
        alive: bool = False,
        is_last: bool = False,
    ) -> CaseResult:
        lent = guest(agent or FakeAgent(answers), vm=vm, version=version, alive=alive)
        return self.run_in(lent, case, is_last=is_last)

    def run_in(self, lent: Guest, case: Case, *, is_last: bool = False) -> CaseResult:
        """Run a case in a guest, which others may have used before."""
        job = CaseJob(
            suite="s",
            case=case,
            object_path=self._object,
            shown_path="s/a.bpf.c",
            nodeid="s::c[6.1]",
            is_last=is_last,
        )
        return session_case.run(job, lent)


def test_a_right_value_is_a_pass(job_of: JobOf) -> None:
    result = job_of.run(case(RIGHT))

    assert (result.outcome, result.message) == (Outcome.PASSED, "")
    assert result.checked == 1
    assert result.log == "opened\nloaded\nattached\n"
    assert (result.kernel, result.suite, result.case) == ("6.1", "s", "c")
    assert result.object_path == "s/a.bpf.c"
    assert len(result.object_sha256) == 64


def test_a_wrong_value_is_a_failure(job_of: JobOf) -> None:
    result = job_of.run(case(RIGHT, WRONG))

    assert result.outcome is Outcome.FAILED
    assert result.failure_class == "wrong_value"
    assert result.checked == 2
    (mismatch,) = result.mismatches
    assert (mismatch.expected, mismatch.observed) == ("7", "42")
    assert result.message == str(mismatch)


def test_a_case_that_checks_nothing_is_a_failure(job_of: JobOf) -> None:
    result = job_of.run(case())

    assert result.outcome is Outcome.FAILED
    assert result.failure_class == "nothing_checked"


def test_a_map_that_does_not_exist_is_a_failure(job_of: JobOf) -> None:
    result = job_of.run(case({"map": "n", "key": 1, "equals": 42}))

    assert result.outcome is Outcome.FAILED
    assert "n" in result.message


def test_a_refused_load_is_a_failure_with_its_class_and_log(job_of: JobOf) -> None:
    result = job_of.run(case(RIGHT), {"load": fault("can't load", log=REJECTED)})

    assert result.outcome is Outcome.FAILED
    assert result.failure_class == "poison_reachable"
    assert result.message.startswith("load refused: ")
    assert "195896080" in result.message
    assert result.cure
    assert result.log == "opened\n" + REJECTED
    assert result.phases.load > 0
    assert result.phases.check == 0


TOO_LARGE = """\
libbpf: prog 'p': BPF program load failed: Argument list too long
libbpf: prog 'p': -- BEGIN PROG LOAD LOG --
BPF program is too large. Processed 1000001 insn
-- END PROG LOAD LOG --
"""


def test_a_verifiers_trace_is_asked_for_only_where_it_says_something(
    job_of: JobOf,
) -> None:
    agent = FakeAgent({"load": fault("can't load", "E2BIG", log=TOO_LARGE)})
    result = job_of.run(case(RIGHT), agent=agent)

    assert result.failure_class == "program_too_large"
    assert [it["log_level"] for it in agent.requests if it["op"] == "load"] == [4]

    agent = FakeAgent({"load": fault("can't load", log=REJECTED)})
    result = job_of.run(case(RIGHT), agent=agent)

    assert result.failure_class == "poison_reachable"
    assert [it["log_level"] for it in agent.requests if it["op"] == "load"] == [4, 0]
    assert agent.operations.count("open") == agent.operations.count("close") == 2


def test_kernels_before_5_2_know_no_verdict_without_its_trace(job_of: JobOf) -> None:
    agent = FakeAgent()

    job_of.run(case(RIGHT), agent=agent, version="5.1.1")

    assert [it["log_level"] for it in agent.requests if it["op"] == "load"] == [0]


def test_a_refused_attach_is_a_failure(job_of: JobOf) -> None:
    result = job_of.run(case(RIGHT), {"attach": fault("no such probe", "ENOENT")})

    assert result.outcome is Outcome.FAILED
    assert result.message == "attach refused: no such probe"


def test_what_is_loaded_goes_when_it_can_not_be_attached(job_of: JobOf) -> None:
    # The next case of the object gets the same guest.
    agent = FakeAgent({"attach": fault("no such probe", "ENOENT")})

    job_of.run(case(RIGHT), agent=agent)

    assert agent.operations[-3:] == ["release", "close", "aftermath"]


def test_all_programs_that_can_not_be_attached_are_told(job_of: JobOf) -> None:
    rows: list[JsonValue] = [
        {"name": name, "type": "kprobe", "id": 9, "instructions": 2}
        for name in ("p", "q", "r")
    ]

    result = job_of.run(
        case(RIGHT, programs={"q": {"attach": False}}),
        {
            "load": {"programs": rows, "maps": [], "log": ""},
            "attach": fault("no such probe", "ENOENT", log="libbpf: no\n"),
        },
    )

    assert result.message == "attach refused: libbpf: no; and so for r"
    assert result.log.count("libbpf: no\n") == 2


def test_a_trigger_that_can_not_be_pulled_is_a_failure(job_of: JobOf) -> None:
    result = job_of.run(
        case(RIGHT, trigger=[{"test_run": "p"}]),
        {"test_run": fault("kprobes have no test run")},
    )

    assert result.outcome is Outcome.FAILED
    assert result.failure_class == "test_run_failed"
    assert result.message == "kprobes have no test run"


def test_a_command_that_fails_ends_its_case(job_of: JobOf) -> None:
    agent = FakeAgent({"run": {**COMMAND, "exit": 1, "stderr": "bad\nno such place\n"}})

    result = job_of.run(
        case(WRONG, trigger=[{"command": ["x"]}, {"command": ["y"]}]), agent=agent
    )

    assert result.outcome is Outcome.FAILED
    assert result.failure_class == "command_failed"
    assert result.message == "command x: expected exit status 0, observed exit status 1"
    assert result.cure.startswith('it printed "no such place". ')
    # What follows from it is no mismatch.
    assert result.mismatches == ()
    assert [it["argv"] for it in agent.requests if it["op"] == "run"] == [["x"]]
    (command,) = result.commands
    assert (command.argv, command.exit) == (("x",), 1)
    assert (command.stderr, command.stdout) == ("bad\nno such place\n", "")


def test_a_command_that_fails_may_be_declared(job_of: JobOf) -> None:
    result = job_of.run(
        case(RIGHT, trigger=[{"command": ["x"]}], **declared("command_failed")),
        {"run": {**COMMAND, "exit": 1}},
    )

    assert result.outcome is Outcome.PASSED, result.message


def test_a_command_that_can_not_be_started_ends_its_case(job_of: JobOf) -> None:
    result = job_of.run(
        case(RIGHT, trigger=[{"command": ["x"]}]),
        {"run": fault("can't run x", "ENOENT")},
    )

    assert result.outcome is Outcome.FAILED
    assert result.failure_class == "command_failed"
    assert result.message == "command x: can't run x"
    assert "it printed nothing" in result.cure


def test_a_truth_whose_command_fails_ends_its_case(job_of: JobOf) -> None:
    result = job_of.run(
        case(
            {"value": "${truth.inode}", "equals": 1},
            truth={"inode": {"command": ["stat", "/none"]}},
        ),
        {"run": {**COMMAND, "exit": 1, "stderr": "no such file\n"}},
    )

    assert result.failure_class == "command_failed"
    assert result.message == (
        "truth inode stat /none: expected exit status 0, observed exit status 1"
    )
    (command,) = result.commands
    assert (command.name, command.stderr) == ("truth inode", "no such file\n")


def test_a_truth_takes_what_a_command_printed_that_found_nothing(job_of: JobOf) -> None:
    # As `grep -c` does.
    result = job_of.run(
        case(
            {"value": "${truth.count}", "equals": 0},
            truth={"count": {"command": ["grep", "-c", "x", "/proc/version"]}},
        ),
        {"run": {**COMMAND, "exit": 1, "stdout": "0\n"}},
    )

    assert result.outcome is Outcome.PASSED, result.message


def test_a_truth_that_a_failed_command_does_not_print_ends_its_case(
    job_of: JobOf,
) -> None:
    result = job_of.run(
        case(
            {"value": "${truth.count}", "equals": 0},
            truth={"count": {"command": ["tool"], "pattern": "count: (.*)"}},
        ),
        {"run": {**COMMAND, "exit": 2, "stdout": "begun\n", "stderr": "broken\n"}},
    )

    assert result.failure_class == "command_failed"
    assert "broken" in result.cure


@pytest.mark.parametrize(
    ("words", "class_"),
    [
        ("no such object\n", "loader_failed"),
        (
            "can't read types: type id 11494: unknown kind: Unknown (19)\n",
            "kernel_btf_too_new",
        ),
    ],
)
def test_a_loader_that_fails_has_its_own_class(words: str, class_: str) -> None:
    loading = Case.model_validate(
        {
            "name": "c",
            "files": ["loader"],
            "trigger": [{"command": ["${files.folder}/loader"]}],
            "expect": [{"map": "m", "key": 1, "equals": 42}],
        },
        strict=False,
    )
    job = CaseJob(
        suite="s", case=loading, object_path=None, shown_path="s/loader", nodeid="n"
    )

    result = session_case.run(
        replace(job, case=loading.model_copy(update={"files": ()})),
        guest(FakeAgent({"run": {**COMMAND, "exit": 2, "stderr": words}})),
    )

    assert result.outcome is Outcome.FAILED
    assert result.failure_class == class_
    assert words.strip() in result.cure
    assert result.mismatches == ()
    assert "no program ran" not in result.cure


# ------------------------------------------------------- what is loaded, attached

OPENED: dict[str, JsonValue] = {
    "handle": 1,
    "maps": [],
    "log": "",
    "programs": [
        {"name": "p", "section": "?tc", "type": "sched_cls", "load": False},
        {"name": "q", "section": "xdp", "type": "xdp", "load": True},
    ],
}
LOADED: dict[str, JsonValue] = {
    "maps": [],
    "log": "",
    "programs": [{"name": "q", "type": "xdp", "id": 9, "instructions": 2}],
}
ALWAYS: dict[str, JsonValue] = {"value": "${kernel.release}", "matches": ".+"}


def test_an_object_of_which_nothing_was_loaded_fails(job_of: JobOf) -> None:
    result = job_of.run(
        case(ALWAYS, must_run=False),
        {"open": OPENED, "load": {**LOADED, "programs": []}},
    )

    assert result.outcome is Outcome.FAILED
    assert result.failure_class == "nothing_loaded"
    assert result.message == (
        "no program was loaded: p (?tc), q (xdp): its section is optional "
        '(SEC("?…")), and nothing requests it'
    )
    assert not any(it.loaded for it in result.programs)


def test_an_object_of_which_nothing_was_attached_fails_where_it_must(
    job_of: JobOf,
) -> None:
    answers: dict[str, dict[str, JsonValue] | Exception] = {
        "open": OPENED,
        "load": LOADED,
        "attach": {"attached": False, "log": ""},
    }

    result = job_of.run(case(ALWAYS, must_run=False, must_attach=True), answers)

    assert result.outcome is Outcome.FAILED
    assert result.failure_class == "nothing_attached"
    assert result.message == (
        "nothing was attached: loaded, not attached: q (xdp); not loaded: p (?tc)"
    )
    first, second = result.programs
    assert (first.name, first.section, first.loaded) == ("p", "?tc", False)
    assert "optional" in first.why
    assert (second.name, second.loaded, second.attached) == ("q", True, False)
    assert second.why.startswith("libbpf does not attach xdp programs")

    result = job_of.run(case(ALWAYS, must_run=False), answers)
    assert result.outcome is Outcome.PASSED
    assert result.message == "loaded, not attached: q (xdp); not loaded: p (?tc)"


def test_an_object_that_is_only_to_be_loaded_passes_and_says_so(job_of: JobOf) -> None:
    agent = FakeAgent({"open": OPENED, "load": LOADED})

    result = job_of.run(case(ALWAYS, must_run=False, attach=False), agent=agent)

    assert result.outcome is Outcome.PASSED
    assert "attach" not in agent.operations
    assert result.message.startswith("only loaded, nothing attached")


COUNTS: JsonValue = {
    "name": "counts",
    "type": "hash",
    "id": 7,
    "key_size": 4,
    "value_size": 4,
    "max_entries": 1,
}


def test_an_object_of_maps_only_passes_by_its_maps_and_says_so(job_of: JobOf) -> None:
    answers: dict[str, dict[str, JsonValue] | Exception] = {
        "open": {**OPENED, "programs": []},
        "load": {**LOADED, "programs": [], "maps": [COUNTS]},
    }

    result = job_of.run(case(ALWAYS, must_run=False, attach=False), answers)
    assert result.outcome is Outcome.PASSED
    assert result.message == "no programs; created its maps only: counts (hash)"

    result = job_of.run(case(ALWAYS, must_run=False, must_attach=True), answers)
    assert result.failure_class == "nothing_attached"
    assert result.message == (
        "nothing was attached: no programs; created its maps only: counts (hash)"
    )


def test_an_object_of_which_no_map_was_created_fails(job_of: JobOf) -> None:
    answers: dict[str, dict[str, JsonValue] | Exception] = {
        "open": {**OPENED, "programs": []},
        "load": {**LOADED, "programs": []},
    }

    result = job_of.run(case(ALWAYS, must_run=False, attach=False), answers)

    assert (result.outcome, result.failure_class) == (Outcome.FAILED, "nothing_loaded")
    assert result.message == "the object has no programs, and no map of it was created"


OPS: JsonValue = {
    "name": "ops",
    "type": "struct_ops",
    "id": 7,
    "key_size": 4,
    "value_size": 4,
    "max_entries": 1,
}
WITH_OPS: dict[str, dict[str, JsonValue] | Exception] = {
    "open": OPENED,
    "load": {**LOADED, "maps": [OPS]},
    "attach": {"attached": False, "log": ""},
}


OPS_SOURCE = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct some_ops { int (*first)(void *); int (*second)(void *); };
SEC("struct_ops/second") int q(void *context) { return 0; }
SEC("struct_ops/first") int p(void *context) { return 1; }
SEC(".struct_ops") struct some_ops ops = {.second = (void *)q};
SEC(".struct_ops.link") struct some_ops other = {.first = (void *)p};
"""


def test_maps_of_struct_ops_are_registered(job_of: JobOf, tmp_path: Path) -> None:
    job_of.holds(compile_bpf(OPS_SOURCE, tmp_path))

    result = job_of.run(
        case(ALWAYS, must_run=False, must_attach=True),
        {**WITH_OPS, "register": {"log": ""}},
    )

    assert result.outcome is Outcome.PASSED
    assert [(it.name, it.registered) for it in result.struct_ops] == [("ops", True)]
    assert [(it.name, it.attached) for it in result.programs] == [
        ("p", False),
        ("q", True),
    ]
    assert "ops" not in result.message


def test_struct_ops_maps_name_their_programs(tmp_path: Path) -> None:
    found = bpf_object.read(compile_bpf(OPS_SOURCE, tmp_path)).struct_ops

    assert found == {"ops": ("q",), "other": ("p",)}


def test_a_map_that_the_kernel_refuses_to_register_is_told(job_of: JobOf) -> None:
    result = job_of.run(
        case(ALWAYS, must_run=False),
        {**WITH_OPS, "register": fault("can't register ops: EEXIST", "EEXIST")},
    )

    assert result.outcome is Outcome.FAILED
    assert "can't register ops" in result.message
    assert [(it.registered, it.why) for it in result.struct_ops] == [
        (False, "can't register ops: EEXIST")
    ]


def test_maps_of_struct_ops_that_are_left_out_attach_nothing(job_of: JobOf) -> None:
    result = job_of.run(
        case(ALWAYS, must_run=False, must_attach=True, maps={"ops": {"attach": False}}),
        WITH_OPS,
    )

    assert result.failure_class == "nothing_attached"
    assert [(it.registered, it.why) for it in result.struct_ops] == [
        (False, "the case sets attach: false")
    ]


def test_a_truth_that_is_not_there_is_the_suites_mistake(job_of: JobOf) -> None:
    result = job_of.run(
        case(RIGHT, truth={"pid": {"proc": "/proc/1/status", "line": "Pdi"}})
    )

    assert result.outcome is Outcome.FAILED
    assert result.failure_class == "suite_error"
    assert result.message == "/proc/1/status has no line 'Pdi'"


def test_a_truth_can_be_expected(job_of: JobOf) -> None:
    result = job_of.run(
        case(
            {"value": "${truth.state}", "equals": "S"},
            truth={"state": {"proc": "/proc/1/status", "line": "State", "field": 1}},
        )
    )

    assert result.outcome is Outcome.PASSED


def test_programs_are_attached_as_the_suite_says(job_of: JobOf) -> None:
    agent = FakeAgent()

    job_of.run(case(RIGHT, programs={"p": {"attach": False}}), agent=agent)
    assert "attach" not in agent.operations
    job_of.run(case(RIGHT), agent=agent)
    assert "attach" in agent.operations


def test_a_case_leaves_nothing_in_the_guest(job_of: JobOf) -> None:
    for expect in (RIGHT, WRONG):
        agent = FakeAgent()
        job_of.run(case(expect), agent=agent)
        assert agent.operations[-3:] == ["release", "close", "aftermath"]


@pytest.mark.parametrize(
    ("cause", "is_last"),
    [
        *(("panic", False), ("oops", False), ("out_of_memory", False)),
        # Nobody tries it again.
        *(("soft_lockup", True), ("rcu_stall", True)),
    ],
)
def test_an_object_that_takes_the_kernel_down_fails(
    job_of: JobOf, cause: str, is_last: bool
) -> None:
    end = GuestError("BUG: it died", cause=cause, console="the last words")
    vm = FakeVm(end=end)
    result = job_of.run(case(RIGHT), {"load": EOFError()}, vm=vm, is_last=is_last)

    assert result.outcome is Outcome.FAILED
    assert result.failure_class == f"kernel_{cause}"
    assert result.message == "the guest was lost: BUG: it died"
    assert result.console == "the last words"
    # What libbpf said before is not lost with it.
    assert result.log == "opened\n"


LOCKUPS = pytest.mark.parametrize("cause", ["soft_lockup", "rcu_stall"])


@LOCKUPS
def test_a_kernel_that_locks_up_says_nothing_until_a_second_try(
    job_of: JobOf, cause: str
) -> None:
    locked = FakeVm(end=GuestError("it locked up", cause=cause, console="its words"))

    result = job_of.run(case(RIGHT), {"load": EOFError()}, vm=locked)

    assert (result.outcome, result.failure_class) == (Outcome.ERROR, f"kernel_{cause}")
    assert result.message == "the guest was lost: it locked up"
    assert result.console == "its words"


@LOCKUPS
def test_a_declared_lockup_needs_no_second_try(job_of: JobOf, cause: str) -> None:
    locked = FakeVm(end=GuestError("it locked up", cause=cause))
    declared = {"class": f"kernel_{cause}", "reason": "it loops"}

    result = job_of.run(
        case(RIGHT, expect_failure=declared), {"load": EOFError()}, vm=locked
    )

    assert (result.outcome, result.failure_class) == (Outcome.PASSED, f"kernel_{cause}")


def test_a_declared_lockup_excuses_no_other_end(job_of: JobOf) -> None:
    stalled = FakeVm(end=GuestError("it stalled", cause="rcu_stall"))
    declared = {"class": "kernel_soft_lockup", "reason": "it loops"}
    given = case(RIGHT, expect_failure=declared)

    first = job_of.run(given, {"load": EOFError()}, vm=stalled)
    second = job_of.run(given, {"load": EOFError()}, vm=stalled, is_last=True)

    assert first.outcome is Outcome.ERROR
    assert second.outcome is Outcome.FAILED
    assert second.message.startswith("failed as kernel_rcu_stall, not as declared")


@pytest.mark.parametrize("cause", ["early_exit", "lost"])
def test_a_guest_that_is_lost_otherwise_is_an_error(job_of: JobOf, cause: str) -> None:
    vm = FakeVm(end=GuestError("it is gone", cause=cause, hint="look"))

    result = job_of.run(case(RIGHT), {"load": TimeoutError()}, vm=vm)

    assert result.outcome is Outcome.ERROR
    assert result.failure_class == cause
    assert result.cure == "look"


def test_an_answer_that_does_not_come_is_a_timeout(job_of: JobOf) -> None:
    result = job_of.run(
        case(RIGHT, trigger=[{"syscall": "getpid"}]),
        {"syscall": TimeoutError()},
        alive=True,
    )

    assert (result.outcome, result.failure_class) == (Outcome.ERROR, "timed_out")
    assert result.message == (
        "timed out: the agent did not answer syscall within 120 s while running "
        "trigger syscall; the guest lives"
    )
    assert "--timeout-scale" in result.cure


def test_a_guest_that_hangs_with_its_agent_is_a_timeout(job_of: JobOf) -> None:
    result = job_of.run(case(RIGHT), {"load": TimeoutError()})

    assert (result.outcome, result.failure_class) == (Outcome.ERROR, "timed_out")
    assert "did not answer load within" in result.message
    assert result.message.endswith("the guest does not answer on SSH either")


def test_a_connection_that_breaks_is_no_timeout(job_of: JobOf) -> None:
    vm = FakeVm(end=GuestError("no answer", cause="no_answer"))

    result = job_of.run(case(RIGHT), {"load": EOFError()}, vm=vm)

    assert (result.outcome, result.failure_class) == (Outcome.ERROR, "no_answer")


def test_a_load_that_takes_too_long_is_a_word_about_the_object(job_of: JobOf) -> None:
    result = job_of.run(case(RIGHT), {"load": TimeoutError()}, alive=True)

    assert result.outcome is Outcome.FAILED
    assert result.failure_class == "verifier_too_slow"
    assert result.message.startswith(
        f"the verifier took over {timeouts.LOAD.seconds:g} s while loading s/a.bpf.c"
    )
    assert "boot-timeout" not in result.message + result.cure


HANGS: dict[str, JsonValue] = {
    **COMMAND,
    "exit": None,
    "signal": "SIGKILL",
    "timed_out": True,
    "stdout": "half of",
    "stderr": "it",
}


def test_a_bpftool_that_does_not_end_is_a_timeout(job_of: JobOf) -> None:
    result = job_of.run(case(RIGHT), {"run": HANGS})

    assert (result.outcome, result.failure_class) == (Outcome.ERROR, "timed_out")
    assert result.message == (
        "timed out: /usr/sbin/bpftool -j map dump id 7: still running after "
        f"{timeouts.LOOK.seconds:g} s, and killed; it printed so far: "
        '"half ofit"; while reading maps and programs'
    )
    assert "--timeout-scale" in result.cure


def test_a_bpftool_that_fails_without_a_word_shows_its_stderr(job_of: JobOf) -> None:
    broken = {**COMMAND, "exit": 254, "stderr": "no memory\n"}

    result = job_of.run(case(RIGHT), {"run": broken})

    assert (result.outcome, result.failure_class) == (Outcome.ERROR, "infrastructure")
    assert result.message == (
        '/usr/sbin/bpftool -j map dump id 7: exit status 254; stderr: "no memory\\n"'
    )


def test_a_command_that_does_not_end_is_a_timeout(job_of: JobOf) -> None:
    result = job_of.run(
        case(
            {"value": "${command.exit}", "equals": 0},
            trigger=[{"command": ["gotool", "-v"], "timeout": 2.5}],
        ),
        {"run": HANGS},
    )

    assert (result.outcome, result.failure_class) == (Outcome.ERROR, "timed_out")
    assert result.message == (
        "timed out: gotool -v: still running after 2.5 s, and killed; it printed so "
        'far: "half ofit"; while running trigger command'
    )
    assert "`timeout` of the trigger in suite.yaml" in result.cure
    assert "--timeout-scale" in result.cure


def test_a_truth_that_does_not_end_is_a_timeout(job_of: JobOf) -> None:
    result = job_of.run(
        case(
            {"value": "${truth.x}", "equals": 0},
            truth={"x": {"command": ["slow"]}},
        ),
        {"run": HANGS},
    )

    assert (result.outcome, result.failure_class) == (Outcome.ERROR, "timed_out")
    assert result.message.startswith("timed out: slow: still running after ")


def test_a_guest_in_which_something_timed_out_serves_no_other_try(
    tmp_path: Path,
) -> None:
    lent = guest(FakeAgent({"run": HANGS}))
    object_path = tmp_path / "a.o"
    object_path.write_bytes(b"object")

    session_case.run(
        CaseJob(
            suite="s",
            case=case(RIGHT),
            object_path=object_path,
            shown_path="s/a.o",
            nodeid="",
        ),
        lent,
    )

    assert not lent.usable


class SlowLoader(FakeAgent):
    """An agent whose background command never prints its line in time."""

    def _command(self, argv: JsonValue) -> dict[str, JsonValue]:
        assert isinstance(argv, list)
        script = str(argv[2]) if argv[0] == "sh" else ""
        if "grep" in script:
            return {**COMMAND, "timed_out": True, "exit": None}
        if argv[0] == "cat":
            # It came meanwhile.
            out = str(argv[1]).endswith("/out")
            return {**COMMAND, "stdout": "ready\n" if out else ""}
        return {**COMMAND, "stdout": "17\n"}


def test_a_line_that_comes_late_does_not_contradict_itself(job_of: JobOf) -> None:
    result = job_of.run(
        case(
            RIGHT,
            trigger=[{"command": ["tool"], "background": True, "until": "ready"}],
        ),
        agent=SlowLoader(),
    )

    assert (result.outcome, result.failure_class) == (Outcome.ERROR, "timed_out")
    assert result.message.startswith(
        "timed out: tool printed no line that matches ready within 10 s; it printed so "
        'far: "ready\\n"'
    )


def test_a_loader_that_dies_of_an_object_fails_it(job_of: JobOf) -> None:
    result = job_of.run(case(RIGHT), {"load": EOFError()}, alive=True)

    assert result.outcome is Outcome.FAILED
    assert result.failure_class == LOADER_CRASHED.name
    assert (
        "the agent crashed while loading s/a.bpf.c; the guest still runs"
        in result.message
    )


def test_an_agent_that_dies_later_is_no_word_about_the_object(job_of: JobOf) -> None:
    result = job_of.run(
        case(RIGHT, trigger=[{"fork": "x"}]), {"fork": EOFError()}, alive=True
    )

    assert result.outcome is Outcome.ERROR
    assert result.failure_class == "agent_crashed"


def test_a_lost_guest_is_no_longer_usable(tmp_path: Path) -> None:
    lent = guest(FakeAgent({"load": EOFError()}))
    object_path = tmp_path / "a.o"
    object_path.write_bytes(b"object")
    assert lent.usable

    session_case.run(
        CaseJob(
            suite="s",
            case=case(RIGHT),
            object_path=object_path,
            shown_path="s/a.o",
            nodeid="",
        ),
        lent,
    )

    assert not lent.usable


# --------------------------------------------------------------- declared gaps


def declared(class_: str | tuple[str, ...], kernels: str = "") -> dict[str, object]:
    failure = {"class": class_, "reason": "known", "kernels": kernels}
    return {"expect_failure": failure}


def test_a_gap_on_some_kernels_is_skipped_there(job_of: JobOf) -> None:
    result = job_of.run(case(WRONG, **declared("wrong_value", "<6.2")))

    assert result.outcome is Outcome.SKIPPED
    assert result.message == "fails as declared: wrong_value (known)"


def test_a_gap_may_be_of_one_of_several_classes(job_of: JobOf) -> None:
    fits = declared(("poison_reachable", "wrong_value"))
    other = declared(("poison_reachable", "map_not_created"))

    assert job_of.run(case(WRONG, **fits)).outcome is Outcome.PASSED
    result = job_of.run(case(WRONG, **other))
    assert result.outcome is Outcome.FAILED
    assert "not as declared, poison_reachable or map_not_created" in result.message


def test_a_gap_on_all_kernels_is_what_the_case_is_about(job_of: JobOf) -> None:
    result = job_of.run(case(WRONG, **declared("wrong_value")))

    assert result.outcome is Outcome.PASSED
    assert result.checked == 1


def test_a_gap_on_other_kernels_does_not_count(job_of: JobOf) -> None:
    gap = declared("wrong_value", "<5.10")

    assert job_of.run(case(RIGHT, **gap)).outcome is Outcome.PASSED
    assert job_of.run(case(WRONG, **gap)).outcome is Outcome.FAILED


def test_a_gap_goes_by_upstreams_version_not_by_the_release(job_of: JobOf) -> None:
    # `uname -r` of Debian's says 6.1.0 all the time.
    gap = declared("wrong_value", "<6.1.100")

    assert job_of.run(case(WRONG, **gap), version="6.1.176").outcome is Outcome.FAILED
    assert job_of.run(case(WRONG, **gap), version="6.1.99").outcome is Outcome.SKIPPED


def test_a_pass_where_a_failure_is_declared_is_a_failure(job_of: JobOf) -> None:
    result = job_of.run(case(RIGHT, **declared("wrong_value", ">=6")))

    assert result.outcome is Outcome.FAILED
    assert result.failure_class == "unexpected_pass"
    assert result.message == (
        "passed, but the suite declares that it fails: wrong_value (known)"
    )


def test_another_failure_than_declared_is_a_failure(job_of: JobOf) -> None:
    result = job_of.run(
        case(RIGHT, **declared("wrong_value")),
        {"load": fault("can't load", log=REJECTED)},
    )

    assert result.outcome is Outcome.FAILED
    assert result.failure_class == "poison_reachable"
    assert result.message.startswith(
        "failed as poison_reachable, not as declared, wrong_value (known): load refused"
    )


def test_a_declared_oops_keeps_its_console(job_of: JobOf) -> None:
    vm = FakeVm(end=GuestError("it died", cause="oops", console="the last words"))

    result = job_of.run(
        case(RIGHT, **declared("kernel_oops", "<6.2")), {"load": EOFError()}, vm=vm
    )

    assert result.outcome is Outcome.SKIPPED
    assert result.console == "the last words"


def test_infrastructure_is_no_declared_failure(job_of: JobOf) -> None:
    result = job_of.run(case(RIGHT, **declared("no_answer")), {"load": TimeoutError()})

    assert result.outcome is Outcome.ERROR


# ----------------------------------------------------------------- predictions

UNGUARDED = """\
struct task { int %s; } CORE;
SEC("kprobe/a") int on_a(struct task *task)
{
	return bpf_core_field_offset(struct task, %s);
}
"""


@pytest.mark.parametrize(
    ("field", "answers", "outcome", "predicted"),
    [
        ("pid", {}, Outcome.PASSED, "loads"),
        ("gone", {}, Outcome.FAILED, "rejected"),
        ("pid", {"load": fault("refused", log=REJECTED)}, Outcome.FAILED, "loads"),
    ],
)
def test_a_kernel_that_belies_its_prediction_fails_the_case(
    field: str,
    answers: dict[str, dict[str, JsonValue] | Exception],
    outcome: Outcome,
    predicted: str,
    tmp_path: Path,
) -> None:
    build()
    path, btf = tmp_path / "a.o", tmp_path / "vmlinux.btf"
    path.write_bytes(compiled(HEAD + UNGUARDED % (field, field)))
    btf.write_bytes(kernel("struct task { long a; int pid; } x;"))
    lent = guest(FakeAgent(answers), cache=Cache(tmp_path / "cache"))
    lent.artifact = replace(lent.artifact, btf=btf)

    result = session_case.run(
        CaseJob(
            suite="s", case=case(RIGHT), object_path=path, shown_path="a.o", nodeid="n"
        ),
        lent,
    )

    assert (result.outcome, result.predicted) == (outcome, predicted)
    if outcome is Outcome.FAILED:
        assert result.failure_class == "prediction_wrong"
        assert "preflight predicted" in result.message


LOOP = HEAD + (
    'SEC("kprobe/a_function") int p(void *ctx) { volatile int n = 9; long i = 0;'
    " while (n) i += bpf_ktime_get_ns(); return i; }"
)
# The vendor took loops back to its 4.18; another 6.1 has lost them.
EL8 = "4.18.0-553.66.1.el8_10.x86_64"


@pytest.mark.parametrize(
    ("version", "loops", "predicted", "outcome"),
    [
        (EL8, None, "rejected", Outcome.FAILED),
        (EL8, True, "loads", Outcome.PASSED),
        ("6.1.176", None, "loads", Outcome.PASSED),
        ("6.1.176", False, "rejected", Outcome.FAILED),
    ],
)
def test_a_prediction_follows_what_the_kernel_said_and_not_its_version(
    version: str,
    loops: bool | None,
    predicted: str,
    outcome: Outcome,
    tmp_path: Path,
) -> None:
    build()
    path, btf = tmp_path / "a.o", tmp_path / "vmlinux.btf"
    path.write_bytes(compiled(LOOP))
    btf.write_bytes(kernel("struct task { int pid; } x;"))
    # Its agent says that all loads.
    lent = guest(FakeAgent(), version=version, cache=Cache(tmp_path / "cache"))
    lent.artifact = replace(lent.artifact, btf=btf)
    if loops is not None:
        lent.facts = Facts(release=version, abilities={"bounded_loops": loops})

    result = session_case.run(
        CaseJob(
            suite="s", case=case(RIGHT), object_path=path, shown_path="a.o", nodeid="n"
        ),
        lent,
    )

    assert (result.predicted, result.outcome) == (predicted, outcome)
    assert (result.failure_class == "prediction_wrong") is (outcome is Outcome.FAILED)


ON_FUNCTION = 'SEC("fentry/a_function") int p(void *ctx) { return 0; }\n'


@pytest.mark.parametrize(
    ("config", "predicted"),
    [("CONFIG_BPF_JIT=y\n", "loads"), ("# CONFIG_BPF_JIT is not set\n", "rejected")],
)
def test_a_prediction_follows_what_the_kernel_was_built_without(
    config: str, predicted: str, tmp_path: Path
) -> None:
    build()
    path, btf = tmp_path / "a.o", tmp_path / "vmlinux.btf"
    path.write_bytes(compiled(HEAD + ON_FUNCTION))
    btf.write_bytes(kernel("int a_function(void *ctx) { return 0; }"))
    (tmp_path / "config").write_text(config)
    lent = guest(FakeAgent(), cache=Cache(tmp_path / "cache"))
    lent.artifact = replace(lent.artifact, btf=btf, config=tmp_path / "config")

    result = session_case.run(
        CaseJob(
            suite="s", case=case(RIGHT), object_path=path, shown_path="a.o", nodeid="n"
        ),
        lent,
    )

    assert result.predicted == predicted


def test_a_case_is_skipped_for_what_the_kernel_says_that_it_lacks(
    job_of: JobOf, tmp_path: Path
) -> None:
    it = case(RIGHT, needs={"ability": "bounded_loops"})
    agent = FakeAgent()
    lent = guest(agent)
    lent.facts = Facts(release="6.1", abilities={"bounded_loops": False})
    job = CaseJob(
        suite="s",
        case=it,
        object_path=tmp_path / "a.o",
        shown_path="s/a.bpf.c",
        nodeid="s::c[6.1]",
    )

    result = session_case.run(job, lent)

    assert (result.outcome, result.failure_class) == (Outcome.SKIPPED, "declared_gap")
    assert result.message == ("needs the ability bounded_loops (probed on the kernel)")
    assert agent.operations == []
    # Its version says that it has them.
    assert job_of.run(it).outcome is Outcome.PASSED


def test_what_a_case_leaves_is_told_and_fails_nothing(job_of: JobOf) -> None:
    left: dict[str, JsonValue] = {
        **ANSWERS["aftermath"],
        "pins": ["/sys/fs/bpf/counts"],
    }

    result = job_of.run(case(RIGHT), {"aftermath": left})

    assert result.outcome is Outcome.PASSED
    assert result.left_behind == ("/sys/fs/bpf/counts",)
    assert result.left_words == "left in its guest: /sys/fs/bpf/counts"


def test_a_log_that_lost_lines_is_told_and_fails_nothing(job_of: JobOf) -> None:
    lost: dict[str, JsonValue] = {**ANSWERS["aftermath"], "incomplete": True}

    result = job_of.run(case(RIGHT), {"aftermath": lost})

    assert result.outcome is Outcome.PASSED
    assert result.log_incomplete
    assert "logged more than its log holds" in result.log_words
    assert job_of.run(case(RIGHT)).log_words == ""


# ------------------------------------------ what the kernel reports meanwhile


WARNS = "[    7.2] WARNING: CPU: 0 PID: 99 at kernel/bpf/core.c:1 a+0x1/0x2\n"


def test_a_kernel_that_warns_fails_the_case(job_of: JobOf) -> None:
    result = job_of.run(case(RIGHT), vm=FakeVm(said=WARNS))

    assert (result.outcome, result.failure_class) == (Outcome.FAILED, "kernel_warned")
    assert "WARNING: CPU: 0 PID: 99 at" in result.message
    assert result.console == WARNS.rstrip("\n")


def test_what_ran_in_the_guest_before_is_named(job_of: JobOf) -> None:
    vm = FakeVm()
    used = guest(FakeAgent(), vm=vm)

    job_of.run_in(used, case(RIGHT))
    vm.said = WARNS
    result = job_of.run_in(used, case(RIGHT, name="late"))

    assert result.message.endswith(
        "; s::c ran in this guest before, and may be the reason"
    )
    fresh = job_of.run(case(RIGHT), vm=FakeVm(said=WARNS))
    assert "before" not in fresh.message


def test_a_kernel_that_warns_where_its_console_is_quiet_fails_the_case(
    job_of: JobOf,
) -> None:
    record = WARNS.replace("[    7.2] ", "4,99,7200000,-;").rstrip("\n")
    agent = FakeAgent({"aftermath": {**ANSWERS["aftermath"], "records": [record]}})

    result = job_of.run(case(RIGHT), agent=agent)

    assert (result.outcome, result.failure_class) == (Outcome.FAILED, "kernel_warned")
    assert result.console == WARNS.replace("7.2", "7.200000").rstrip("\n")


def test_a_failure_that_is_declared_does_not_hide_a_warning(job_of: JobOf) -> None:
    declared = {
        "class": "poison_reachable",
        "kernels": ">=4.4",
        "reason": "it has no such field",
    }
    refused = {"load": fault("can't load", log=REJECTED)}

    quiet = job_of.run(case(RIGHT, expect_failure=declared), refused)
    warned = job_of.run(
        case(RIGHT, expect_failure=declared), refused, vm=FakeVm(said=WARNS)
    )

    assert quiet.failure_class == "poison_reachable"
    assert quiet.outcome is not Outcome.FAILED
    assert warned.outcome is Outcome.FAILED
    assert "kernel_warned" in warned.failure_class + warned.message


def test_another_failure_is_shown_with_the_warning(job_of: JobOf) -> None:
    result = job_of.run(case(WRONG), vm=FakeVm(said=WARNS))

    assert result.failure_class == "wrong_value"
    assert "the kernel also reported: WARNING" in result.message


def test_a_stall_says_nothing_until_a_second_try(job_of: JobOf) -> None:
    stall = "[   60.0] rcu: INFO: rcu_preempt self-detected stall on CPU\n"

    result = job_of.run(case(RIGHT), vm=FakeVm(said=stall))
    again = job_of.run(case(RIGHT), vm=FakeVm(said=stall), is_last=True)

    assert (result.outcome, result.failure_class) == (Outcome.ERROR, "kernel_warned")
    assert (again.outcome, again.failure_class) == (Outcome.FAILED, "kernel_warned")


def test_a_declared_stall_needs_no_second_try(job_of: JobOf) -> None:
    stall = "[   60.0] rcu: INFO: rcu_preempt self-detected stall on CPU\n"
    declared = {"class": "kernel_warned", "reason": "it loops"}

    result = job_of.run(case(RIGHT, expect_failure=declared), vm=FakeVm(said=stall))

    assert (result.outcome, result.failure_class) == (Outcome.PASSED, "kernel_warned")


def test_what_is_lost_after_a_warning_is_a_failure(job_of: JobOf) -> None:
    gone = GuestError("QEMU exited with status 1", cause="early_exit")

    result = job_of.run(
        case(RIGHT), {"load": EOFError()}, vm=FakeVm(said=WARNS, end=gone)
    )

    assert (result.outcome, result.failure_class) == (Outcome.FAILED, "kernel_warned")
    assert "WARNING: CPU: 0 PID: 99 at" in result.message
    assert "; then: the guest was lost: QEMU exited with" in result.message


def test_a_declared_warning_excuses_no_lost_guest(job_of: JobOf) -> None:
    gone = GuestError("QEMU exited with status 1", cause="early_exit")
    declared = case(RIGHT, expect_failure={"class": "kernel_warned", "reason": "x"})

    result = job_of.run(declared, {"load": EOFError()}, vm=FakeVm(said=WARNS, end=gone))

    assert (result.outcome, result.failure_class) == (Outcome.ERROR, "early_exit")
    assert "the kernel also reported: WARNING" in result.message


def test_what_is_lost_after_a_stall_is_no_verdict(job_of: JobOf) -> None:
    stall = "[   60.0] rcu: INFO: rcu_preempt self-detected stall on CPU\n"
    gone = GuestError("QEMU exited with status 1", cause="early_exit")

    result = job_of.run(
        case(RIGHT), {"load": EOFError()}, vm=FakeVm(said=stall, end=gone)
    )

    assert (result.outcome, result.failure_class) == (Outcome.ERROR, "early_exit")


def test_what_is_lost_after_a_stall_at_the_second_try_is_a_failure(
    job_of: JobOf,
) -> None:
    stall = "[   60.0] rcu: INFO: rcu_preempt self-detected stall on CPU\n"
    gone = GuestError("it hangs", cause="timed_out")
    vm = FakeVm(said=stall, end=gone)

    result = job_of.run(case(RIGHT), {"load": EOFError()}, vm=vm, is_last=True)

    assert (result.outcome, result.failure_class) == (Outcome.FAILED, "kernel_warned")
    assert "self-detected stall on CPU" in result.message
    assert result.message.endswith("; then: it hangs")


def test_a_guest_that_died_says_what_the_report_says(job_of: JobOf) -> None:
    died = GuestError("oops while loading", cause="oops", console=WARNS)

    result = job_of.run(
        case(RIGHT), {"load": EOFError()}, vm=FakeVm(said=WARNS, end=died)
    )

    assert result.outcome is Outcome.FAILED
    assert result.failure_class != "kernel_warned"
    assert "also reported" not in result.message


def test_a_verifier_that_finds_itself_inconsistent_is_told(job_of: JobOf) -> None:
    log = "verifier bug: REG INVARIANTS VIOLATION (true_reg1): range bounds"

    result = job_of.run(case(RIGHT), {"load": fault("can't load", log=log)})

    assert result.outcome is Outcome.FAILED
    assert "the kernel also reported: verifier bug" in result.message
