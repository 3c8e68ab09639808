"""Whether another library put into an object's instructions what libbpf would.

Libraries choose among types of one name, flavors and modules in ways of their own. The
agent has recorded what each loader handed to the kernel. At each CO-RE relocation this
is compared with what libbpf's own relocator puts there, by preflight.
"""

from collections.abc import Iterator, Sequence

from runner import timeouts
from runner.bpf import insn
from runner.bpf import object as bpf_object
from runner.bpf.insn import LD_IMM64, POISON_HELPER, Insn
from runner.bpf.kinds import RelocationKind
from runner.bpf.object import BpfObject
from runner.case.attempt import Attempt
from runner.guest.agenterrors import AgentError
from runner.guest.replies import LoadedObject
from runner.preflight.model import Relocation, Status
from runner.results import RelocationDifference

_OFFSETS = (RelocationKind.BYTE_OFF,)
_NONE = "poison"


def differences(
    attempt: Attempt, loaded: LoadedObject
) -> tuple[RelocationDifference, ...]:
    """Return where a loader relocated otherwise than libbpf; nothing for libbpf's own.

    Local ids of types are not compared: each library numbers types as it likes. Raises
    GuestError when the guest is lost.
    """
    if attempt.other is None:
        return ()
    prediction = attempt.foretold.prediction
    if prediction is None:
        return ()
    item = bpf_object.read(attempt.data)
    found: dict[tuple[str, int], RelocationDifference] = {}
    for info in loaded.programs:
        code = _handed(attempt, loaded, info.name) if info.instructions else ()
        for it in prediction.relocations:
            start = _start(item, it, info.name, code)
            if start is None or it.kind is RelocationKind.LOCAL_TYPE_ID:
                continue
            difference = _compared(it, code[start + it.place.instruction :])
            if difference is not None:
                found[it.place.program, it.place.instruction] = difference
    # What reads wrong says most.
    return tuple(sorted(found.values(), key=lambda it: not it.wrong_offset))


def _handed(attempt: Attempt, loaded: LoadedObject, name: str) -> tuple[Insn, ...]:
    try:
        return insn.decode(
            attempt.guest.agent.instructions(
                loaded.handle, name, timeout=timeouts.READ.seconds
            )
        )
    except AgentError:
        # Not recorded: the kernel does not tell which program it was.
        return ()


def _start(
    item: BpfObject, relocation: Relocation, program: str, code: Sequence[Insn]
) -> int | None:
    """Return where the function of a relocation begins in a program's instructions.

    A program's own function is first. Those that it calls stand behind it, in an order
    of the library's own, and are found by their operations.
    """
    name = relocation.place.program
    if not code:
        return None
    if name == program:
        return 0
    function = item.debug.programs.get(name)
    if function is None or function.is_program:
        return None
    whole = item.code[function.section_index]
    own = whole[function.start : function.start + function.size]
    relocated = set(_relocated(item, name))
    for start in range(1, len(code) - len(own) + 1):
        if all(
            at in relocated or code[start + at].code == it.code
            for at, it in enumerate(own)
        ):
            return start
    return None


def _relocated(item: BpfObject, name: str) -> Iterator[int]:
    function = item.debug.programs[name]
    for record in item.debug.relocations.get(function.section, ()):
        # An instruction of 16 bytes is poisoned as two.
        yield from (record.at - function.start, record.at - function.start + 1)


def _compared(
    relocation: Relocation, code: Sequence[Insn]
) -> RelocationDifference | None:
    observed = _value(code)
    refuses = relocation.status in (Status.AMBIGUOUS, Status.REFUSED)
    words = [Insn.from_word(int(it, 16)) for it in relocation.instructions]
    expected = f"refuses ({relocation.reason})" if refuses else _value(words)
    if observed == expected:
        return None
    return RelocationDifference(
        access=relocation.access,
        what=relocation.kind.libbpf_name,
        source=f"{relocation.place.file}:{relocation.place.line}"
        if relocation.place.file
        else str(relocation.place),
        libbpf=expected,
        loader=observed,
        wrong_offset=relocation.kind in _OFFSETS and observed != _NONE,
    )


def _value(code: Sequence[Insn]) -> str:
    """Return what a relocation has put into an instruction, or "poison"."""
    first = code[0]
    # cilium/ebpf also loads libbpf's number into the frame pointer.
    if first.is_poison or first.imm == POISON_HELPER:
        return _NONE
    if first.code == LD_IMM64:
        return str((first.imm & 0xFFFFFFFF) | (code[1].imm & 0xFFFFFFFF) << 32)
    return str(first.constant)
