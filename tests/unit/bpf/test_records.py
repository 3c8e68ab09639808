"""Fields of records that no BTF describes."""

import struct

import pytest

from runner.bpf import records

RECORD = struct.pack("<QiI8s", 1, -2, 3, b"cat\0junk")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("u64@0", 1),
        ("s32@8", -2),
        ("u32@8", 0xFFFFFFFE),
        ("u8@12", 3),
        ("s16@12", 3),
        ("char[8]@16", "cat"),
        # Sent without what is behind its text.
        ("char[16]@16", "cat"),
        ("char[8]@24", None),
        ("u64@20", None),
    ],
)
def test_a_field_is_read_by_its_type_and_offset(place: str, value: object) -> None:
    assert records.read({"it": records.parse(place)}, RECORD) == {"it": value}


@pytest.mark.parametrize("text", ["", "int@0", "u32", "char@0", "u32@-1", "u32@0x1"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a field such as"):
        records.parse(text)
