import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from runner.reports import summary, summary_text
from runner.reports.compare import Gate
from runner.reports.criteria import Criteria, Report
from runner.results import (
    CaseResult,
    KernelRun,
    Mismatch,
    Outcome,
    Printed,
    RunResults,
)

MISMATCH = Mismatch(subject="map m", key="1", expected="2", observed="3")
KERNELS = (
    KernelRun(id="4.4", error="no answer on SSH after 60 s"),
    KernelRun(id="5.10", release="5.10.0-36-cloud-amd64", accelerator="tcg"),
    KernelRun(id="sid", release="7.2.13-cloud-amd64", required=False),
)


def case(
    kernel: str, suite: str, name: str, outcome: Outcome, **more: Any
) -> CaseResult:
    return CaseResult(kernel=kernel, suite=suite, case=name, outcome=outcome, **more)


def wrong(kernel: str) -> CaseResult:
    return case(
        kernel,
        "maps",
        "hash",
        Outcome.FAILED,
        message=str(MISMATCH),
        mismatches=(MISMATCH, MISMATCH.model_copy(update={"key": "2"})),
        failure_class="wrong_value",
        cure="look into the suite's README",
    )


CASES = (
    case("4.4", "maps", "hash", Outcome.ERROR, message="4.4 did not come up"),
    wrong("5.10"),
    case("5.10", "maps", "array", Outcome.PASSED),
    case("5.10", "task", "comm", Outcome.PASSED),
    case("5.10", "task", "state", Outcome.SKIPPED, message="needs >=5.14: __state"),
    wrong("sid"),
    case(
        "sid",
        "task",
        "comm",
        Outcome.ERROR,
        message="the guest was lost",
        failure_class="no_answer",
        cure="see console.log",
    ),
)


def results(
    *cases: CaseResult, kernels: tuple[KernelRun, ...] = KERNELS, complete: bool = True
) -> RunResults:
    return RunResults(
        runner="0.1.0",
        started="2026-01-02T03:04:05+00:00",
        duration=24.06,
        kernels=kernels,
        cases=cases,
        complete=complete,
    )


def report(*cases: CaseResult, **more: Any) -> Report:
    return Report(results=results(*cases, **more))


class Output(io.StringIO):
    """A file with an encoding, that may be a terminal."""

    encoding = "utf-8"

    def __init__(self, *, encoding: str = "utf-8", terminal: bool = False) -> None:
        super().__init__()
        self.encoding = encoding
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def rendered(*cases: CaseResult, width: int = 100, **more: Any) -> list[str]:
    output = Output()
    summary.render(
        report(*cases, **more), Console(file=output, width=width), Path("reports")
    )
    return [line.rstrip() for line in output.getvalue().splitlines()]


def test_a_failure_says_what_its_guest_was() -> None:
    failed = wrong("sid").model_copy(update={"environment": {"cpus": 2}})
    lines = rendered(failed)
    assert lines.count("    guest: cpus: 2") == 1
    both = rendered(wrong("5.10"), failed)
    assert both.count("    guest on sid: cpus: 2") == 1
    assert not any("guest" in it for it in rendered(wrong("sid")))


def test_matrix_failures_errors_and_counts() -> None:
    assert rendered(*CASES) == [
        "kernel              release                    maps   task",
        "4.4                 ! did not come up          ! 0/1",
        "5.10                5.10.0-36-cloud-amd64 tcg  ✗ 1/2  ✓ 1/1 –1",  # noqa: RUF001
        "sid (not required)  7.2.13-cloud-amd64         ✗ 0/1  ! 0/1",
        "",
        "Failures",
        "  ✗ 5.10, sid (not required): maps::hash",
        "    why: [wrong_value] map m key 1: expected 2, observed 3",
        "    and: map m key 2: expected 2, observed 3",
        "    do:  look into the suite's README",
        "",
        "Infrastructure errors; the objects are not the cause",
        "  ! sid (not required): task::comm",
        "    why: [no_answer] the guest was lost",
        "    do:  see console.log",
        "  ! 4.4 did not come up; 1 case did not run",
        "    why: no answer on SSH after 60 s",
        "    do:  see 4.4/console.log and 4.4/runner.log",
        "",
        "incompatible: 2 passed, 2 failed, 2 errors, 1 declared gap; infrastructure "
        "failed too; 3 kernels,",
        "24.1 s; reports: reports",
    ]


def test_kernels_that_fail_alike_are_listed_once_with_what_differs() -> None:
    lines = rendered(
        *(
            wrong(kernel).model_copy(
                update={"message": f"expected 2, observed {seen}", "mismatches": ()}
            )
            for kernel, seen in (("4.4", 3), ("5.10", 3), ("sid", 4))
        ),
        kernels=tuple(it.model_copy(update={"error": ""}) for it in KERNELS),
        width=150,
    )

    start = lines.index("Failures")
    assert lines[start : start + 5] == [
        "Failures",
        "  ✗ 4.4, 5.10, sid (not required): maps::hash",
        "    why on 4.4, 5.10: [wrong_value] expected 2, observed 3",
        "    why on sid: [wrong_value] expected 2, observed 4",
        "    do:  look into the suite's README",
    ]


def test_run_without_failures_is_short() -> None:
    passed = case("5.10", "task", "comm", Outcome.PASSED)
    assert rendered(passed, kernels=KERNELS[1:2]) == [
        "kernel  release                    task",
        "5.10    5.10.0-36-cloud-amd64 tcg  ✓ 1/1",
        "",
        "compatible: 1 passed; 1 kernel, 24.1 s; reports: reports",
    ]


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Outcome.PASSED, "flaky, passed at the second try; at the first it hung"),
        (Outcome.ERROR, "5.10 task::comm: error at the second try; at the first it"),
    ],
)
def test_only_what_passes_the_second_time_is_flaky(outcome: Outcome, said: str) -> None:
    tried = case("5.10", "task", "comm", outcome, message="it hung", flaky="it hung")

    text = " ".join(" ".join(rendered(tried, kernels=KERNELS[1:2])).split())

    assert said in text


def test_run_of_nothing_is_no_verdict() -> None:
    assert rendered(kernels=())[-1] == (
        "no verdict: nothing was checked, no case; no kernel, 24.1 s; reports: reports"
    )


def test_run_of_gaps_only_is_no_verdict() -> None:
    gap = case("5.10", "task", "state", Outcome.SKIPPED, message="needs >=5.14")

    assert rendered(gap, kernels=KERNELS[1:2])[-1].startswith(
        "no verdict: nothing was checked, 1 declared gap; 1 kernel"
    )


def test_stopped_run_says_so() -> None:
    passed = case("5.10", "task", "comm", Outcome.PASSED)
    lines = rendered(passed, kernels=KERNELS[1:2], complete=False, width=150)
    assert "incomplete: 1 passed;" in lines[-1]


def test_run_with_errors_only_blames_the_infrastructure() -> None:
    lost = case("5.10", "task", "comm", Outcome.ERROR, message="the guest was lost")
    last = rendered(lost, kernels=KERNELS[1:2])[-1]
    assert last.startswith("no verdict: 1 error; infrastructure failed; 1 kernel")


def test_suite_of_gaps_only_shows_their_number() -> None:
    gap = case("5.10", "task", "state", Outcome.SKIPPED, message="needs >=5.14")
    assert rendered(gap, kernels=KERNELS[1:2])[1].endswith("– 1")  # noqa: RUF001


@pytest.mark.parametrize("width", [20, 34, 48, 60, 80, 120])
def test_no_word_is_broken(width: int) -> None:
    wide = {word for line in rendered(*CASES, width=200) for word in line.split()}
    for line in rendered(*CASES, width=width):
        assert set(line.split()) <= wide
        assert len(line) <= width or len(line.split()) <= 2


def test_narrow_terminal_gets_a_list() -> None:
    assert rendered(*CASES, width=30)[:6] == [
        "4.4",
        "  maps ! 0/1",
        "5.10",
        "  maps ✗ 1/2",
        "  task ✓ 1/1 –1",  # noqa: RUF001
        "sid (not required)",
    ]


def test_long_message_is_cut_after_some_lines() -> None:
    message = "\n".join(["broken.bpf.c: clang refuses it", *map(str, range(30))])
    broken = case("5.10", "maps", "hash", Outcome.FAILED, message=message)
    lines = rendered(broken)
    start = lines.index("    why: broken.bpf.c: clang refuses it")
    assert lines[start + 1 : start + 19] == [
        *(f"        {number}" for number in range(8)),
        "        [… 14 lines; see results.json]",
        *(f"        {number}" for number in range(22, 30)),
        "    do:  read 5.10/runner.log and 5.10/console.log",
    ]


def test_ten_more_mismatches_are_shown_and_then_where_the_others_are() -> None:
    found = tuple(MISMATCH.model_copy(update={"key": str(it)}) for it in range(1, 14))
    lines = rendered(wrong("5.10").model_copy(update={"mismatches": found}))
    start = lines.index("    why: [wrong_value] map m key 1: expected 2, observed 3")
    assert lines[start + 1 : start + 12] == [
        *(f"    and: map m key {key}: expected 2, observed 3" for key in range(2, 12)),
        "    and: 2 more mismatches; see results.json",
    ]


def printed(**more: Any) -> Printed:
    given: dict[str, Any] = {
        "name": "command",
        "argv": ("tool", "-v"),
        "exit": 3,
        "stdout": "begun\n",
        "stderr": "\x1b[31mno\x1b[0m\n" * 20 + "it went wrong\n",
        "stderr_file": "5.10/output/maps.hash/command.stderr",
    }
    return Printed(**{**given, **more})


def command_failed(**more: Any) -> CaseResult:
    return case(
        *("5.10", "maps", "hash", Outcome.FAILED),
        failure_class="command_failed",
        message="command tool -v: expected exit status 0, observed exit status 3",
        commands=(printed(name="before", exit=0), printed(**more)),
    )


def test_what_a_failing_command_printed_stands_below_its_failure() -> None:
    lines = rendered(command_failed())
    start = lines.index("    stderr of `tool -v` (exit status 3):")
    assert lines[start - 1 : start + 14] == [
        "    do:  read 5.10/output/maps.hash/command.stderr",
        "    stderr of `tool -v` (exit status 3):",
        "      [… 13 lines]",
        *["      no"] * 7,
        "      it went wrong",
        "      all of it: 5.10/output/maps.hash/command.stderr",
        "    stdout of `tool -v` (exit status 3):",
        "      begun",
        "",
    ]


def test_what_a_guest_cut_is_said() -> None:
    text = "\n".join(rendered(command_failed(truncated=True)))
    assert "a guest keeps 2 MiB of each stream; the rest is lost" in text


@pytest.mark.parametrize(
    ("more", "look"),
    [
        ({"log": "libbpf: no\n"}, "read the case's log in results.json"),
        ({"commands": (printed(),)}, "read 5.10/output/maps.hash/command.stderr"),
        ({"commands": (printed(exit=0),)}, "read 5.10/runner.log and 5.10/console.log"),
        ({"log": " "}, "read 5.10/runner.log and 5.10/console.log"),
    ],
)
def test_a_failure_without_a_cure_says_which_file_has_more(
    more: dict[str, Any], look: str
) -> None:
    failed = case("5.10", "maps", "hash", Outcome.FAILED, message="no", **more)
    assert f"    do:  {look}" in rendered(failed)


def test_what_passed_and_was_not_attached_is_noted() -> None:
    note = "loaded, not attached: cls (tc)"
    assert f" 5.10 maps::hash: {note}" in rendered(
        case("5.10", "maps", "hash", Outcome.PASSED, message=note)
    )


def test_cases_whose_log_lost_lines_are_named() -> None:
    it = case("6.1", "maps", "hash", Outcome.PASSED, log_incomplete=True)

    text = " ".join(" ".join(rendered(it)).split())

    assert "6.1 maps::hash: not all of the kernel's log was seen" in text


def test_what_cases_left_behind_is_noted_once() -> None:
    left = {"left_behind": ("/sys/fs/bpf/m", "map m (hash)")}
    cases = [case(it, "maps", "hash", Outcome.PASSED, **left) for it in ("5.10", "6.1")]

    text = "\n".join(rendered(*cases))

    assert (
        "5.10, 6.1 maps::hash: left in its guest: /sys/fs/bpf/m, map m (hash)" in text
    )
    assert text.count("left in its guest") == 1


def test_text_of_guests_does_not_reach_the_terminal_as_it_is() -> None:
    message = "\x1b]0;owned\x07[bold]text[/bold] \x1b[2J\x00"
    evil = case("5.10", "maps", "hash", Outcome.FAILED, message=message, cure="\x1b[1m")
    assert "    why: [bold]text[/bold]" in rendered(evil)


def test_ascii_where_the_encoding_has_no_signs() -> None:
    text = summary_text(report(*CASES), file=Output(encoding="ascii"), width=100)
    assert text.isascii()
    assert "X 1/2" in text
    assert "+ 1/1 -1" in text


def test_no_colour_without_a_terminal_unless_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b" not in summary_text(report(*CASES), file=Output())
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[1;31m✗ 1/2" in summary_text(report(*CASES), file=Output())


def test_failures_name_the_command_that_explains_the_first() -> None:
    text = summary_text(
        report(*CASES), Path("other"), file=Output(), explain="runner explain"
    )
    assert "\n  more: runner explain maps::hash@5.10 --reports other\n" in text


def test_a_run_without_a_failure_has_nothing_to_explain() -> None:
    passed = case("5.10", "maps", "hash", Outcome.PASSED)
    results_of_one = report(passed, kernels=(KERNELS[1],))
    assert "more:" not in summary_text(
        results_of_one, Path("other"), file=Output(), explain="runner explain"
    )


def test_colour_on_a_terminal_but_not_with_no_color(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Output(terminal=True)
    assert "\x1b[1;31m✗ 1/2" in summary_text(report(*CASES), file=terminal, width=100)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "31m" not in summary_text(report(*CASES), file=terminal, width=100)


def test_log_is_not_wrapped_as_a_terminal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = summary_text(report(*CASES), file=Output())
    assert "why: [wrong_value] map m key 1: expected 2, observed 3\n" in text


def judged(*cases: CaseResult, before: Outcome, quiet: bool = False) -> str:
    earlier = [it.model_copy(update={"outcome": before}) for it in cases]
    known = (KernelRun(id="5.10"),)
    terms = Criteria(baseline=results(*earlier, kernels=known), gate=Gate.REGRESSIONS)
    held = terms.report(results(*cases, kernels=known))
    return summary_text(held, file=Output(), quiet=quiet)


def test_a_regression_is_marked_and_counted() -> None:
    text = judged(wrong("5.10"), before=Outcome.PASSED)
    assert "5.10 (regression): maps::hash" in text
    assert ": 1 regression\n" in text
    assert "gate" not in text


def test_what_the_gate_lets_pass_is_said() -> None:
    text = judged(wrong("5.10"), before=Outcome.FAILED)
    assert "incompatible: 1 failed; passes the gate for regressions" in text


def test_a_gate_without_a_verdict_passes_nothing() -> None:
    lost = case("5.10", "maps", "lost", Outcome.ERROR, message="lost")
    text = judged(wrong("5.10"), lost, before=Outcome.FAILED)
    assert "no verdict of the gate for regressions" in text


def compared(
    before: RunResults, after: RunResults, *, quiet: bool = False, **more: Any
) -> str:
    terms = Criteria(baseline=before, **more)
    return summary_text(terms.report(after), file=Output(), quiet=quiet)


FINE = case("5.10", "maps", "hash", Outcome.PASSED)
GONE = case("5.10", "maps", "gone", Outcome.PASSED)
ONE_KERNEL = (KERNELS[1],)


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize("gate", Gate)
def test_vanished_cases_are_named_with_what_to_do(gate: Gate, quiet: bool) -> None:
    before = results(FINE, GONE, kernels=ONE_KERNEL)
    after = results(FINE, kernels=ONE_KERNEL)
    text = compared(before, after, gate=gate, quiet=quiet)
    assert "  vanished: 5.10: maps::gone" in text
    assert "give --allow-vanished" in " ".join(text.split())
    assert text.splitlines()[-1].startswith(
        f"compatible: 1 passed; 1 baseline case vanished; fails the gate for {gate}; "
    )


def test_a_failure_and_a_vanished_case_are_both_in_the_last_line() -> None:
    before = results(FINE, GONE, kernels=ONE_KERNEL)
    text = compared(before, results(wrong("5.10"), kernels=ONE_KERNEL))
    last = text.splitlines()[-1]
    assert last.startswith("incompatible: 1 failed; 1 baseline case vanished; 1 kernel")


def test_vanished_cases_that_are_meant_are_named_only() -> None:
    before = results(FINE, GONE, kernels=ONE_KERNEL)
    after = results(FINE, kernels=ONE_KERNEL)
    text = compared(before, after, allow_vanished=True)
    assert "  vanished: 5.10: maps::gone" in text
    assert "--allow-vanished" not in text
    assert text.splitlines()[-1].startswith("compatible: 1 passed; 1 kernel")


def test_a_new_failure_is_marked() -> None:
    before = results(GONE, kernels=ONE_KERNEL)
    after = results(GONE, wrong("5.10"), kernels=ONE_KERNEL)
    text = compared(before, after, gate=Gate.REGRESSIONS)
    assert "5.10 (new failure): maps::hash" in text
    assert "gate" not in text.splitlines()[-1]


def test_kernels_of_the_baseline_that_did_not_run_are_named() -> None:
    before = results(FINE, case("sid", "maps", "hash", Outcome.PASSED))
    text = compared(before, results(FINE, kernels=ONE_KERNEL))
    assert "  kernels not run: 4.4, sid" in text


def test_quiet_is_one_line_when_all_is_well() -> None:
    fine = case("5.10", "maps", "hash", Outcome.PASSED)
    text = judged(fine, before=Outcome.PASSED, quiet=True)
    assert text == "compatible: 1 passed; 1 kernel, 24.1 s"


def test_each_failure_has_what_why_and_what_to_do() -> None:
    lines = rendered(case("5.10", "maps", "hash", Outcome.FAILED))
    at = lines.index("  ✗ 5.10: maps::hash")
    assert lines[at + 1].startswith("    why: ")
    assert lines[at + 2].startswith("    do:  ")


def test_narrow_matrix_tells_whose_a_kernel_is_instead_of_its_release() -> None:
    rhel = KernelRun(id="5.14", release="5.14.0-570.12.1.el9_6.x86_64")
    passed = case("5.14", "task", "comm", Outcome.PASSED)

    def top(width: int) -> str:
        return rendered(passed, kernels=(rhel,), width=width)[1]

    assert top(100) == "5.14    5.14.0-570.12.1.el9_6.x86_64  ✓ 1/1"
    assert top(30) == "5.14 (RHEL 9.6)  ✓ 1/1"
    assert rendered(passed, kernels=(rhel,), width=18)[:2] == [
        "5.14 (RHEL 9.6)",
        "  task ✓ 1/1",
    ]


def test_architectures_have_a_column_if_there_are_several() -> None:
    native = KernelRun(id="6.1", release="6.1.0", accelerator="kvm")
    foreign = KernelRun(
        id="6.1-arm64", release="6.1.0", accelerator="tcg", arch="arm64"
    )
    cases = [case(it, "task", "comm", Outcome.PASSED) for it in ("6.1", "6.1-arm64")]

    both = rendered(*cases, kernels=(native, foreign))
    one = rendered(cases[1], kernels=(foreign,))

    assert both[:3] == [
        "kernel     arch    release    task",
        "6.1        x86_64  6.1.0 kvm  ✓ 1/1",
        "6.1-arm64  arm64   6.1.0 tcg  ✓ 1/1",
    ]
    assert one[0] == "kernel     release    task"
