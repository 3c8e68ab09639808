"""Fields of a record that no BTF describes, by their types and offsets."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from runner.arch.model import ByteOrder

_PLACE = re.compile(r"(?:([us])(\d+)|char\[(\d+)\])@(\d+)")


@dataclass(frozen=True, kw_only=True)
class RecordField:
    """Where a field lies in a record, and what it is."""

    # Bytes.
    offset: int
    size: int
    is_text: bool = False
    is_signed: bool = False


def parse(text: str) -> RecordField:
    """Return what "s32@8" or "char[16]@40" means.

    Raises ValueError for what is neither.
    """
    found = _PLACE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a field such as s32@8 or char[16]@40")
    sign, bits, length, offset = found.groups()
    return RecordField(
        offset=int(offset),
        size=int(length or int(bits) // 8),
        is_text=bool(length),
        is_signed=sign == "s",
    )


def read(
    places: Mapping[str, RecordField],
    record: bytes,
    byte_order: ByteOrder = "little",
) -> dict[str, JsonValue]:
    """Return the fields of a record in its kernel's byte order.

    Those behind its end are None.
    """
    return {name: _value(it, record, byte_order) for name, it in places.items()}


def _value(place: RecordField, record: bytes, byte_order: ByteOrder) -> JsonValue:
    data = record[place.offset : place.offset + place.size]
    if place.is_text:
        text, _, _ = data.partition(b"\0")
        return text.decode(errors="replace") if data else None
    if len(data) < place.size:
        return None
    return int.from_bytes(data, byte_order, signed=place.is_signed)
