"""struct __sk_buff, the context of BPF_PROG_TEST_RUN for socket and tc programs."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from runner.arch.model import ByteOrder
from runner.errors import UsageError
from runner.text.nearest import did_you_mean

# Bytes of the struct in linux/bpf.h since v5.16. A kernel takes a longer context than
# it knows as long as the rest is zero, and hands back at most what it knows.
SIZE = 192


@dataclass(frozen=True, kw_only=True)
class SkbField:
    """A member of the struct; all are unsigned, in the kernel's byte order."""

    offset: int
    # Bytes of one element.
    width: int = 4
    # Elements: 1 for a member that is no array.
    count: int = 1


# As include/uapi/linux/bpf.h lays them out; tests/unit/bpf/test_skb.py compares.
FIELDS: Mapping[str, SkbField] = {
    "len": SkbField(offset=0),
    "pkt_type": SkbField(offset=4),
    "mark": SkbField(offset=8),
    "queue_mapping": SkbField(offset=12),
    "protocol": SkbField(offset=16),
    "vlan_present": SkbField(offset=20),
    "vlan_tci": SkbField(offset=24),
    "vlan_proto": SkbField(offset=28),
    "priority": SkbField(offset=32),
    "ingress_ifindex": SkbField(offset=36),
    "ifindex": SkbField(offset=40),
    "tc_index": SkbField(offset=44),
    "cb": SkbField(offset=48, count=5),
    "hash": SkbField(offset=68),
    "tc_classid": SkbField(offset=72),
    "data": SkbField(offset=76),
    "data_end": SkbField(offset=80),
    "napi_id": SkbField(offset=84),
    "family": SkbField(offset=88),
    "remote_ip4": SkbField(offset=92),
    "local_ip4": SkbField(offset=96),
    "remote_ip6": SkbField(offset=100, count=4),
    "local_ip6": SkbField(offset=116, count=4),
    "remote_port": SkbField(offset=132),
    "local_port": SkbField(offset=136),
    "data_meta": SkbField(offset=140),
    "flow_keys": SkbField(offset=144, width=8),
    "tstamp": SkbField(offset=152, width=8),
    "wire_len": SkbField(offset=160),
    "gso_segs": SkbField(offset=164),
    "sk": SkbField(offset=168, width=8),
    "gso_size": SkbField(offset=176),
    "tstamp_type": SkbField(offset=180, width=1),
    "hwtstamp": SkbField(offset=184, width=8),
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


def pack(values: Mapping[str, int], byte_order: ByteOrder = "little") -> bytes:
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
        data[offset : offset + width] = value.to_bytes(width, byte_order)
    return bytes(data)


def unpack(data: bytes, byte_order: ByteOrder = "little") -> dict[str, JsonValue]:
    """Return the members that a context holds; an older kernel's is shorter."""
    return {
        name: elements[0] if field.count == 1 else elements
        for name, field in FIELDS.items()
        if (elements := _elements(data, field, byte_order))
    }


def _elements(data: bytes, field: SkbField, byte_order: ByteOrder) -> list[JsonValue]:
    end = field.offset + field.count * field.width
    if end > len(data):
        return []
    return [
        int.from_bytes(data[offset : offset + field.width], byte_order)
        for offset in range(field.offset, end, field.width)
    ]


def _near(name: str) -> str:
    if name in FIELDS:
        return f"it is an array: write {name}[0] to {name}[{FIELDS[name].count - 1}]"
    return did_you_mean(name, _PLACES) or f"its fields are {', '.join(FIELDS)}"
