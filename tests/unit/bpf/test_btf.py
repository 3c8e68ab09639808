"""Raw BTF, whole and damaged."""

import contextlib
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.bpf import btf
from runner.bpf.btf import Btf, BtfError
from runner.bpf.kinds import Kind
from tests.unit.kernels.btf import kernels


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return kernels.btf(tmp_path_factory.mktemp("real"))


def fields(found: Btf, name: str) -> set[str]:
    return {it.name for it in found.fields(found.find(name))}


def test_structs_and_members_are_read(real: bytes) -> None:
    found = btf.parse(real)

    assert {"struct task_struct", "struct mm_struct"} <= set(found.named)
    assert {"state", "pid", "comm"} <= fields(found, "struct task_struct")
    with pytest.raises(BtfError, match="the BTF has no struct no_such"):
        found.find("struct no_such")


def test_members_of_nameless_structs_count(real: bytes) -> None:
    assert "mmap_sem" in fields(btf.parse(real), "struct mm_struct")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda data: data[:-1], "truncated"),
        (lambda data: data[:20], "truncated: its header"),
        (lambda data: b"", "does not begin as BTF"),
        (lambda data: b"\x7fELF" + data, "does not begin as BTF"),
        (lambda data: b"\xeb\x9f" + data[2:], "version|truncated"),
        (lambda data: data[:2] + b"\x02" + data[3:], "version 2"),
        (lambda data: data[:-1] + b"x", "strings have no end"),
        # The kind of the first type.
        (lambda data: data[:31] + b"\x1f" + data[32:], "unknown kind 31"),
        (lambda data: data[:24] + b"\xff\xff\xff\x7f" + data[28:], "beyond its str"),
    ],
)
def test_damage_is_told(real: bytes, damage, told: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BtfError, match=told):
        btf.parse(damage(real))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_change_is_read_or_refused(real: bytes, data: st.DataObject) -> None:
    changed = bytearray(real)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(real) - 1))] = data.draw(
            st.integers(0, 255)
        )
    with contextlib.suppress(BtfError):
        read_all(btf.parse(bytes(changed)))


def read_all(found: Btf) -> None:
    """Read whatever it holds; each part may be damaged."""
    for id_ in range(1, found.last_id + 1):
        for part in (found.members, found.fields, found.enumerators, found.variables):
            with contextlib.suppress(BtfError):
                list(part(found.type(id_)))
        with contextlib.suppress(BtfError):
            found.size(id_)
    assert found.named is not None


@given(st.binary(max_size=200))
def test_any_bytes_behind_the_magic_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(BtfError):
        btf.parse(b"\x9f\xeb\x01\x00" + data)


# ------------------------------------------------------------- made by hand


def raw(types: bytes, strings: bytes, order: str = "<") -> bytes:
    header = struct.pack(
        order + "HBBIIIII",
        *(0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings)),
    )
    return header + types + strings


def words(order: str, *values: int) -> bytes:
    return struct.pack(f"{order}{len(values)}I", *values)


def an_enum(order: str, flag: int, low: int, high: int) -> bytes:
    return raw(
        words(order, 1, flag << 31 | 19 << 24 | 1, 8, 6, low, high),
        b"\0kind\0FIRST\0",
        order,
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("flag", "low", "high", "value"),
    [(0, 5, 1, (1 << 32) + 5), (0, 0, 1 << 31, 1 << 63), (1, *[(1 << 32) - 1] * 2, -1)],
)
def test_enumerators_of_64_bits_are_read_in_either_byte_order(
    order: str, flag: int, low: int, high: int, value: int
) -> None:
    found = btf.parse(an_enum(order, flag, low, high))

    assert found.order == order
    assert dict(found.enumerators(found.find("enum kind"))) == {"FIRST": value}


@pytest.mark.parametrize("order", ["<", ">"])
def test_split_btf_goes_on_behind_its_base(order: str) -> None:
    # struct base { int; }, whose member is called "it".
    integer = words(order, 1, 1 << 24, 4, 1 << 24 | 32)
    base = btf.parse(
        raw(
            integer + words(order, 5, 4 << 24 | 1, 4, 10, 1, 0),
            b"\0int\0base\0it\0",
            order,
        )
    )
    # const struct base, and struct own { const struct base it; }.
    own = words(order, 0, 10 << 24, 2) + words(order, 14, 4 << 24 | 1, 4, 10, 3, 0)
    found = btf.parse(raw(own, b"\0own\0", order), base)

    assert [str(it) for it in found.types()] == [
        *("int", "struct base", "", "struct own")
    ]
    (member,) = found.members(found.find("struct own"))
    assert (member.name, str(found.resolved(member.type_id))) == ("it", "struct base")
    (inner,) = found.fields(found.find("struct base"))
    assert found.type(inner.type_id).kind is Kind.INT
    with pytest.raises(BtfError, match="refers to type 5, but has only 4"):
        found.type(5)
    with pytest.raises(BtfError):
        btf.parse(raw(own, b"\0own\0", order))


def test_structs_within_themselves_are_circles() -> None:
    found = btf.parse(raw(words("<", 1, 4 << 24 | 1, 8, 0, 1, 0), b"\0loop\0"))

    with pytest.raises(BtfError, match="circles"):
        list(found.fields(found.find("struct loop")))
