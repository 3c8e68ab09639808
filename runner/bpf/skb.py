"""struct __sk_buff, the context of BPF_PROG_TEST_RUN for socket and tc programs."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from runner.errors import UsageError
from runner.nearest import did_you_mean

# Bytes of the struct in linux/bpf.h since v5.16. A kernel takes a longer context than
# it knows as long as the rest is zero, and hands back at most what it knows.
SIZE = 192


@dataclass(frozen=True, kw_only=True)
class Field:
    """A member of the struct; all are unsigned, the least significant byte first."""

    offset: int
    # Bytes of one element.
    width: int = 4
    # Elements: 1 for a member that is no array.
    count: int = 1


# As include/uapi/linux/bpf.h lays them out; tests/unit/bpf/test_skb.py compares.
FIELDS: Mapping[str, Field] = {
    "len": Field(offset=0),
    "pkt_type": Field(offset=4),
    "mark": Field(offset=8),
    "queue_mapping": Field(offset=12),
    "protocol": Field(offset=16),
    "vlan_present": Field(offset=20),
    "vlan_tci": Field(offset=24),
    "vlan_proto": Field(offset=28),
    "priority": Field(offset=32),
    "ingress_ifindex": Field(offset=36),
    "ifindex": Field(offset=40),
    "tc_index": Field(offset=44),
    "cb": Field(offset=48, count=5),
    "hash": Field(offset=68),
    "tc_classid": Field(offset=72),
    "data": Field(offset=76),
    "data_end": Field(offset=80),
    "napi_id": Field(offset=84),
    "family": Field(offset=88),
    "remote_ip4": Field(offset=92),
    "local_ip4": Field(offset=96),
    "remote_ip6": Field(offset=100, count=4),
    "local_ip6": Field(offset=116, count=4),
    "remote_port": Field(offset=132),
    "local_port": Field(offset=136),
    "data_meta": Field(offset=140),
    "flow_keys": Field(offset=144, width=8),
    "tstamp": Field(offset=152, width=8),
    "wire_len": Field(offset=160),
    "gso_segs": Field(offset=164),
    "sk": Field(offset=168, width=8),
    "gso_size": Field(offset=176),
    "tstamp_type": Field(offset=180, width=1),
    "hwtstamp": Field(offset=184, width=8),
}

# "cb[0]" is element 0 of cb; a member that is no array is called by its name.
_PLACES: Mapping[str, tuple[int, int]] = {
    (name if field.count == 1 else f"{name}[{index}]"): (
        field.offset + index * field.width,
        field.width,
    )
    for name, field in FIELDS.items()
    for index in range(field.count)
}


def pack(values: Mapping[str, int]) -> bytes:
    """Return the struct with the given members, and zero in all others.

    Members of arrays are written "cb[2]". Raises UsageError for one that there is not,
    or for a value that does not fit.
    """
    data = bytearray(SIZE)
    for name, value in values.items():
        if name not in _PLACES:
            raise UsageError(
                f"struct __sk_buff has no field {name!r}", hint=_near(name)
            )
        offset, width = _PLACES[name]
        if not 0 <= value < 1 << (8 * width):
            raise UsageError(
                f"{value} does not fit into {name} of struct __sk_buff",
                hint=f"it is an unsigned {8 * width}-bit number",
            )
        data[offset : offset + width] = value.to_bytes(width, "little")
    return bytes(data)


def unpack(data: bytes) -> dict[str, JsonValue]:
    """Return the members that a context holds; an older kernel's is shorter."""
    return {
        name: elements[0] if field.count == 1 else elements
        for name, field in FIELDS.items()
        if (elements := _elements(data, field))
    }


def _elements(data: bytes, field: Field) -> list[JsonValue]:
    end = field.offset + field.count * field.width
    if end > len(data):
        return []
    return [
        int.from_bytes(data[offset : offset + field.width], "little")
        for offset in range(field.offset, end, field.width)
    ]


def _near(name: str) -> str:
    if name in FIELDS:
        return f"it is an array: write {name}[0] to {name}[{FIELDS[name].count - 1}]"
    return did_you_mean(name, _PLACES) or f"its fields are {', '.join(FIELDS)}"
