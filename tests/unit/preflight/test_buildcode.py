"""How the code of several builds of one source differs."""

import shutil
from pathlib import Path

import pytest

from runner.bpf import insn as op
from runner.bpf.build import Build
from runner.bpf.compile import CompileError, compile_object
from runner.bpf.insn import Insn
from runner.bpf.object import read_whole
from runner.errors import InfrastructureError
from runner.files.cache import Cache
from runner.preflight.buildcode import by_program, codes, kind_of

SOURCE = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int low SEC(".data");

SEC("socket")
int narrow(struct __sk_buff *skb)
{
\tunsigned int bits = skb->len;

\tif (bits > 100)
\t\treturn 0;
\treturn (bits >> 3) * low + MORE;
}

char LICENSE[] SEC("license") = "GPL";
"""


def compiled(folder: Path, build: Build) -> Path:
    source = folder / "narrow.bpf.c"
    source.write_text(SOURCE)
    return compile_object(source, Cache(folder / "cache"), build=build)


def test_an_instruction_set_shows_in_the_code(tmp_path: Path) -> None:
    more = (("MORE", "1"),)
    built = [
        codes(it, read_whole(compiled(tmp_path, build).read_bytes()))
        for it, build in {
            "v1": Build(mcpu="v1", defines=more),
            "v3": Build(mcpu="v3", defines=more),
        }.items()
    ]

    ((old, new),) = by_program(built)

    assert (old.program, old.build, new.build) == ("narrow", "v1", "v3")
    assert new.beside(old)["32-bit jumps"] == 1
    assert new.beside(old)["jumps"] == -1
    assert old.beside(old) == {}
    assert sum(old.kinds.values()) <= old.instructions


def test_builds_are_objects_of_their_own(tmp_path: Path) -> None:
    one = compiled(tmp_path, Build(defines=(("MORE", "1"),)))
    other = compiled(tmp_path, Build(defines=(("MORE", "2"),)))

    assert one != other
    assert one.name == other.name == "narrow.bpf.o"
    assert one.read_bytes() != other.read_bytes()
    assert compiled(tmp_path, Build(defines=(("MORE", "1"),))) == one


def test_a_macro_that_nothing_mentions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="mentions the macro NEVER_MENTIONED"):
        compiled(tmp_path, Build(defines=(("MORE", "1"), ("NEVER_MENTIONED", "1"))))


def test_a_macro_of_a_header_is_one(tmp_path: Path) -> None:
    # Of bpf/bpf_helpers.h.
    defines = (("MORE", "1"), ("__weak", "__attribute__((weak))"))
    assert compiled(tmp_path, Build(defines=defines)).is_file()


@pytest.mark.skipif(shutil.which("clang-16") is None, reason="there is no clang-16")
def test_another_clang_compiles(tmp_path: Path) -> None:
    found = compiled(tmp_path, Build(clang=16, defines=(("MORE", "1"),)))

    assert b"clang version 16" in found.read_bytes()


def test_a_clang_that_is_missing_is_named_with_its_package(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError) as caught:
        compiled(tmp_path, Build(clang=98, defines=(("MORE", "1"),)))

    assert caught.value.message == "clang-98 is not installed"
    assert "apt-get install clang-98" in caught.value.hint


@pytest.mark.parametrize(
    ("insn", "kind"),
    [
        (Insn(op.LDX | 0x60, 1, 2, 0, 0), "loads"),
        (Insn(op.LDX | 0x80, 1, 2, 0, 0), "sign-extending loads"),
        (Insn(op.STX | 0x78, 1, 2, 0, 0), "stores"),
        (Insn(op.STX | 0xD8, 1, 2, 0, 0), "atomics"),
        (Insn(op.JMP | op.CALL, 0, 0, 0, 1), "calls"),
        (Insn(op.JMP | op.EXIT, 0, 0, 0, 0), "jumps"),
        (Insn(op.JMP32 | op.JA, 0, 0, 0, 5), "long jumps"),
        (Insn(op.JMP32 | op.JEQ, 0, 0, 5, 0), "32-bit jumps"),
        (Insn(op.ALU64 | op.MOV | op.X, 1, 2, 0, 0), "64-bit arithmetic"),
        (Insn(op.ALU64 | op.MOV | op.X, 1, 2, 8, 0), "sign-extending moves"),
        (Insn(op.ALU64 | op.LSH, 1, 0, 0, 32), "64-bit shifts"),
        (Insn(op.ALU64 | op.END, 1, 0, 0, 16), "byte swaps"),
        (Insn(op.LD_IMM64, 1, 0, 0, 7), "constants of 64 bits"),
    ],
)
def test_kinds_tell_instruction_sets_apart(insn: Insn, kind: str) -> None:
    assert kind_of(insn) == kind
