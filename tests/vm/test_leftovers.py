"""What a case leaves in its guest is shown with its name, and is that case's alone."""

import pytest

from runner.results import Outcome
from tests.vm.conftest import DATA, Finished, run

pytestmark = pytest.mark.vm

PIN = "/sys/fs/bpf/counts"
SUITE = f"""\
description: Cases that leave something, and one that does not.
reuse: suite
cases:
  - name: pins
    object: fine.bpf.c
    trigger:
      - {{test_run: length}}
      - command: [bpftool, map, create, {PIN}, type, hash, key, "4", value, "4",
                  entries, "1", name, counts]
    expect: [{{value: "${{run.retval}}", equals: 50}}]
  - name: cleans_up
    object: fine.bpf.c
    trigger: [{{test_run: length}}]
    expect: [{{value: "${{run.retval}}", equals: 50}}]
  - name: attaches
    object: hook.bpf.c
    trigger: [{{syscall: getpgid}}]
    expect: [{{map: seen, key: 0, equals: 1}}]
  - name: program
    command: [sh, -c, "mkdir /sys/fs/bpf/mine && echo ok"]
"""
HOOK = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32);
  __type(value, __u64); } seen SEC(".maps");
SEC("raw_tp/sys_enter") int on_call(void *ctx) {
  __u32 key = 0; __u64 one = 1;
  bpf_map_update_elem(&seen, &key, &one, 0);
  return 0;
}
char LICENSE[] SEC("license") = "GPL";
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    suite = tmp_path_factory.mktemp("mine") / "mine"
    suite.mkdir()
    (suite / "fine.bpf.c").write_text((DATA / "suites/hostile/fine.bpf.c").read_text())
    (suite / "hook.bpf.c").write_text(HOOK)
    (suite / "suite.yaml").write_text(SUITE)
    reports = tmp_path_factory.mktemp("reports") / "r"
    return run("--kernels", "5.10,6.12", "--suite", suite, "-n", "1", reports=reports)


def test_only_who_left_something_is_told(finished: Finished) -> None:
    results = finished.results

    assert [it.outcome for it in results.cases] == [Outcome.PASSED] * 8
    for kernel in ("5.10", "6.12"):
        assert {
            it.case: it.left_behind for it in results.cases if it.kernel == kernel
        } == {
            "pins": (PIN, "map counts (hash)"),
            "cleans_up": (),
            # What the agent attached and detached, the kernel may free later.
            "attaches": (),
            "program": ("/sys/fs/bpf/mine",),
        }


def test_the_summary_has_it(finished: Finished) -> None:
    assert f"left in its guest: {PIN}, map counts (hash)" in finished.output
