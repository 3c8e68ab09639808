"""What no relocation shows is told without a boot, on the real kernels it is true of.

It needs the BTF of Debian's kernels, and boots them for the records of two tracepoints
alone. The suite contracts has the same objects, and boots all: each of its cases fails
on exactly the kernels that are named here.
"""

import json
import subprocess
from collections import defaultdict

import pytest

from tests.vm.conftest import ROOT, command, run

pytestmark = pytest.mark.vm

KERNELS = ("5.10", "6.1", "6.12", "sid")
# Object, what is told, about what, the text of the line, and the kernels it is true of.
TOLD = [
    # An argument that a traced function lost in 6.10.
    ("accept", "argument_missing", "inet_csk_accept", "BPF_PROG(four", "6.12 sid"),
    ("accept", "argument_changed", "inet_csk_accept", "accepted->", "5.10 6.1"),
    # Arguments that moved in 5.12; nobody says so.
    ("unlink", "argument_changed", "vfs_unlink, argument 2", "second,", "6.1 6.12 sid"),
    ("unlink", "argument_changed", "vfs_unlink, argument 3", "third,", "5.10"),
    ("switch", "argument_missing", "sched_switch", "ctx->args[3]", "5.10"),
    ("by_value", "target_unsupported", "in_group_p", "calls++", "5.10"),
    ("nothing", "return_missing", "fput", "BPF_PROG(puts", "5.10 6.1 6.12 sid"),
    ("prototype", "kfunc_changed", "bpf_task_acquire", "bpf_task_acquire", "6.12 sid"),
    # An operation of TCP that gets two more arguments from 6.10 on, and a new one.
    ("control", "argument_missing", "cong_control", "BPF_PROG(four", "5.10 6.1"),
    ("control", "argument_changed", "cong_control", "sample->", "6.12 sid"),
    ("start", "member_missing", "tx_start", "BPF_PROG(on_start", "5.10 6.1 6.12"),
    ("info", "target_unsupported", "get_info", "(on_info", "5.10 6.1 6.12 sid"),
    # Arguments that moved in 5.12 and again in 7.0.
    ("creates", "argument_changed", "vfs_create, argument 3", "created->", "5.10 sid"),
    ("creates", "argument_changed", "vfs_create, argument 2", "(second", "6.1 6.12"),
    # A hook that gets one more in 5.19; and BPF LSM, which Debian starts from 6.1 on.
    ("renames", "argument_missing", "path_rename", "(five", "5.10"),
    ("renames", "argument_changed", "path_rename", "(four", "6.1 6.12 sid"),
    ("renames", "lsm_not_called", "path_rename", "(four", "5.10"),
    ("renames", "lsm_not_called", "path_rename", "(five", "5.10"),
    # A tracepoint that lost one in 5.11, and in Debian's 5.10; and its record.
    ("requests", "argument_missing", "argument 2", "(queued", "5.10 6.1 6.12 sid"),
    ("requests", "record_changed", "rwbs", "record->rwbs", "6.12 sid"),
    # A tracepoint's record that became shorter in 6.16.
    ("freed", "record_short", "sched_process_free, prio", "record->prio", "sid"),
    # An enumerator that is 6 on 6.1, and 0 from 6.6 on.
    ("ubuf", "enumerator_changed", "ITER_UBUF", "ITER_UBUF", "6.12 sid"),
    # A field at the place that it has up to 6.12.
    ("argc", "field_unrelocated", "linux_binprm", "&program->argc", "sid"),
    # What replaces a function of another object, whatever the kernel.
    (
        "replaces",
        "argument_changed",
        "decide, arguments",
        "return ",
        "5.10 6.1 6.12 sid",
    ),
    ("replaces", "argument_changed", "argument 2", "= verdict", "5.10 6.1 6.12 sid"),
]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have all kernels say the records of the suite's tracepoints."""
    done = run(
        *("--kernels", ",".join(KERNELS), "--suite", ROOT / "suites/contracts"),
        *("-k", "freed_priority or request_recorded"),
        reports=tmp_path_factory.mktemp("reports"),
    )
    assert done.status == 0, done.output


@pytest.mark.usefixtures("records")
def test_each_is_told_at_its_line_with_a_cure_on_the_kernels_it_is_true_of() -> None:
    argv = command(
        "check", ROOT / "suites/contracts", "--kernels", ",".join(KERNELS), "--json"
    )
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr

    found: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for kernel in json.loads(done.stdout)["kernels"]:
        for prediction in kernel["predictions"]:
            for it in prediction["findings"]:
                # Some with and without a module.
                name = prediction["object"].partition(".bpf.o")[0]
                key = (name, it["kind"], it["subject"], it["place"]["source"])
                assert it["cure"], it
                assert it["place"]["line"], it
                if kernel["kernel"] not in found[key]:
                    found[key].append(kernel["kernel"])
    left = dict(found)
    for name, kind, subject, line, kernels in TOLD:
        (key,) = [
            it
            for it in found
            if it[:2] == (name, kind) and subject in it[2] and line in it[3]
        ]
        assert left.pop(key) == kernels.split(), key
    # On no other kernel, and nothing else.
    assert left == {}
