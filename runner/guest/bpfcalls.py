"""Calls of bpf(2) that a guest is asked to make, as include/uapi/linux/bpf.h has them.

The agent makes them as they are; what they mean is known here alone.
"""

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from runner.arch.model import ByteOrder
from runner.bpf.insn import Insn

# Commands: enum bpf_cmd.
MAP_CREATE, MAP_LOOKUP, MAP_UPDATE, _, MAP_NEXT_KEY, PROG_LOAD = range(6)
TEST_RUN, PROG_NEXT_ID, RAW_TRACEPOINT_OPEN, BTF_LOAD, MAP_FREEZE = 10, 11, 17, 18, 22
# Bytes that the kernel's log has room for: LOG_SIZE in images/agent/bpf_calls.c.
_LOG_SIZE = 64 << 10
_LICENSE = b"GPL\0"
# Where bpf_attr has what: of BPF_PROG_LOAD.
_INSNS, _PROGRAM_LICENSE, _LOG, _ATTACH_BTF_ID = 8, 16, 32, 108


@dataclass(frozen=True)
class Packed:
    """Numbers, as a guest's byte order has them: formats of struct with their values.

    Bytes among them stay as they are.
    """

    parts: tuple[tuple[str, tuple[int | bytes, ...]], ...] = ()

    @classmethod
    def of(cls, layout: str, *values: int | bytes) -> "Packed":
        """Return numbers of a layout, which has no byte order."""
        return cls(((layout, values),))

    def __add__(self, other: "Packed") -> "Packed":
        return Packed((*self.parts, *other.parts))

    def ljust(self, size: int) -> "Packed":
        """Return the same with zeros behind, up to a number of bytes."""
        lacking = size - len(self.data("little"))
        return self + Packed.of(f"{lacking}x") if lacking > 0 else self

    def data(self, byte_order: ByteOrder) -> bytes:
        """Return the bytes."""
        order = "<" if byte_order == "little" else ">"
        return b"".join(
            struct.pack(order + layout, *values) for layout, values in self.parts
        )


@dataclass(frozen=True, kw_only=True)
class CodeReply:
    """Instructions, whose registers have another order, too."""

    insns: tuple[Insn, ...]

    def data(self, byte_order: ByteOrder) -> bytes:
        """Return the bytes."""
        return b"".join(packed(it, byte_order) for it in self.insns)


# What is the same in either byte order, or not.
Data = bytes | Packed | CodeReply


def _in_order(data: Data, byte_order: ByteOrder) -> bytes:
    return data if isinstance(data, bytes) else data.data(byte_order)


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """A file descriptor that an earlier call of the same probe gives."""

    at: int
    # Which of the probe's calls.
    of: int


@dataclass(frozen=True, kw_only=True)
class Pointed:
    """Bytes that a pointer in the attribute leads to."""

    at: int
    data: Data
    descriptors: tuple[Descriptor, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BpfCall:
    """One call: a command and the union bpf_attr."""

    command: int
    attribute: bytes | Packed
    pointed: tuple[Pointed, ...] = ()
    descriptors: tuple[Descriptor, ...] = ()
    # Where the pointer to the log stands; None without a log.
    log: int | None = None
    # A function of the kernel whose BTF id stands at a place.
    function: tuple[int, str] | None = None

    def after(self, count: int) -> "BpfCall":
        """Return the call as it is when others stand before its probe."""

        def moved(descriptors: Sequence[Descriptor]) -> tuple[Descriptor, ...]:
            return tuple(replace(it, of=it.of + count) for it in descriptors)

        return replace(
            self,
            descriptors=moved(self.descriptors),
            pointed=tuple(
                replace(it, descriptors=moved(it.descriptors)) for it in self.pointed
            ),
        )

    def as_json(self, byte_order: ByteOrder = "little") -> dict[str, JsonValue]:
        """Return it as the agent of a guest with a byte order takes it."""

        def encoded(data: Data) -> str:
            return base64.b64encode(_in_order(data, byte_order)).decode()

        told: dict[str, JsonValue] = {
            "cmd": self.command,
            "attr": encoded(self.attribute),
            "data": [
                {
                    "at": it.at,
                    "bytes": encoded(it.data),
                    "fds": _as_json(it.descriptors),
                }
                for it in self.pointed
            ],
            "fds": _as_json(self.descriptors),
        }
        if self.log is not None:
            told["log"] = self.log
        if self.function is not None:
            told["btf_id"] = {"at": self.function[0], "name": self.function[1]}
        return told


def _as_json(descriptors: Sequence[Descriptor]) -> list[JsonValue]:
    return [{"at": it.at, "of": it.of} for it in descriptors]


def program(
    *insns: Insn,
    type_: int = 1,
    attach_type: int = 0,
    flags: int = 0,
    version: int = 0,
    log_level: int = 1,
    maps: Sequence[tuple[int, int]] = (),
    attach_btf_id: int = 0,
    function: str = "",
) -> BpfCall:
    """Return BPF_PROG_LOAD.

    `version` is what kernels before 5.0 ask of kprobes; `maps` are indices of
    instructions that refer to a map, and of the calls that make it. `function` is what
    the program attaches to, in place of an id.
    """
    size = _LOG_SIZE if log_level else 0
    attribute = Packed.of(
        "IIQQIIQII16sII",
        *(type_, len(insns), 0, 0),
        *(log_level, size, 0, version, flags),
        b"",
        *(0, attach_type),
    )
    # Kernels refuse what they do not know, unless it is zero.
    if attach_btf_id or function:
        attribute = attribute.ljust(_ATTACH_BTF_ID)
        attribute += Packed.of("I", attach_btf_id)
    return BpfCall(
        command=PROG_LOAD,
        attribute=attribute,
        pointed=(
            Pointed(
                at=_INSNS,
                data=CodeReply(insns=insns),
                descriptors=tuple(
                    # The immediate is the second half of an instruction.
                    Descriptor(at=index * 8 + 4, of=of)
                    for index, of in maps
                ),
            ),
            Pointed(at=_PROGRAM_LICENSE, data=_LICENSE),
        ),
        log=_LOG if log_level else None,
        function=(_ATTACH_BTF_ID, function) if function else None,
    )


def packed(insn: Insn, byte_order: ByteOrder = "little") -> bytes:
    """Return an instruction as a kernel takes it."""
    if byte_order == "little":
        return (insn.word & (1 << 64) - 1).to_bytes(8, "little")
    return struct.pack(
        ">BBhi", insn.code, insn.dst << 4 | insn.src, insn.offset, insn.imm
    )


def create_map(
    type_: int,
    *,
    key: int = 4,
    value: int = 4,
    entries: int = 1,
    flags: int = 0,
    inner: int | None = None,
    btf: int | None = None,
) -> BpfCall:
    """Return BPF_MAP_CREATE; sizes are in bytes.

    `inner` is the call that makes the map that values are of, `btf` the one that loads
    BTF whose type 1 keys and values have.
    """
    attribute = Packed.of("IIIII", type_, key, value, entries, flags)
    descriptors: tuple[Descriptor, ...] = ()
    if inner is not None:
        attribute += Packed.of("I", 0)
        descriptors = (Descriptor(at=20, of=inner),)
    if btf is not None:
        attribute = attribute.ljust(48) + Packed.of("III", 0, 1, 1)
        descriptors = (Descriptor(at=48, of=btf),)
    return BpfCall(command=MAP_CREATE, attribute=attribute, descriptors=descriptors)


def of_map(
    command: int, of: int, *, key: bytes = b"", value: bytes = b"", program: int = -1
) -> BpfCall:
    """Return a call on the map that another call makes, with its buffers.

    `program` is the call whose descriptor is the value.
    """
    pointed = []
    if key:
        pointed.append(Pointed(at=8, data=key))
    if program >= 0:
        inner = (Descriptor(at=0, of=program),)
        pointed.append(Pointed(at=16, data=bytes(4), descriptors=inner))
    elif value:
        pointed.append(Pointed(at=16, data=value))
    return BpfCall(
        command=command,
        attribute=bytes(32 if pointed else 4),
        pointed=tuple(pointed),
        descriptors=(Descriptor(at=0, of=of),),
    )


def run_test(of: int, data: bytes, context: Packed | None = None) -> BpfCall:
    """Return BPF_PROG_TEST_RUN of the program that another call loads."""
    pointed = [Pointed(at=16, data=data)]
    attribute = Packed.of("IIIIQQII", 0, 0, len(data), 0, 0, 0, 1, 0)
    if context:
        size = len(context.data("little"))
        attribute += Packed.of("IIQQ", size, 0, 0, 0)
        pointed.append(Pointed(at=48, data=context))
    return BpfCall(
        command=TEST_RUN,
        attribute=attribute,
        pointed=tuple(pointed),
        descriptors=(Descriptor(at=0, of=of),),
    )


def load_btf(types: Packed, strings: bytes) -> BpfCall:
    """Return BPF_BTF_LOAD of raw types and strings."""
    size = len(types.data("little"))
    data = (
        Packed.of("HBBIIIII", 0xEB9F, 1, 0, 24, 0, size, size, len(strings))
        + types
        + Packed.of(f"{len(strings)}s", strings)
    )
    whole = len(data.data("little"))
    return BpfCall(
        command=BTF_LOAD,
        attribute=Packed.of("QQII", 0, 0, whole, 0),
        pointed=(Pointed(at=0, data=data),),
    )
