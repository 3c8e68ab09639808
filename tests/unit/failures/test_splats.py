"""What a console's text says of a guest's end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.failures import splats
from runner.files.exampleconsole import UNRELATED_FAULTS
from runner.files.patternlist import ConsoleLines, LinePattern

# As kernels print them; the addresses are cut.
OOPS_6_1 = """\
[    9.1] BUG: kernel NULL pointer dereference, address: 0000000000000000
[    9.1] #PF: supervisor write access in kernel mode
[    9.1] Oops: 0002 [#1] PREEMPT SMP NOPTI
[    9.2] Kernel panic - not syncing: Fatal exception
[    9.2] ---[ end Kernel panic - not syncing: Fatal exception ]---
"""
OOPS_4_4 = """\
[    3.0] BUG: unable to handle kernel NULL pointer dereference at           (null)
[    3.0] Kernel panic - not syncing: Fatal exception in interrupt
"""
PANIC = "[    5.0] Kernel panic - not syncing: sysrq triggered crash\n"
MEMORY = (
    "[   12.0] Out of memory: Killed process 99 (agent) total-vm:1kB\n"
    "[   12.1] Kernel panic - not syncing: Attempted to kill init!\n"
)
LOCKUP = "[   44.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [agent:1]\n"
STALL = "[   60.0] rcu: INFO: rcu_preempt self-detected stall on CPU\n"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (OOPS_6_1, "oops"),
        (OOPS_4_4, "oops"),
        (PANIC, "panic"),
        (MEMORY, "out_of_memory"),
        (LOCKUP, "soft_lockup"),
        (STALL, "rcu_stall"),
    ],
)
def test_a_splat_is_named_by_its_cause(text: str, cause: str) -> None:
    splat = splats.diagnose(f"[    0.0] Linux version 6.1\n{text}")

    assert splat is not None
    assert splat.cause == cause


def test_an_oops_is_told_by_its_first_line() -> None:
    splat = splats.diagnose(OOPS_6_1)

    assert splat is not None
    assert "NULL pointer dereference, address" in splat.line


def test_a_healthy_console_says_nothing() -> None:
    assert splats.diagnose("[    0.0] Linux version 6.1\n[    0.1] ok\n") is None


def test_control_characters_are_taken_out() -> None:
    assert splats.clean(b"\x1b[31mred\x1b[0m\x00\x07\r\nnext\r") == "red\nnext\n"


def test_only_the_last_lines_are_kept() -> None:
    assert splats.last_lines("1\n2\n3\n4\n", count=2) == "3\n4"


def test_a_splat_is_kept_with_all_that_follows() -> None:
    text = "fine\n[1.0] Kernel panic - not syncing: x\n" + " ? left_over()\n" * 60
    splat = splats.diagnose(text)

    kept = splats.last_lines(text, splat).splitlines()

    assert kept[0] == "[1.0] Kernel panic - not syncing: x"
    assert len(kept) == 61


def test_a_splat_without_end_is_cut() -> None:
    text = "Kernel panic - not syncing: x\n" + "again\n" * 1000

    kept = splats.last_lines(text, splats.diagnose(text)).splitlines()

    assert (kept[0], len(kept)) == ("Kernel panic - not syncing: x", 200)


@given(st.binary())
def test_any_bytes_become_clean_text(raw: bytes) -> None:
    text = splats.clean(raw)

    splats.diagnose(text)
    assert not any(ord(letter) < 32 and letter not in "\t\n" for letter in text)


# ------------------------------------------------------- what a kernel survives


WARN = """\
[    7.1] nothing
[    7.2] ------------[ cut here ]------------
[    7.2] WARNING: CPU: 0 PID: 99 at kernel/bpf/core.c:1 bpf_check+0x1/0x2
[    7.2] Call Trace:
[    7.2] ---[ end trace 0000000000000000 ]---
[    7.3] more
"""


SURVIVED = (
    "[    1.0][  T12] WARNING: possible circular locking dependency detected",
    "[    1.0] WARNING: kernel/bpf/core.c:12 at bpf_check+0x1/0x2, CPU#0: sh/1",
    "[    1.0] [ INFO: possible circular locking dependency detected ]",
    "[    1.0] INFO: suspicious RCU usage.",
    "[    1.0] BUG: KASAN: slab-use-after-free in kfree+0x1/0x2",
    "[    1.0] UBSAN: array-index-out-of-bounds in net/core/filter.c:1:2",
    "[    1.0] BUG: KCSAN: data-race in a / b",
    "[    1.0] Out of memory: Killed process 101 (sh) total-vm:184824kB, anon-rss:1kB",
    "[    1.0] BUG: scheduling while atomic: sh/12/0x00000002",
    "[    1.0] BUG: sleeping function called from invalid context at mm/a.h:1",
    "[    1.0] INFO: task sh:12 blocked for more than 120 seconds.",
    "[    1.0] rcu: INFO: rcu_preempt self-detected stall on CPU",
    "[    1.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [sh:1]",
    "[    1.0] BUG kmalloc-64 (Not tainted): Right Redzone overwritten",
    "[    1.0] BUG: Bad page state in process sh  pfn:12345",
    "[    1.0] unregister_netdevice: waiting for lo to become free. Usage = 2",
    "[    1.0] kmemleak: 3 new suspected memory leaks",
    "verifier bug: REG INVARIANTS VIOLATION (true_reg1): range bounds violation",
    "REG INVARIANTS VIOLATION (alu): range bounds violation u64=[0x1, 0x0]",
    "verifier internal error: R1 type",
    "[    1.0] BUG: KMSAN: uninit-value in htab_map_hash+0x1/0x2",
    "[    1.0] BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck",
    "[    1.0] Slab corruption (Not tainted): kmalloc-64 start=ffff8880, len=64",
    "[    1.0] kmem_cache_destroy mine: Slab cache still has objects",
    "[    1.0] ref_tracker: net notrefcnt@0000 has 1/1 users at",
    "[    1.0] leaked reference.",
    "[    1.0] [ BUG: Invalid wait context ]",
    "[    1.0] INFO: trying to register non-static key.",
    "[    1.0] BUG: KFENCE: invalid free in kfree+0x1/0x2",
    "[    1.0] smp: csd: Detected non-responsive CSD lock (#1) on CPU#0, waiting",
    "[    1.0] pagealloc: memory corruption",
    "[    1.0] kobject (00): tried to init an initialized object, "
    "something is seriously wrong.",
    "[    1.0] softirq: huh, entered softirq 3 NET_RX 00 with preempt_count 1",
    "[    1.0] irq 11: nobody cared",
    "[    1.0] CFI failure at f+0x1/0x2 (no target information)",
)


def test_each_pattern_is_held_against_a_real_text() -> None:
    table = splats._table()
    texts = [splats._STAMP.sub("", it) for it in SURVIVED]

    unused = [
        it.pattern
        for it in table.deny
        if not any(it.compiled.search(text) for text in texts)
    ]
    assert unused == []


@pytest.mark.parametrize("line", SURVIVED)
def test_what_a_kernel_survives_is_found(line: str) -> None:
    found = splats.reported(f"[    0.9] fine\n{line}\n")

    assert found is not None
    assert line.endswith(found.line)
    assert found.reason


@pytest.mark.parametrize(
    "line",
    [
        "[    1.0] Linux version 6.1",
        "[    1.0] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS",
        "[    1.0] WARNING: Unprivileged eBPF is enabled with eIBRS on",
        "[    1.0] clocksource: Marking clocksource 'tsc' as unstable",
        "[    1.0] sh[12]: segfault at 0 ip 0 sp 0 error 6 in busybox[400000]",
        "[    1.0] **   NOTICE NOTICE NOTICE NOTICE NOTICE NOTICE NOTICE   **",
        "[    1.0] random: crng init done",
    ],
)
def test_what_means_nothing_is_not(line: str) -> None:
    assert splats.reported(line) is None


def test_what_an_allow_pattern_is_tried_against_is_a_fault() -> None:
    lines = [line for fault in UNRELATED_FAULTS for line in fault]

    assert [line for line in lines if splats.reported(line) is None] == []


def test_no_pattern_of_ours_allows_unrelated_lines() -> None:
    for it in splats._table().allow:
        allowed = LinePattern(pattern=it.pattern, reason=it.reason)
        assert ConsoleLines(allow=(allowed,)).allow == (allowed,)


def test_a_report_is_shown_from_its_first_line_to_its_last() -> None:
    found = splats.reported(WARN)

    assert found is not None
    assert found.line.startswith("WARNING: CPU: 0 PID: 99 at")
    lines = found.text.splitlines()
    assert len(lines) == 4
    assert "[ cut here ]" in lines[0]
    assert "[ end trace" in lines[-1]


def test_a_suite_and_a_row_add_to_the_lists() -> None:
    mine = ConsoleLines(
        deny=(LinePattern(pattern="^mine: lost", reason="it lost something"),),
        allow=(LinePattern(pattern="at kernel/bpf/core", reason="known"),),
    )

    assert splats.reported(WARN, [mine]) is None
    found = splats.reported("[    1.0] mine: lost 5", [mine])
    assert found is not None
    assert (found.line, found.reason) == ("mine: lost 5", "it lost something")


def test_what_a_busy_host_explains_is_tried_again() -> None:
    stall, warning = splats.reported(STALL), splats.reported(WARN)

    assert stall is not None
    assert warning is not None
    assert (stall.again, warning.again) == (True, False)


@pytest.mark.parametrize(
    ("cause", "is_doubtful"),
    [("soft_lockup", True), ("rcu_stall", True), ("oops", False), ("no_answer", False)],
)
def test_a_busy_host_explains_some_ends_of_guests(
    cause: str, is_doubtful: bool
) -> None:
    assert splats.is_doubtful(cause) is is_doubtful


def test_what_nothing_but_the_kernel_explains_counts_first() -> None:
    assert splats.reported(STALL + "\n" + WARN) == splats.reported(WARN)


@given(st.text())
def test_no_console_breaks_the_search(text: str) -> None:
    splats.reported(text)
