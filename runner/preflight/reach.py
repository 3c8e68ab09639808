"""Which instructions a verifier walks, given what relocation put into the program.

Constants are followed along every path, as verifiers do, through registers, the stack,
calls and frozen maps. Ranges are not: an instruction that only a range rules out counts
as walked.

A function is walked once for each set of arguments that it is called with, whoever
calls it, and what it returns goes to all of these callers. Verifiers walk it once for
each path of calls, and there are exponentially many of those.

images/agent/flow.c follows constants, too, and answers another question: what holds on
every path, so that the agent may rewrite an instruction before an object is loaded.
"""

import operator
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce

from runner.bpf import insn as op
from runner.bpf.insn import Insn
from runner.facts.abilities import Known
from runner.preflight.errors import AbandonedError, NotFollowedError
from runner.preflight.references import Address, Flow, MapAddress
from runner.preflight.verifier import Verifier

_MASK = (1 << 64) - 1
_REGISTERS = 11
_FRAME_POINTER = 10

# Different states that an instruction of one call is walked with before they are merged
# into one; the same of a function's arguments, and of what it returns.
_MOST_STATES = 24

# Visits of instructions, after which a program is given up: about two seconds of a
# processor. Counted and not timed, so that every machine predicts the same.
_MOST_VISITS = 200_000
# How often a walk looks whether it is still wanted, in visits.
_BETWEEN_LOOKS = 1 << 12

# What a register may hold that is known. None is anything else.
_Value = int | MapAddress | None
_Stack = frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _WalkState:
    registers: tuple[_Value, ...]
    # Constants on the stack: bytes from the frame pointer, and what is there.
    stack: _Stack

    def get(self, register: int) -> _Value:
        return self.registers[register] if register < _REGISTERS else None

    def put(self, register: int, value: _Value) -> "_WalkState":
        if register >= _FRAME_POINTER or self.registers[register] == value:
            return self
        registers = list(self.registers)
        registers[register] = value
        return replace(self, registers=tuple(registers))

    def forget(self, *registers: int) -> "_WalkState":
        return replace(
            self,
            registers=tuple(
                None if i in registers else it for i, it in enumerate(self.registers)
            ),
        )

    def without_stack(self, start: int, size: int) -> "_WalkState":
        kept = frozenset(
            it for it in self.stack if not start - 8 < it[0] < start + size
        )
        return self if kept == self.stack else replace(self, stack=kept)

    def merged(self, other: "_WalkState") -> "_WalkState":
        return replace(
            self,
            registers=tuple(
                a if a == b else None
                for a, b in zip(self.registers, other.registers, strict=True)
            ),
            stack=self.stack & other.stack,
        )


_NOTHING: _Stack = frozenset()
_START = _WalkState((None,) * _REGISTERS, _NOTHING)


class _WalkStates:
    """Different states of one place, which become one when they are too many."""

    __slots__ = ("_common", "_known")

    def __init__(self) -> None:
        self._known: set[_WalkState] = set()
        # What all of them have in common, once they are too many.
        self._common: _WalkState | None = None

    def added(self, state: _WalkState) -> _WalkState | None:
        """Return what to walk on with, None when that was walked before.

        Each merge forgets a constant, so this ends.
        """
        if state in self._known:
            return None
        if len(self._known) >= _MOST_STATES:
            state = state.merged(self._common or reduce(_WalkState.merged, self._known))
            self._common = state
            if state in self._known:
                return None
        self._known.add(state)
        return state


@dataclass(frozen=True, slots=True)
class _Caller:
    """Where what a function returns goes."""

    call: "_Call"
    address: Address
    saved: tuple[_Value, ...]

    def resumed(self, value: _Value) -> _WalkState:
        """Return the state behind the call; its caller's stack is forgotten."""
        return _WalkState((value, *(None,) * 5, *self.saved, None), _NOTHING)


@dataclass(eq=False, slots=True)
class _Call:
    """A function with one set of arguments, for all who call it so."""

    seen: dict[Address, _WalkStates] = field(
        default_factory=lambda: defaultdict(_WalkStates)
    )
    callers: set[_Caller] = field(default_factory=set)
    returned: set[_Value] = field(default_factory=set)


def walked(
    flow: Flow,
    patched: Mapping[Address, Insn],
    verifier: Verifier,
    kernel: Known | None = None,
    wanted: Callable[[], bool] = lambda: True,
) -> set[Address]:
    """Return the instructions that verifying an object's programs visits.

    `patched` are those that relocation changed. A verifier gives up at the first
    poison; this goes on with a value that nobody knows, so that all gaps are reported.
    `kernel` is what LINUX_KERNEL_VERSION and the like say. `wanted` is asked now and
    then whether to go on. Raises NotFollowedError for a program that has too many
    paths, and AbandonedError when the walk is not wanted any more.
    """
    walk = _Walk(flow, patched, verifier, kernel)
    for entry in flow.entries:
        walk.enter(entry)
    walk.run(wanted)
    return walk.reached


class _Walk:
    def __init__(
        self,
        flow: Flow,
        patched: Mapping[Address, Insn],
        verifier: Verifier,
        kernel: Known | None,
    ) -> None:
        self._flow = flow
        self._patched = patched
        self._verifier = verifier
        self._kernel = kernel
        self._todo: list[tuple[_Call, Address, _WalkState]] = []
        # By function, and by its arguments.
        self._calls: dict[Address, dict[_WalkState, _Call]] = defaultdict(dict)
        self.reached: set[Address] = set()

    def run(self, wanted: Callable[[], bool]) -> None:
        visits = 0
        while self._todo:
            visits += 1
            if visits > _MOST_VISITS:
                raise NotFollowedError(
                    "not followed to its end: its programs take more than "
                    f"{_MOST_VISITS:,} steps"
                )
            if not visits % _BETWEEN_LOOKS and not wanted():
                raise AbandonedError("the prediction is no longer needed")
            self._step(*self._todo.pop())

    def enter(self, at: Address, state: _WalkState = _START) -> _Call:
        """Plan to walk a function with some arguments, unless it was; return the call.

        Those of many calls become one that represents all of them; each merge forgets
        a constant, so this ends.
        """
        calls = self._calls[at]
        if state not in calls and len(calls) >= _MOST_STATES:
            for other in calls:
                state = state.merged(other)
        if state not in calls:
            calls[state] = _Call()
            self._go(calls[state], at, state)
        return calls[state]

    def _go(self, call: _Call, at: Address, state: _WalkState) -> None:
        """Plan a visit, unless an equal one was made."""
        if self._flow.insn(at) is None:
            return
        self.reached.add(at)
        new = call.seen[at].added(state)
        if new is not None:
            self._todo.append((call, at, new))

    def _step(self, call: _Call, at: Address, state: _WalkState) -> None:
        insn = self._patched.get(at) or self._flow.insn(at)
        assert insn is not None
        if insn.is_poison:
            self._pass_poison(call, at, state)
        elif insn.op_class in (op.JMP, op.JMP32):
            self._jump(call, at, insn, state)
        elif insn.code == op.LD_IMM64:
            self._load_immediate(call, at, insn, state)
        else:
            self._go(call, (at[0], at[1] + 1), self._computed(insn, state))

    def _pass_poison(self, call: _Call, at: Address, state: _WalkState) -> None:
        original = self._flow.insn(at)
        assert original is not None
        size = 2 if original.code == op.LD_IMM64 else 1
        if original.op_class in (op.ST, op.STX):
            state = replace(state, stack=frozenset())
        else:
            state = state.forget(original.dst)
        self._go(call, (at[0], at[1] + size), state)

    # ------------------------------------------------------------ values

    def _load_immediate(
        self, call: _Call, at: Address, insn: Insn, state: _WalkState
    ) -> None:
        second = (at[0], at[1] + 1)
        high = self._patched.get(second) or self._flow.insn(second)
        callback = self._flow.callback(at)
        value: _Value = self._flow.variable(at)
        if callback is not None:
            self.enter(callback)
        elif value is None and insn.src == 0 and high is not None:
            known = Verifier.TRACKS_LDIMM64 in self._verifier
            whole = (insn.imm & 0xFFFFFFFF) | (high.imm & 0xFFFFFFFF) << 32
            value = whole if known else None
        self._go(call, (at[0], at[1] + 2), state.put(insn.dst, value))

    def _computed(self, insn: Insn, state: _WalkState) -> _WalkState:
        if insn.op_class in (op.ALU, op.ALU64):
            return state.put(insn.dst, self._result(insn, state))
        if insn.op_class == op.LDX:
            return state.put(insn.dst, self._loaded(insn, state))
        if insn.op_class in (op.ST, op.STX):
            return self._stored(insn, state)
        # LD_ABS and LD_IND call a helper.
        return state.forget(0, 1, 2, 3, 4, 5)

    def _result(self, insn: Insn, state: _WalkState) -> _Value:
        narrow = insn.op_class == op.ALU
        by_register = insn.code & op.X
        operand = state.get(insn.src) if by_register else insn.imm & _MASK
        if insn.operation == op.MOV:
            # Older ones, without sign extension, leave the offset 0.
            if insn.offset or (narrow and not isinstance(operand, int)):
                return None
            # 4.4 forgets constants that a 32-bit move copies.
            if narrow and by_register and Verifier.COMPUTES not in self._verifier:
                return None
            return _narrowed(operand) if narrow else operand
        value = state.get(insn.dst)
        if Verifier.COMPUTES not in self._verifier or not isinstance(operand, int):
            return None
        if isinstance(value, MapAddress):
            if insn.operation != op.ADD or narrow:
                return None
            return MapAddress(value.section, value.offset + _signed(operand, 64))
        compute = _ARITHMETIC.get(insn.operation)
        if value is None or compute is None:
            return None
        if narrow:
            return _narrowed(compute(value & 0xFFFFFFFF, operand & 0xFFFFFFFF, 32))
        return compute(value, operand, 64) & _MASK

    def _loaded(self, insn: Insn, state: _WalkState) -> _Value:
        size = op.ACCESS_SIZE[insn.code & 0x18]
        if insn.src == _FRAME_POINTER:
            found = dict(state.stack).get(insn.offset)
            return (
                found if size == 8 and Verifier.TRACKS_STACK in self._verifier else None
            )
        base = state.get(insn.src)
        if (
            not isinstance(base, MapAddress)
            or Verifier.READS_FROZEN_MAPS not in self._verifier
        ):
            return None
        address = MapAddress(base.section, base.offset + insn.offset)
        return self._flow.constant(address, size, self._kernel)

    def _stored(self, insn: Insn, state: _WalkState) -> _WalkState:
        size = op.ACCESS_SIZE[insn.code & 0x18]
        if insn.dst != _FRAME_POINTER:
            # It may be the stack by another register: constants there are rare, and
            # forgetting them only makes more code count as walked.
            return replace(state, stack=frozenset()) if state.stack else state
        state = state.without_stack(insn.offset, size)
        value = insn.imm & _MASK if insn.op_class == op.ST else state.get(insn.src)
        plain = insn.code & 0xE0 == 0x60
        if not plain or size != 8 or not isinstance(value, int):
            return state
        return replace(state, stack=state.stack | {(insn.offset, value)})

    # ------------------------------------------------------------ jumps

    def _jump(self, call: _Call, at: Address, insn: Insn, state: _WalkState) -> None:
        following = (at[0], at[1] + 1)
        target = (at[0], at[1] + 1 + insn.offset)
        if insn.operation == op.EXIT:
            self._return(call, state.registers[0])
        elif insn.operation == op.CALL:
            self._enter_from(call, at, insn, state)
        elif insn.operation == op.JA:
            # In JMP32, which was added in v4, the immediate is the distance.
            far = insn.op_class == op.JMP32
            self._go(call, (at[0], at[1] + 1 + insn.imm) if far else target, state)
        else:
            taken = self._decided(insn, state)
            if taken is not False:
                self._go(call, target, self._learned(insn, state, op.JEQ))
            if taken is not True:
                self._go(call, following, self._learned(insn, state, op.JNE))

    def _learned(self, insn: Insn, state: _WalkState, by: int) -> _WalkState:
        """Return what is known where `by` says that the operands are equal."""
        plain = insn.op_class == op.JMP and not insn.code & op.X
        if insn.operation != by or not plain or state.get(insn.dst) is not None:
            return state
        return state.put(insn.dst, insn.imm & _MASK)

    def _decided(self, insn: Insn, state: _WalkState) -> bool | None:
        """Tell whether a branch is taken, or None when the verifier walks both ways."""
        verifier = self._verifier
        by_register = bool(insn.code & op.X)
        if by_register and Verifier.COMPARES_REGISTERS not in verifier:
            return None
        value = state.get(insn.dst)
        operand = state.get(insn.src) if by_register else insn.imm & _MASK
        if not isinstance(value, int) or not isinstance(operand, int):
            return None
        simple = insn.operation in (op.JEQ, op.JNE)
        if not simple and Verifier.DECIDES_ALL not in verifier:
            return None
        if insn.op_class == op.JMP32 and Verifier.DECIDES_ALL not in verifier:
            return None
        bits = 32 if insn.op_class == op.JMP32 else 64
        mask = (1 << bits) - 1
        value, operand = value & mask, operand & mask
        if value != operand and Verifier.DECIDES_UNEQUAL not in verifier:
            return None
        if insn.operation in _OF_SIGNED:
            value, operand = _signed(value, bits), _signed(operand, bits)
        compare = _COMPARISONS.get(insn.operation)
        return None if compare is None else bool(compare(value, operand))

    def _enter_from(
        self, call: _Call, at: Address, insn: Insn, state: _WalkState
    ) -> None:
        following = (at[0], at[1] + 1)
        after = state.forget(0, 1, 2, 3, 4, 5)
        if insn.src != op.CALL_LOCAL:
            # A helper may write to the stack whose address it was given.
            self._go(call, following, replace(after, stack=_NOTHING))
            return
        target = self._flow.call_target(at, insn)
        alone = Verifier.VERIFIES_GLOBALS_ALONE in self._verifier
        if alone and target in self._flow.global_functions:
            self.enter(target)
            self._go(call, following, replace(after, stack=_NOTHING))
            return
        arguments = replace(state.forget(0, 6, 7, 8, 9), stack=_NOTHING)
        called = self.enter(target, arguments)
        caller = _Caller(call, following, state.registers[6:10])
        if caller not in called.callers:
            called.callers.add(caller)
            for value in called.returned:
                self._go(call, following, caller.resumed(value))

    def _return(self, call: _Call, value: _Value) -> None:
        if value not in call.returned and len(call.returned) >= _MOST_STATES:
            value = None
        if value in call.returned:
            return
        call.returned.add(value)
        for caller in call.callers:
            self._go(caller.call, caller.address, caller.resumed(value))


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _narrowed(value: _Value) -> _Value:
    return value & 0xFFFFFFFF if isinstance(value, int) else None


_ARITHMETIC: dict[int, Callable[[int, int, int], int]] = {
    op.ADD: lambda a, b, bits: a + b,
    op.SUB: lambda a, b, bits: a - b,
    op.MUL: lambda a, b, bits: a * b,
    op.OR: lambda a, b, bits: a | b,
    op.AND: lambda a, b, bits: a & b,
    op.XOR: lambda a, b, bits: a ^ b,
    op.LSH: lambda a, b, bits: a << (b & bits - 1),
    op.RSH: lambda a, b, bits: a >> (b & bits - 1),
    op.ARSH: lambda a, b, bits: _signed(a, bits) >> (b & bits - 1),
    op.NEG: lambda a, b, bits: -a,
}


_OF_SIGNED = (op.JSGT, op.JSGE, op.JSLT, op.JSLE)
_COMPARISONS: dict[int, Callable[[int, int], bool | int]] = {
    op.JEQ: operator.eq,
    op.JNE: operator.ne,
    op.JGT: operator.gt,
    op.JGE: operator.ge,
    op.JLT: operator.lt,
    op.JLE: operator.le,
    op.JSGT: operator.gt,
    op.JSGE: operator.ge,
    op.JSLT: operator.lt,
    op.JSLE: operator.le,
    op.JSET: operator.and_,
}
