"""Debug information of objects that clang makes here."""

import contextlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.bpf.compile import command
from runner.bpf.insn import EXIT, JMP
from runner.bpf.object import ObjectError, patched, read, read_whole

OBJECTS = {
    path.name: path.read_bytes()
    for path in (Path(__file__).parents[2] / "data/objects").glob("*.o")
}
OBJECT = OBJECTS["renamed.bpf.o"]
LICENSE = ("_license", "LICENSE", "license")
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
    info = read(data).debug
    first, second = info.programs["first"], info.programs["second"]

    assert first.section == second.section == "kprobe/a"
    assert (first.start, second.start) == (0, first.size)


def test_a_line_holds_until_the_next_one(data: bytes) -> None:
    info = read(data).debug
    last = info.programs["first"].size - 1

    assert str(info.line_reading("first", 0, "no_field")) == "two.bpf.c:5"
    assert str(info.line_reading("first", last, "no_field")) == "two.bpf.c:8"
    assert str(info.line_reading("second", 0, "no_field")) == "two.bpf.c:14"


def test_what_is_not_the_programs_own_has_no_line(data: bytes) -> None:
    info = read(data).debug

    assert info.line_reading("first", info.programs["first"].size, "no_field") is None
    assert info.line_reading("first", -1, "no_field") is None
    assert info.line_reading("third", 0, "no_field") is None


def test_relocations_are_told_by_program_and_instruction(data: bytes) -> None:
    info = read(data).debug
    offset, exists = info.relocations["kprobe/a"]

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
    info = read(stripped.read_bytes()).debug

    assert "first" in info.programs
    assert info.line_reading("first", 0, "no_field") is None


def test_programs_and_what_they_refer_to(data: bytes) -> None:
    item = read_whole(data)

    assert [it.name for it in item.programs] == ["first", "second"]
    assert item.insns(item.functions[0])[-1].code == JMP | EXIT
    assert item.function_at(item.functions[1].section_index, 10_000) is None
    assert [it.kind for it in item.relocations] == [0, 2]
    lines = [item.line_reading(it, "") for it in item.relocations]
    assert [it.number for it in lines if it] == [5, 14]


def test_an_object_is_read_once(data: bytes) -> None:
    assert read(bytes(bytearray(data))) is read(bytes(bytearray(data)))


def test_variables_are_patched() -> None:
    item = read(OBJECT)
    (license_,) = [it for it in item.symbols if it.name in LICENSE]
    changed = read(patched(OBJECT, {license_.name: b"Dual", "none": b"x"}))

    assert changed.sections[license_.section].data[:4] == b"Dual"
    assert patched(b"no ELF", {license_.name: b"Dual"}) == b"no ELF"


def read_all(data: bytes) -> None:
    """Read whatever an object holds."""
    item = read(data)
    assert None not in (item.btf, item.code, item.references, item.relocations)
    for function in item.functions:
        item.insns(function)
        item.debug.line_reading(function.name, 0, "x")
        item.debug.relocation_of(function.name, 0)


@pytest.mark.parametrize("name", sorted(OBJECTS))
@settings(max_examples=50)
@given(
    cut=st.integers(0, 400),
    changes=st.lists(
        st.tuples(st.integers(min_value=0), st.binary(min_size=1, max_size=8)),
        max_size=6,
    ),
)
def test_damage_raises_nothing_but_the_one_error(
    name: str, cut: int, changes: list[tuple[int, bytes]]
) -> None:
    damaged = bytearray(OBJECTS[name])
    # Half of them stay whole: what is cut short ends early.
    del damaged[len(damaged) - max(0, cut - 200) :]
    for at, new in changes:
        start = at % len(damaged)
        damaged[start : start + len(new)] = new
    with contextlib.suppress(ObjectError):
        read_all(bytes(damaged))
    patched(bytes(damaged), dict.fromkeys(LICENSE, b"x"))


@given(
    at=st.integers(min_value=0),
    word=st.sampled_from([0, 1, 0xFF, 1 << 31, (1 << 64) - 1]),
    name=st.sampled_from([".BTF", ".BTF.ext", ".symtab", ".strtab", "headers"]),
)
def test_damage_of_tables_raises_nothing_but_the_one_error(
    at: int, word: int, name: str
) -> None:
    found = read(OBJECT).section(name)
    # The table of sections stands at the end.
    start, size = len(OBJECT) - 1024, 1024
    if found:
        start, size = found.offset, len(found.data)
    new = word.to_bytes(8, "little")[: 4 if found else 8]
    damaged = bytearray(OBJECT)
    place = start + at % size // 4 * 4
    damaged[place : place + len(new)] = new
    with contextlib.suppress(ObjectError):
        read_all(bytes(damaged))
