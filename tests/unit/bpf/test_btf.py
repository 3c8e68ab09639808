"""Raw BTF, whole and damaged."""

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.bpf import btf as format_
from runner.errors import ArtifactError
from tests.unit.artifacts.btf import kernels


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return kernels.btf(tmp_path_factory.mktemp("real"))


def test_structs_and_members_are_read(real: bytes) -> None:
    found = format_.parse(real)

    assert {"task_struct", "mm_struct", "thread_struct"} <= set(found.structs)
    assert {"state", "pid", "comm"} <= found.members("task_struct")
    assert found.members("no_such") == set()


def test_members_of_nameless_structs_count(real: bytes) -> None:
    assert "mmap_sem" in format_.parse(real).members("mm_struct")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda data: data[:-1], "truncated"),
        (lambda data: data[:20], "truncated: its header"),
        (lambda data: b"", "does not begin as BTF"),
        (lambda data: b"\x7fELF" + data, "does not begin as BTF"),
        (lambda data: b"\xeb\x9f" + data[2:], "other byte order"),
        (lambda data: data[:2] + b"\x02" + data[3:], "version 2"),
        (lambda data: data[:-1] + b"x", "strings do not end"),
        # The kind of the first type.
        (lambda data: data[:31] + b"\x1f" + data[32:], "unknown kind 31"),
        (lambda data: data[:24] + b"\xff\xff\xff\x7f" + data[28:], "beyond its str"),
    ],
)
def test_damage_is_told(real: bytes, damage, told: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ArtifactError, match=told):
        format_.parse(damage(real))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_change_is_read_or_refused(real: bytes, data: st.DataObject) -> None:
    changed = bytearray(real)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(real) - 1))] = data.draw(
            st.integers(0, 255)
        )
    with contextlib.suppress(ArtifactError):
        found = format_.parse(bytes(changed))
        for name in found.structs:
            found.members(name)


@given(st.binary(max_size=200))
def test_any_bytes_behind_the_magic_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(ArtifactError):
        format_.parse(b"\x9f\xeb\x01\x00" + data)
