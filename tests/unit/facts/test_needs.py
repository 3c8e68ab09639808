"""What sections and types need."""

import pytest

from runner.facts import names, needs, since


@pytest.mark.parametrize(
    ("section", "oldest", "option"),
    [
        ("kprobe/do_unlinkat", "4.1", "CONFIG_KPROBE_EVENTS"),
        ("?fentry/vfs_read", "5.5", "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS"),
        ("lsm.s/file_open", "5.10", "CONFIG_BPF_LSM"),
        ("kprobe.multi/tcp_*", "5.18", "CONFIG_FPROBE"),
        ("tracepoint/syscalls/sys_enter_openat", "4.7", "CONFIG_FTRACE_SYSCALLS"),
        ("uretprobe//bin/sh:main", "4.1", "CONFIG_UPROBE_EVENTS"),
        ("tc", "4.1", "CONFIG_NET_CLS_BPF"),
        ("xdp", "4.8", "CONFIG_NET"),
    ],
)
def test_a_section(section: str, oldest: str, option: str) -> None:
    found = needs.of_section(section)
    assert found.since == oldest
    assert option in found.options


def test_a_tracepoint_that_is_no_system_call_s_needs_less() -> None:
    assert "CONFIG_FTRACE_SYSCALLS" not in needs.of_section("tp/sched/x").options


def test_what_nobody_knows_needs_nothing() -> None:
    assert needs.of_section("mine/x") == needs.Requirement(since="")
    assert needs.of_map("type 999").since == ""


def test_every_helper_but_the_first_has_a_version() -> None:
    assert set(names.HELPERS[1:]) == set(since.HELPERS)
