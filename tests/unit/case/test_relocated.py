"""What a loader handed to the kernel, compared with what libbpf would have."""

from dataclasses import dataclass
from typing import Any, cast

import pytest

from runner.bpf.insn import ALU64, CALL, JMP, LD_IMM64, LDX, MOV, POISON_HELPER, Insn
from runner.bpf.kinds import RelocationKind
from runner.case.attempt import Attempt
from runner.case.prediction import Foretold
from runner.case.relocated import differences
from runner.guest.agenterrors import AgentError
from runner.guest.replies import LoadedObject, ProgramInfo
from runner.preflight.model import InstructionPlace, Prediction, Relocation, Status
from tests.unit.bpf.test_object import OBJECT

EXIT = Insn(JMP | 0x90, 0, 0, 0, 0)
POISON = Insn(JMP | CALL, 0, 0, 0, POISON_HELPER)
# What cilium/ebpf puts in the place of an instruction of 16 bytes.
OTHER_POISON = Insn(LD_IMM64, 10, 0, 0, POISON_HELPER)


def moved(value: int) -> Insn:
    return Insn(ALU64 | MOV, 1, 0, 0, value)


def read(offset: int) -> Insn:
    return Insn(LDX, 1, 2, offset, 0)


@dataclass
class FakeAgent:
    code: bytes | None

    def instructions(self, *_: object, **__: object) -> bytes:
        if self.code is None:
            raise AgentError("no such file", operation="instructions")
        return self.code


@dataclass
class FakeGuest:
    agent: FakeAgent


@dataclass
class FakeAttempt:
    guest: FakeGuest
    foretold: Foretold
    data: bytes = OBJECT
    other: object = "a loader"


def compared(
    expected: Insn,
    observed: Insn | None,
    *,
    kind: RelocationKind = RelocationKind.BYTE_OFF,
    status: Status = Status.RESOLVED,
    **more: Any,
) -> list[tuple[str, str, bool]]:
    """Compare an instruction that stands first in a program."""
    words = tuple(f"{it.word & (1 << 64) - 1:016x}" for it in (expected, EXIT))
    relocation = Relocation(
        place=InstructionPlace(program="p", section="kprobe/f", instruction=0),
        kind=kind,
        access="task_struct.pid",
        local="",
        target="",
        status=status,
        value=None,
        instructions=cast(tuple[str, str], words),
        local_field=None,
        field=None,
        reason="two sizes",
    )
    prediction = cast(Prediction, _Predicted((relocation,)))
    code = None
    if observed is not None:
        pair = (observed, EXIT)
        code = b"".join((it.word & (1 << 64) - 1).to_bytes(8, "little") for it in pair)
    attempt = FakeAttempt(
        guest=FakeGuest(FakeAgent(code)), foretold=Foretold(prediction=prediction)
    )
    for name, value in more.items():
        setattr(attempt, name, value)
    loaded = LoadedObject(
        handle=1,
        programs=(ProgramInfo(name="p", type=None, id=1, instructions=2),),
        maps=(),
        log="",
    )
    found = differences(cast(Attempt, attempt), loaded)
    return [(it.libbpf, it.loader, it.wrong_offset) for it in found]


@dataclass
class _Predicted:
    relocations: tuple[Relocation, ...]


def test_the_same_is_no_difference() -> None:
    assert compared(read(552), read(552)) == []


def test_another_offset_reads_wrong() -> None:
    assert compared(read(552), read(8)) == [("552", "8", True)]
    assert compared(moved(552), moved(8)) == [("552", "8", True)]


def test_an_offset_where_libbpf_has_none_reads_wrong() -> None:
    assert compared(POISON, read(8)) == [("poison", "8", True)]


def test_poison_reads_nothing() -> None:
    assert compared(read(552), POISON) == [("552", "poison", False)]


def test_each_library_has_its_own_poison() -> None:
    assert compared(POISON, OTHER_POISON) == []


def test_another_existence_is_no_offset() -> None:
    kind = RelocationKind.FIELD_EXISTS

    assert compared(moved(1), moved(0), kind=kind) == [("1", "0", False)]


def test_libbpf_refuses_what_another_loader_decides() -> None:
    found = compared(read(8), read(8), status=Status.AMBIGUOUS)

    assert found == [("refuses (two sizes)", "8", True)]


@pytest.mark.parametrize("more", [{"other": None}, {"foretold": Foretold()}])
def test_nothing_is_compared_with_itself_or_with_nothing(more: dict[str, Any]) -> None:
    assert compared(read(552), read(8), **more) == []


def test_local_ids_are_each_librarys_own() -> None:
    kind = RelocationKind.LOCAL_TYPE_ID

    assert compared(moved(2), moved(1), kind=kind) == []


def test_what_was_not_recorded_is_not_compared() -> None:
    assert compared(read(552), None) == []
