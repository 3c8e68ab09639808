"""Names in BTF that pahole and clang make here."""

import contextlib
import itertools
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.bpf.names import Names
from runner.errors import ArtifactError
from tests.unit.artifacts.btf import kernels

SOURCE = """
enum kind { FIRST_KIND, SECOND_KIND = 5 };
typedef struct { int counter; } count_t;
struct inner { long padding; union { int left; struct { short a, b; }; }; };
struct outer {
    int number; const struct inner inner; struct inner many[3]; count_t count;
    unsigned low:4; unsigned high:4; enum kind kind; struct outer *next;
};
struct outer it;
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("btf")
    source, output = folder / "types.c", folder / "types.btf"
    source.write_text(SOURCE)
    subprocess.run(["gcc", "-g", "-c", source, "-o", folder / "types.o"], check=True)
    subprocess.run(
        ["pahole", "--btf_encode_detached", output, folder / "types.o"], check=True
    )
    return output.read_bytes()


@pytest.fixture(scope="module")
def names(data: bytes) -> Names:
    return Names(data)


@pytest.mark.parametrize(
    ("path", "offset", "size"),
    [
        ("number", 0, 4),
        ("inner", 8, 16),
        ("inner.left", 16, 4),
        ("inner.b", 18, 2),
        ("many", 24, 48),
        ("count.counter", 72, 4),
        ("kind", 80, 4),
        ("next", 88, 8),
    ],
)
def test_fields_lie_where_the_compiler_puts_them(
    names: Names, path: str, offset: int, size: int
) -> None:
    assert names.offset_of("struct outer", path) == offset
    assert names.size_of("struct outer", path) == size


def test_sizes_are_those_of_types(names: Names) -> None:
    assert names.size_of("struct outer") == 96
    assert names.size_of("count_t") == 4


def test_what_is_not_there_is_told_with_what_is_near(names: Names) -> None:
    with pytest.raises(ArtifactError, match="has no nmber; similar: number"):
        names.offset_of("struct outer", "nmber")
    with pytest.raises(ArtifactError) as raised:
        names.offset_of("struct outr", "number")
    assert "struct outer" in raised.value.hint


def test_near_names_are_members_of_members_too(names: Names) -> None:
    assert names.near_members("struct outer", "inner.lefty") == ["inner.left"]
    assert names.near_members("enum kind", "SECOND_KINDS")[0] == "SECOND_KIND"
    assert names.near_members("struct none", "a") == []


def test_the_renamed_state_is_near(tmp_path: Path) -> None:
    new = Names(kernels.btf(tmp_path, kernels.NEW))

    assert new.near_members("struct task_struct", "state")[0] == "__state"


def number_of(names: Names, type_name: str) -> int:
    return next(
        id_ for id_ in itertools.count(1) if str(names.access(id_, "0")) == type_name
    )


def test_accesses_are_named(names: Names) -> None:
    outer, kind = number_of(names, "struct outer"), number_of(names, "enum kind")

    assert str(names.access(outer, "0:0")) == "outer.number"
    assert str(names.access(outer, "0:1:1:0")) == "outer.inner.left"
    assert str(names.access(outer, "0:2:1:0")) == "outer.many[1].padding"
    assert str(names.access(outer, "0")) == "struct outer"
    assert str(names.access(kind, "1", enumerator=True)) == "kind.SECOND_KIND"
    for wrong in ("0:77", "0:0:0", "", "x", "0:2:1:0:0"):
        with pytest.raises(ArtifactError):
            names.access(outer, wrong)


@given(cut=st.integers(0, 900), at=st.integers(0, 900), byte=st.integers(0, 255))
def test_damage_raises_nothing_else(data: bytes, cut: int, at: int, byte: int) -> None:
    damaged = bytearray(data[: len(data) - cut])
    if at < len(damaged):
        damaged[at] = byte
    with contextlib.suppress(ArtifactError):
        names = Names(bytes(damaged))
        names.offset_of("struct outer", "inner.left")
        names.near_members("struct outer", "nothing")
        names.access(3, "0:1")
