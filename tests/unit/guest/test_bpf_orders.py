"""Calls of bpf(2), as guests of either byte order take them."""

import base64
import struct

import pytest

from runner.arch.model import ByteOrder
from runner.bpf.insn import Insn, decode
from runner.guest import bpfcalls as calls

STORE = Insn(code=0x7B, dst=10, src=1, offset=-8, imm=0x1234)


def attribute(call: calls.BpfCall, order: ByteOrder) -> bytes:
    return base64.b64decode(str(call.as_json(order)["attr"]))


@pytest.mark.parametrize(("order", "mark"), [("little", "<"), ("big", ">")])
def test_numbers_have_the_guests_order(order: ByteOrder, mark: str) -> None:
    program = calls.program(STORE, type_=26, attach_type=24, attach_btf_id=7)
    found = attribute(program, order)

    assert struct.unpack_from(f"{mark}II", found) == (26, 1)
    assert struct.unpack_from(f"{mark}I", found, 108) == (7,)
    made = attribute(calls.create_map(2, entries=9, btf=0), order)
    assert struct.unpack_from(f"{mark}IIIII", made) == (2, 4, 4, 9, 0)
    assert struct.unpack_from(f"{mark}II", made, 52) == (1, 1)


@pytest.mark.parametrize(("order", "mark"), [("little", "<"), ("big", ">")])
def test_instructions_have_the_guests_order(order: ByteOrder, mark: str) -> None:
    assert decode(calls.packed(STORE, order), mark) == (STORE,)


@pytest.mark.parametrize(("order", "magic"), [("little", 0x9F), ("big", 0xEB)])
def test_btf_has_the_guests_order(order: ByteOrder, magic: int) -> None:
    types = calls.Packed.of("IIII", 1, 1 << 24, 4, 32)
    (pointed,) = calls.load_btf(types, b"\0int\0").pointed
    assert isinstance(pointed.data, calls.Packed)

    data = pointed.data.data(order)
    assert data[0] == magic
    assert data.endswith(b"\0int\0")
    assert len(data) == 24 + 16 + 5


def test_zeros_stand_behind() -> None:
    assert calls.Packed.of("I", 1).ljust(8).data("big") == b"\0\0\0\1\0\0\0\0"
    assert calls.Packed.of("Q", 1).ljust(8) == calls.Packed.of("Q", 1)
