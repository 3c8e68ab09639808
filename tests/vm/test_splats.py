"""A kernel that reports a fault of its own fails the case that did it, and no other."""

import json
from pathlib import Path

import pytest

from runner.results import Outcome
from tests.vm.conftest import DATA, Finished, run

pytestmark = pytest.mark.vm

P, F, S = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED
# As WARN prints it, at its level.
WARNING = "<4>WARNING: CPU: 0 PID: 1 at lib/mine.c:1 mine+0x1/0x2"
SUITE = """\
description: A kernel that warns.
reuse: suite
splats:
  deny: [{pattern: "^mine: lost", reason: it lost something}]
  allow: [{pattern: "at lib/harmless", reason: known}]
cases:
"""
WARNS = f"echo '{WARNING}' > /dev/kmsg"
QUIET = "dmesg -n 1"
# More than the kernel's log holds, which is 128 KiB or a little more.
FLOOD = (
    "line=$(head -c 700 /dev/zero | tr '\\0' x); "
    'for i in $(seq 2000); do echo "<7>$line" > /dev/kmsg; done'
)
# The kernel starts it, so that no agent ends it with its case.
LEAVES_A_HELPER = f"""\
cat > /tmp/helper <<'END'
#!/bin/sh
# Who dumps core goes on.
exec < /dev/null
sleep 3
{WARNS}
END
chmod 755 /tmp/helper
echo '|/tmp/helper' > /proc/sys/kernel/core_pattern
ulimit -c unlimited
sh -c 'kill -SEGV $$'
true"""
# Cases of one object: what they run, and what else they say.
CASES = {
    "before": ("true", ""),
    "warns": (WARNS, ""),
    "after": ("true", ""),
    "quiet": (QUIET, ""),
    # The console stays as the case before left it.
    "warns_quietly": (WARNS, ""),
    "after_quiet": ("true", ""),
    "warns_in_a_flood": (f"{QUIET}; {FLOOD}; {WARNS}", ""),
    "flood": (f"{QUIET}; {FLOOD}", ""),
    # A helper of the case is late, which the next one is told.
    "leaves_a_helper": (LEAVES_A_HELPER, ""),
    "waits": ("sleep 6", ""),
    "allowed": ("echo '<4>WARNING: x at lib/harmless.c:1' > /dev/kmsg", ""),
    "denied": ("echo '<4>mine: lost 5' > /dev/kmsg", ""),
    # A console shows nothing of this level.
    "notice": ("echo '<5>mine: lost 5' > /dev/kmsg", ""),
    "declared": (
        WARNS,
        "expect_failure: {class: kernel_warned, kernels: '>=2.6', reason: it warns}",
    ),
    "wrong": (WARNS, ""),
}
PROGRAM = f"""\
  - name: program
    command: [sh, -c, "echo '{WARNING}' > /dev/kmsg; echo ok"]
"""
TEST = f"""\
import pytest

WARNS = ["sh", "-c", "echo '{WARNING}' > /dev/kmsg"]
CASE = dict(
    object="fine.bpf.c",
    trigger=[{{"test_run": "length"}}, {{"command": WARNS}}],
    expect=[{{"value": "${{run.retval}}", "equals": 50}}],
)


def test_warns(guest):
    guest.exec(["sh", "-c", "echo '{WARNING}' > /dev/kmsg"])


def test_after(guest):
    guest.exec(["true"])


def test_ignores_it(bpf):
    bpf.run(**CASE)


def test_runs_on(bpf):
    assert bpf.run(**CASE).outcome == "failed"
    bpf.run(**{{**CASE, "trigger": CASE["trigger"][:1]}})


@pytest.mark.xfail(reason="known")
def test_xfails(bpf):
    assert bpf.run(**CASE).outcome == "passed"


def test_after_all(bpf):
    assert bpf.run(**{{**CASE, "trigger": CASE["trigger"][:1]}}).outcome == "passed"
"""


def case(name: str, command: str, more: str) -> str:
    right = 51 if name == "wrong" else 50
    argv = json.dumps(["sh", "-c", command])
    return f"""\
  - name: {name}
    object: fine.bpf.c
    trigger:
      - {{test_run: length}}
      - command: {argv}
    expect: [{{value: "${{run.retval}}", equals: {right}}}]
    {more}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    suite = tmp_path_factory.mktemp("mine") / "mine"
    suite.mkdir()
    (suite / "fine.bpf.c").write_text((DATA / "suites/hostile/fine.bpf.c").read_text())
    cases = "".join(case(name, *words) for name, words in CASES.items())
    (suite / "suite.yaml").write_text(SUITE + cases + PROGRAM)
    (suite / "test_mine.py").write_text(TEST)
    reports = tmp_path_factory.mktemp("reports") / "r"
    return run("--kernels", "6.1", "--suite", suite, "-n", "1", reports=reports)


def test_only_who_made_the_kernel_warn_fails(finished: Finished) -> None:
    assert {it.case: it.outcome for it in finished.results.cases} == {
        "before": P,
        "warns": F,
        "after": P,
        "quiet": P,
        "warns_quietly": F,
        "after_quiet": P,
        "warns_in_a_flood": F,
        "flood": P,
        "leaves_a_helper": P,
        "waits": F,
        "allowed": P,
        "denied": F,
        "notice": P,
        "declared": S,
        "wrong": F,
        "program": F,
        "test_warns": F,
        "test_after": P,
        "test_ignores_it": F,
        "test_runs_on": F,
        "test_xfails": F,
        "test_after_all": P,
    }


@pytest.mark.parametrize(
    "name",
    [
        "warns",
        "warns_quietly",
        "warns_in_a_flood",
        "program",
        "test_warns",
        "test_ignores_it",
        "test_runs_on",
        "test_xfails",
    ],
)
def test_the_kernels_words_are_shown(finished: Finished, name: str) -> None:
    case = finished.case(name)

    assert case.failure_class == "kernel_warned"
    assert "WARNING: CPU: 0 PID: 1 at lib/mine.c:1" in case.message
    assert "at lib/mine.c:1 mine+0x1/0x2" in case.console


def test_a_log_that_overflows_is_told_of_its_case(finished: Finished) -> None:
    told = {it.case for it in finished.results.cases if it.log_incomplete}

    assert told == {"warns_in_a_flood", "flood"}
    text = " ".join(finished.output.split())
    assert "6.1 mine::flood: not all of the kernel's log was seen" in text or (
        "6.1 mine::warns_in_a_flood and 1 more: not all of the kernel's" in text
    )


def test_who_was_in_the_guest_before_is_named(finished: Finished) -> None:
    message = finished.case("waits").message

    assert "mine::leaves_a_helper ran in this guest before" in message


def test_another_failure_stays_what_it_is(finished: Finished) -> None:
    case = finished.case("wrong")

    assert case.failure_class == "wrong_value"
    assert "expected 51, observed 50" in case.message
    assert "the kernel also reported: WARNING" in case.message


# They say so at the level of information, when they are loaded and made.
SET_UP_MATRIX = """\
kernels:
  - id: "6.1"
    source: {type: debian, suite: bookworm}
    splats:
      deny:
        - {pattern: "^loop: module loaded", reason: for this test}
        - {pattern: "veth0: link becomes ready", reason: for this test}
    guest:
      arguments: [loglevel=8]
      modules: [loop]
      interfaces: [{name: veth0, addresses: ["fd00::1/64"], peer: {name: veth1}}]
"""
SET_UP_SUITE = """\
description: A kernel that reports something before any case.
cases:
  - name: fine
    object: fine.bpf.c
    trigger: [{test_run: length}]
    expect: [{value: "${run.retval}", equals: 50}]
"""


ALLOWS = """\
splats:
  allow:
    - {pattern: "^loop: module loaded", reason: it is harmless}
    - {pattern: "veth0: link becomes ready", reason: it is harmless}
"""


def set_up_run(folder: Path, name: str, suite: str = SET_UP_SUITE) -> Finished:
    (folder / "fine.bpf.c").write_text((DATA / "suites/hostile/fine.bpf.c").read_text())
    (folder / "suite.yaml").write_text(suite)
    (folder / "matrix.yaml").write_text(SET_UP_MATRIX)
    words = ("--matrix", folder / "matrix.yaml", "--suite", folder, "-n", "1")
    return run(*words, reports=folder / name)


def test_what_a_suite_allows_counts_before_its_first_case(tmp_path: Path) -> None:
    # Also of a saved state.
    for name in ("first", "second"):
        done = set_up_run(tmp_path, name, ALLOWS + SET_UP_SUITE)

        assert done.status == 0, done.output
        assert done.results.kernels[0].notes == ()


def test_what_is_reported_as_a_guest_is_set_up_is_noted_and_fails_no_case(
    tmp_path: Path,
) -> None:
    # The second guest comes from the state that the first run saved.
    for name in ("first", "second"):
        done = set_up_run(tmp_path, name)

        assert done.status == 0, done.output
        (case,) = done.results.cases
        assert case.outcome is P
        booted, set_up = done.results.kernels[0].notes
        assert booted.startswith(
            "the kernel reported while it booted (modules: [loop]): loop: module "
            "loaded (for this test); "
        )
        assert set_up.startswith(
            "the kernel reported while its guest was set up (interfaces: "
        )
        assert "veth0: link becomes ready (for this test)" in set_up
        assert "the kernel reported while its guest was set up" in done.output
