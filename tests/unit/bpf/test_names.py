"""Names in BTF that pahole and clang make here."""

import contextlib
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.bpf import btf
from runner.bpf.btf import Btf
from runner.bpf.names import access
from runner.errors import ArtifactError

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
def types(data: bytes) -> Btf:
    return btf.parse(data)


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
    types: Btf, path: str, offset: int, size: int
) -> None:
    assert types.offset_of("struct outer", path) == offset
    assert types.size_of("struct outer", path) == size


def test_sizes_are_those_of_types(types: Btf) -> None:
    assert types.size_of("struct outer") == 96
    assert types.size_of("count_t") == 4


@pytest.mark.parametrize(
    ("type_name", "path", "meant"),
    [
        ("struct outer", "nmber", "'number'"),
        ("struct outer", "inner.lefty", "'left'"),
        ("struct outr", "number", "'struct outer'"),
    ],
)
def test_what_is_not_there_is_named_with_what_is_near(
    types: Btf, type_name: str, path: str, meant: str
) -> None:
    with pytest.raises(ArtifactError, match=f"has no .*; did you mean {meant}"):
        types.offset_of(type_name, path)


def test_accesses_are_named(types: Btf) -> None:
    outer, kind = types.find("struct outer").id, types.find("enum kind").id

    assert str(access(types, outer, "0:0")) == "outer.number"
    assert str(access(types, outer, "0:1:1:0")) == "outer.inner.left"
    assert str(access(types, outer, "0:2:1:0")) == "outer.many[1].padding"
    assert str(access(types, outer, "0")) == "struct outer"
    assert str(access(types, kind, "1", enumerator=True)) == "kind.SECOND_KIND"
    for wrong in ("0:77", "0:0:0", "", "x", "0:2:1:0:0"):
        with pytest.raises(ArtifactError):
            access(types, outer, wrong)


@given(cut=st.integers(0, 900), at=st.integers(0, 900), byte=st.integers(0, 255))
def test_damage_raises_nothing_else(data: bytes, cut: int, at: int, byte: int) -> None:
    damaged = bytearray(data[: len(data) - cut])
    if at < len(damaged):
        damaged[at] = byte
    with contextlib.suppress(ArtifactError):
        types = btf.parse(bytes(damaged))
        types.offset_of("struct outer", "inner.left")
        access(types, 3, "0:1")
