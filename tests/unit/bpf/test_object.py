"""Debug information of objects that clang makes here."""

import contextlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.bpf import object as debuginfo
from runner.bpf.compile import command
from runner.bpf.object import DebugInfoError

SOURCE = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
struct task { int pid; int tgid; } __attribute__((preserve_access_index));
SEC("kprobe/a") int first(void *ctx)
{
\tstruct task *task = ctx;
\treturn bpf_core_field_offset(task->tgid) +
\t\tbpf_ktime_get_ns();
}
SEC("kprobe/a") int second(void *ctx)
{
\tstruct task *task = ctx;
\treturn bpf_core_field_exists(task->pid);
}
char _license[] SEC("license") = "GPL";
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("object")
    source = folder / "two.bpf.c"
    source.write_text(SOURCE)
    output = folder / "two.o"
    subprocess.run(command(source, output), cwd=folder, check=True)
    return output.read_bytes()


def test_programs_of_one_section_lie_behind_each_other(data: bytes) -> None:
    info = debuginfo.read(data)
    first, second = info.programs["first"], info.programs["second"]

    assert first.section == second.section == "kprobe/a"
    assert (first.start, second.start) == (0, first.size)


def test_a_line_holds_until_the_next_one(data: bytes) -> None:
    info = debuginfo.read(data)
    last = info.programs["first"].size - 1

    assert str(info.line_of("first")) == "two.bpf.c:5"
    assert str(info.line_of("first", last)) == "two.bpf.c:8"
    assert str(info.line_of("second")) == "two.bpf.c:14"


def test_what_is_not_the_programs_own_has_no_line(data: bytes) -> None:
    info = debuginfo.read(data)

    assert info.line_of("first", info.programs["first"].size) is None
    assert info.line_of("first", -1) is None
    assert info.line_of("third") is None


def test_relocations_are_told_by_program_and_instruction(data: bytes) -> None:
    info = debuginfo.read(data)
    (offset,) = info.relocations_of("first")
    (exists,) = info.relocations_of("second")

    assert (offset.access, offset.kind) == ("0:1", 0)
    assert (exists.access, exists.kind) == ("0:0", 2)
    assert info.relocation_of("first", offset.at) == offset
    assert info.relocation_of("first", offset.at + 1) is None
    start = info.programs["second"].start
    assert info.relocation_of("second", exists.at - start) == exists


def test_an_object_without_it_has_none(data: bytes, tmp_path: Path) -> None:
    stripped = tmp_path / "stripped.o"
    stripped.write_bytes(data)
    subprocess.run(["llvm-objcopy", "--remove-section=.BTF.ext", stripped], check=False)
    if b".BTF.ext" in stripped.read_bytes():
        pytest.skip("no llvm-objcopy")
    info = debuginfo.read(stripped.read_bytes())

    assert "first" in info.programs
    assert info.line_of("first") is None


@given(cut=st.integers(0, 4000), at=st.integers(0, 4000), byte=st.integers(0, 255))
def test_damage_raises_nothing_else(data: bytes, cut: int, at: int, byte: int) -> None:
    damaged = bytearray(data[: len(data) - cut])
    if at < len(damaged):
        damaged[at] = byte
    with contextlib.suppress(DebugInfoError):
        debuginfo.read(bytes(damaged)).line_of("first", 1)
