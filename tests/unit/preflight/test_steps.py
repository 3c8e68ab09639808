"""What changes from kernel to kernel, and what became of what is gone."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from runner.preflight.engine import Engine
from runner.preflight.steps import steps
from runner.preflight.targets import BtfSource
from tests.unit.preflight.made import an_object, build, kernel

OBJECT = an_object("""\
struct inner { unsigned long fs; } CORE;
struct task { unsigned int pid; struct inner inner; } CORE;
unsigned long out[4];
SEC("kprobe/a") int on_a(struct task *task)
{
	out[0] = bpf_core_field_offset(struct task, pid);
	out[1] = bpf_core_field_offset(struct task, pid);
	out[2] = bpf_core_field_offset(struct task, inner.fs);
	return 0;
}
""")
FIRST = """\
struct inner { long other; unsigned long fs; };
struct task { long pad; int pid; int tid; struct inner inner; } task;
"""


def told(folder: Path, *kernels: str) -> list[list[str]]:
    """Return each step's changes: "task.pid moved task.__pid"."""
    sources = [_source(folder, number, text) for number, text in enumerate(kernels)]
    with Engine(build()) as engine:
        return [
            [
                " ".join([it.access, it.difference or "new", *it.became[:1]])
                for it in step.changes
            ]
            for step in steps(OBJECT, sources, engine, "libbpf")
        ]


def _source(folder: Path, number: int, types: str) -> BtfSource:
    path = folder / f"{number}.btf"
    path.write_bytes(kernel(types))
    return BtfSource(name=str(number), path=path, version=None)


def test_nothing_changes_between_kernels_that_are_alike(tmp_path: Path) -> None:
    assert told(tmp_path, FIRST, FIRST + "int more;") == [[]]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            ("int pid;", "long more; int pid;"),
            ["task.pid moved", "task.inner.fs moved"],
        ),
        (("int pid; int tid;", "int tid; int pid;"), ["task.pid moved"]),
        (("int pid;", "int __pid;"), ["task.pid renamed task.__pid"]),
        (("int pid;", "union { int pid; int name; };"), []),
        (("int pid;", "struct { int pid; } ids;"), ["task.pid moved task.ids.pid"]),
        (("long pad; int pid;", "long pid; int pad;"), ["task.pid resized"]),
        (("long pad; int pid;", "void *pid; int pad;"), ["task.pid retyped task.pid"]),
        (("int pid;", "unsigned int pid;"), ["task.pid retyped"]),
        (("int pid;", ""), ["task.pid no_field"]),
        # One that is alike is the field's new name only if it is new.
        (
            ("int pid; int tid;", "int tid; int pid_nr;"),
            ["task.pid renamed task.pid_nr"],
        ),
        (("fs;", "fsbase;"), ["task.inner.fs renamed task.inner.fsbase"]),
        (
            ("struct inner inner;", "struct inner *inner;"),
            ["task.inner.fs retyped task.inner"],
        ),
    ],
)
def test_a_change_is_called_what_it_is(
    change: tuple[str, str], expected: Sequence[str], tmp_path: Path
) -> None:
    assert told(tmp_path, FIRST, FIRST.replace(*change)) == [expected]


def test_what_comes_back_is_new(tmp_path: Path) -> None:
    without = FIRST.replace("int pid;", "int __pid;")

    assert told(tmp_path, without, FIRST) == [["task.pid new"]]


WITH_HELPER = (
    "enum bpf_func_id { BPF_FUNC_unspec, BPF_FUNC_ktime_get_ns = 5, "
    "__BPF_FUNC_MAX_ID = 6 } helpers;\n"
)
WITHOUT = "enum bpf_func_id { BPF_FUNC_unspec, __BPF_FUNC_MAX_ID = 1 } helpers;\n"
CALLER = an_object('SEC("kprobe/a") int on_a(void *ctx) { return bpf_ktime_get_ns(); }')


def needs(folder: Path, *kernels: str) -> list[list[str]]:
    """Return what comes and goes of what an object needs."""
    sources = [_source(folder, number, text) for number, text in enumerate(kernels)]
    with Engine(build()) as engine:
        return [
            [f"{it.name} {it.words} ({', '.join(it.users)})" for it in step.features]
            for step in steps(CALLER, sources, engine, "libbpf")
        ]


def test_helper_that_comes_or_goes_is_told(tmp_path: Path) -> None:
    assert needs(tmp_path, WITH_HELPER, WITHOUT, WITH_HELPER) == [
        ["ktime_get_ns gone (on_a)"],
        ["ktime_get_ns new (on_a)"],
    ]


def test_function_that_a_program_attaches_to_is_told_when_btf_loses_it(
    tmp_path: Path,
) -> None:
    with_it = "int a(int x) { return x; } int b(int x) { return x; }"
    without = "int b(int x) { return x; }"
    assert needs(tmp_path, with_it, without, with_it) == [
        ["kprobe/a no longer in the kernel's BTF (on_a)"],
        ["kprobe/a now in the kernel's BTF (on_a)"],
    ]


def test_what_nobody_knows_of_two_kernels_is_no_change(tmp_path: Path) -> None:
    assert needs(tmp_path, FIRST, FIRST + "int more;") == [[]]


UNLINKS = """\
#define __VMLINUX_H__
#include <bpf/bpf_tracing.h>
struct pt_regs { unsigned long r15, dx, si, di; };
struct inode; struct dentry; int sink;
SEC("fentry/vfs_unlink")
int BPF_PROG(on_unlink, struct inode *dir, struct dentry *entry)
{ sink = !!entry; return 0; }
"""
UNLINK = """\
struct inode { int x; }; struct dentry { int x; }; struct idmap { int x; };
int vfs_unlink(%s) { return 0; }
"""


def test_arguments_that_a_program_reads_are_told_where_they_change(
    tmp_path: Path,
) -> None:
    old = UNLINK % "struct inode *dir, struct dentry *entry"
    new = UNLINK % "struct idmap *map, struct inode *dir, struct dentry *entry"
    sources = [_source(tmp_path, at, it) for at, it in enumerate((old, old, new, new))]
    with Engine(build()) as engine:
        same, changed, again = steps(an_object(UNLINKS), sources, engine, "libbpf")

    assert same.is_empty
    assert again.is_empty
    (argument,) = changed.signatures
    assert (argument.subject, argument.program) == (
        "vfs_unlink, argument 2",
        "on_unlink",
    )
    assert (argument.before, argument.after) == (
        "struct dentry *entry",
        "struct inode *dir",
    )
    (finding,) = changed.findings
    assert finding.subject == argument.subject
    assert not changed.is_empty
