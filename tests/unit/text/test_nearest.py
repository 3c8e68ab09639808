"""Words that a mistyped one was meant to be."""

import pytest

from runner.text.nearest import did_you_mean, near, nearest


def test_the_nearest_words_come_first() -> None:
    known = ["start_time", "state", "__state", "pid"]

    assert nearest("stat", known) == ["state"]
    assert nearest("stat", known, 3)[:2] == ["state", "__state"]
    assert nearest("stat", known, cutoff=1) == []


def test_a_word_is_asked_about_only_when_one_is_near() -> None:
    assert did_you_mean("nmae", {"name": 1, "bits": 2}) == "did you mean 'name'?"
    assert did_you_mean("xyz", ["name"]) == ""
    assert did_you_mean("xyz", []) == ""


def test_what_is_known_is_told_where_no_word_is_near() -> None:
    assert near("btf", []) == ""
    assert near("bft", ["btf", "id"]) == "; did you mean 'btf'?"
    assert near("xyz", ["btf", "id"]) == "; there are btf, id"
    assert near("xyz", ["btf", "id"], "the keys are two") == "; the keys are two"


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("kernel.kptr_restict", "kernel.kptr_restrict"),
        ("kernel.kptr_restrict", "kernel.kptr_restrict_all"),
        ("kernel.unprivileged_bpf", "kernel.unprivileged_bpf_disabled"),
        ("net.core.bpf_jit_enabled", "net.core.bpf_jit_enable"),
        ("kernel.panick", "kernel.panic"),
        ("kernle.panic", "kernel.panic"),
        ("CAP_BPFF", "CAP_BPF"),
        ("bpf_get_current_pid", "bpf_get_current_pid_tgid"),
        ("starttime", "start_time"),
        ("suites/map", "suites/maps"),
        ("b.bpf.c", "a.bpf.c"),
        ("cgroup_inet_ingres", "cgroup_inet_ingress"),
    ],
)
def test_names_with_a_slip_are_near(word: str, known: str) -> None:
    assert nearest(word, [known]) == [known]


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("kernel.nosuch", "kernel.arch"),
        ("kernel.nothing", "kernel.panic"),
        ("net.core.whatever", "net.core.somaxconn"),
        ("cgroup_inet_xyz", "cgroup_inet_ingress"),
        ("suites/tracing", "suites/maps"),
        ("nosuch.bpf.c", "maps.bpf.c"),
    ],
)
def test_names_that_share_parts_only_are_not_near(word: str, known: str) -> None:
    assert nearest(word, [known]) == []
    assert near(word, [known], "") == ""


def test_a_near_name_is_found_behind_those_that_share_more() -> None:
    known = ["kernel.nosuch_file.a", "kernel.nosuch_fil"]
    assert nearest("kernel.nosuch_file", known, 2) == [
        *("kernel.nosuch_fil", "kernel.nosuch_file.a")
    ]
