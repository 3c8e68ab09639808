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
from dataclasses import dataclass, field
from functools import reduce

from runner.bpf import insn as op
from runner.bpf.insn import Insn
from runner.facts.abilities import Known
from runner.preflight.errors import AbandonedError, NotFollowedError
from runner.preflight.references import Address, Flow, MapAddress
from runner.preflight.verifier import Verifier

_MASK = (1 << 64) - 1
_CALL = op.JMP | op.CALL
_REGISTERS = 11
_FRAME_POINTER = 10

# Different states that a place of one call is walked on from before they are merged
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
    """What is known where ways through a function meet."""

    registers: tuple[_Value, ...]
    # Constants on the stack: bytes from the frame pointer, and what is there.
    stack: _Stack

    def merged(self, other: "_WalkState") -> "_WalkState":
        return _WalkState(
            tuple(
                a if a == b else None
                for a, b in zip(self.registers, other.registers, strict=True)
            ),
            self.stack & other.stack,
        )


class _Path:
    """The same between two such places, as it changes with each instruction."""

    __slots__ = ("registers", "stack")

    def __init__(self, state: _WalkState) -> None:
        self.registers = list(state.registers)
        self.stack = dict(state.stack)

    @property
    def state(self) -> _WalkState:
        stack = frozenset(self.stack.items()) if self.stack else _NOTHING
        return _WalkState(tuple(self.registers), stack)

    def get(self, register: int) -> _Value:
        return self.registers[register] if register < _REGISTERS else None

    def put(self, register: int, value: _Value) -> None:
        if register < _FRAME_POINTER:
            self.registers[register] = value

    def forget(self, *registers: int) -> None:
        for register in registers:
            self.registers[register] = None

    def forget_stack(self, start: int, size: int) -> None:
        for it in [it for it in self.stack if start - 8 < it < start + size]:
            del self.stack[it]


_NOTHING: _Stack = frozenset()
_NO_EXTERNS: Mapping[str, bool] = {}
# In place of an address.
_NOT_ZERO = 1
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
    externs: Mapping[str, bool] = _NO_EXTERNS,
) -> set[Address]:
    """Return the instructions that verifying an object's programs visits.

    `patched` are those that relocation changed. A verifier gives up at the first
    poison; this goes on with a value that nobody knows, so that all gaps are reported.
    `kernel` is what LINUX_KERNEL_VERSION and the like say. `externs` are what it has of
    the kernel's functions and variables whose addresses programs take, and whether the
    verifier knows that these are not 0; all others are 0. `wanted` is asked now and
    then whether to go on. Raises NotFollowedError for a program that has too many
    paths, and AbandonedError when the walk is not wanted any more.
    """
    walk = _Walk(flow, patched, verifier, kernel, externs)
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
        externs: Mapping[str, bool],
    ) -> None:
        self._flow = flow
        self._externs = externs
        self._patched = patched
        self._verifier = verifier
        self._kernel = kernel
        self._todo: list[tuple[_Call, Address, _WalkState]] = []
        # By function, and by its arguments.
        self._calls: dict[Address, dict[_WalkState, _Call]] = defaultdict(dict)
        # How many instructions were visited.
        self._visits = 0
        self.reached: set[Address] = set()

    def run(self, wanted: Callable[[], bool]) -> None:
        looks = 0
        while self._todo:
            self._follow(*self._todo.pop())
            if self._visits > _MOST_VISITS:
                raise NotFollowedError(
                    "not followed to its end: its programs take more than "
                    f"{_MOST_VISITS:,} steps"
                )
            if self._visits // _BETWEEN_LOOKS > looks:
                looks = self._visits // _BETWEEN_LOOKS
                if not wanted():
                    raise AbandonedError("the prediction is no longer needed")

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
        """Plan to walk on from an instruction, unless it was done with equal values."""
        if self._flow.insn(at) is None:
            return
        self.reached.add(at)
        new = call.seen[at].added(state)
        if new is not None:
            self._todo.append((call, at, new))

    def _follow(self, call: _Call, at: Address, state: _WalkState) -> None:
        """Walk on to where ways meet or part."""
        path, flow, patched = _Path(state), self._flow, self._patched
        reached, meeting = self.reached, flow.meeting
        section, index = at
        while True:
            self._visits += 1
            insn = patched.get(at) or flow.insn(at)
            if insn is None:
                return
            reached.add(at)
            if insn.code & 7 in (op.JMP, op.JMP32) and not insn.is_poison:
                if insn.code != _CALL or insn.src == op.CALL_LOCAL:
                    self._leave(call, at, insn, path)
                    return
                path.forget(0, 1, 2, 3, 4, 5)
                # A helper may write to the stack whose address it was given.
                path.stack.clear()
                index += 1
            elif insn.code & 7 in (op.JMP, op.JMP32):
                index += self._pass_poison(at, path)
            elif insn.code == op.LD_IMM64:
                self._load_immediate(at, insn, path)
                index += 2
            else:
                self._compute(insn, path)
                index += 1
            at = (section, index)
            if at in meeting:
                self._go(call, at, path.state)
                return

    def _pass_poison(self, at: Address, path: _Path) -> int:
        """Forget what an instruction that is poisoned would do; return its length."""
        original = self._flow.insn(at)
        assert original is not None
        if original.op_class in (op.ST, op.STX):
            path.stack.clear()
        elif original.dst < _REGISTERS:
            path.forget(original.dst)
        return 2 if original.code == op.LD_IMM64 else 1

    # ------------------------------------------------------------ values

    def _load_immediate(self, at: Address, insn: Insn, path: _Path) -> None:
        second = (at[0], at[1] + 1)
        high = self._patched.get(second) or self._flow.insn(second)
        callback = self._flow.callback(at)
        value: _Value = self._flow.variable(at)
        extern = self._flow.extern(at)
        if callback is not None:
            self.enter(callback)
        elif extern in self._externs:
            value = _NOT_ZERO if self._externs[extern] else None
        elif value is None and insn.src == 0 and high is not None:
            known = Verifier.TRACKS_LDIMM64 in self._verifier
            whole = (insn.imm & 0xFFFFFFFF) | (high.imm & 0xFFFFFFFF) << 32
            value = whole if known else None
        path.put(insn.dst, value)

    def _compute(self, insn: Insn, path: _Path) -> None:
        class_ = insn.code & 7
        if class_ in (op.ALU, op.ALU64):
            path.put(insn.dst, self._result(insn, path))
        elif class_ == op.LDX:
            path.put(insn.dst, self._loaded(insn, path))
        elif class_ in (op.ST, op.STX):
            self._store(insn, path)
        else:
            # LD_ABS and LD_IND call a helper.
            path.forget(0, 1, 2, 3, 4, 5)

    def _result(self, insn: Insn, path: _Path) -> _Value:
        operation = insn.code & 0xF0
        narrow = insn.code & 7 == op.ALU
        by_register = insn.code & op.X
        operand = path.get(insn.src) if by_register else insn.imm & _MASK
        if operation == op.MOV:
            # Older ones, without sign extension, leave the offset 0.
            if insn.offset or (narrow and not isinstance(operand, int)):
                return None
            # 4.4 forgets constants that a 32-bit move copies.
            if narrow and by_register and Verifier.COMPUTES not in self._verifier:
                return None
            return _narrowed(operand) if narrow else operand
        value = path.get(insn.dst)
        if Verifier.COMPUTES not in self._verifier or not isinstance(operand, int):
            return None
        if isinstance(value, MapAddress):
            if operation != op.ADD or narrow:
                return None
            return MapAddress(value.section, value.offset + _signed(operand, 64))
        compute = _ARITHMETIC.get(operation)
        if value is None or compute is None:
            return None
        if narrow:
            return _narrowed(compute(value & 0xFFFFFFFF, operand & 0xFFFFFFFF, 32))
        return compute(value, operand, 64) & _MASK

    def _loaded(self, insn: Insn, path: _Path) -> _Value:
        size = op.ACCESS_SIZE[insn.code & 0x18]
        if insn.src == _FRAME_POINTER:
            found = path.stack.get(insn.offset)
            return (
                found if size == 8 and Verifier.TRACKS_STACK in self._verifier else None
            )
        base = path.get(insn.src)
        if (
            not isinstance(base, MapAddress)
            or Verifier.READS_FROZEN_MAPS not in self._verifier
        ):
            return None
        address = MapAddress(base.section, base.offset + insn.offset)
        return self._flow.constant(address, size, self._kernel)

    def _store(self, insn: Insn, path: _Path) -> None:
        size = op.ACCESS_SIZE[insn.code & 0x18]
        if insn.dst != _FRAME_POINTER:
            # It may be the stack by another register: constants there are rare, and
            # forgetting them only makes more code count as walked.
            path.stack.clear()
            return
        path.forget_stack(insn.offset, size)
        value = insn.imm & _MASK if insn.code & 7 == op.ST else path.get(insn.src)
        plain = insn.code & 0xE0 == 0x60
        if plain and size == 8 and isinstance(value, int):
            path.stack[insn.offset] = value

    # ------------------------------------------------------------ jumps

    def _leave(self, call: _Call, at: Address, insn: Insn, path: _Path) -> None:
        following = (at[0], at[1] + 1)
        if insn.operation == op.EXIT:
            self._return(call, path.registers[0])
        elif insn.operation == op.CALL:
            self._enter_from(call, at, insn, path)
        else:
            target = (at[0], at[1] + 1 + (insn.jump or 0))
            taken = insn.operation == op.JA or self._decided(insn, path)
            if taken is not False:
                self._go(call, target, self._learned(insn, path, op.JEQ))
            if taken is not True:
                self._go(call, following, self._learned(insn, path, op.JNE))

    def _learned(self, insn: Insn, path: _Path, by: int) -> _WalkState:
        """Return what is known where `by` says that the operands are equal."""
        plain = insn.op_class == op.JMP and not insn.code & op.X
        if insn.operation != by or not plain or path.get(insn.dst) is not None:
            return path.state
        learnt = _Path(path.state)
        learnt.put(insn.dst, insn.imm & _MASK)
        return learnt.state

    def _decided(self, insn: Insn, path: _Path) -> bool | None:
        """Tell whether a branch is taken, or None when the verifier walks both ways."""
        verifier = self._verifier
        by_register = bool(insn.code & op.X)
        if by_register and Verifier.COMPARES_REGISTERS not in verifier:
            return None
        value = path.get(insn.dst)
        operand = path.get(insn.src) if by_register else insn.imm & _MASK
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

    def _enter_from(self, call: _Call, at: Address, insn: Insn, path: _Path) -> None:
        following = (at[0], at[1] + 1)
        target = self._flow.call_target(at, insn)
        alone = Verifier.VERIFIES_GLOBALS_ALONE in self._verifier
        saved = tuple(path.registers[6:10])
        if alone and target in self._flow.global_functions:
            self.enter(target)
            self._go(call, following, _Caller(call, following, saved).resumed(None))
            return
        arguments = (None, *path.registers[1:6], *(None,) * 5)
        called = self.enter(target, _WalkState(arguments, _NOTHING))
        caller = _Caller(call, following, saved)
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
