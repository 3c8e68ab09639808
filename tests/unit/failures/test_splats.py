"""What a console's text says of a guest's end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.failures import splats

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
