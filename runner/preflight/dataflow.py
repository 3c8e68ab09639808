"""Where the values in an object's registers and on its stack come from.

A value is a number, or stands some bytes behind an origin: the context of a program,
what a helper or kfunc returned, what was read from memory, or a function's stack. It is
followed through moves, sums, spills, copies by bpf_probe_read(), and calls of other
functions of the object.

One pass serves all kernels. It takes every branch, also those that a kernel's verifier
never does: `Value.needs` lists the instructions that must be reached for a value to
exist. Offsets stand as in the object: `offset_on` adds what relocation makes of them.

A function is followed once for all of its callers. What a place may hold only grows
while blocks are followed, up to MANY, and what an instruction makes of more is never
less. So there is one end, whichever block is taken first; blocks are taken in reverse
postorder because that gets there soonest.
"""

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property

from runner.bpf import insn as op
from runner.bpf.insn import Insn
from runner.bpf.object import BpfObject
from runner.preflight.flowstate import FlowState
from runner.preflight.references import Address, Flow
from runner.preflight.values import (
    MANY,
    UNKNOWN,
    OriginKind,
    Value,
    ValueOrigin,
    Values,
    bounded,
    in_order,
    is_elsewhere,
    joined,
    number,
    only_numbers,
    read,
    sums,
)

# Visits of instructions, after which an object is given up: a few tenths of a second.
# Counted and not timed, so that every machine predicts the same.
MOST_VISITS = 80_000

_CALL = op.JMP | op.CALL
_FRAME_POINTER = 10
# The rank of what lies outside of the function that jumps there.
_LAST = (0, 0)
# The modes of loads and stores: BPF_MEM, BPF_MEMSX, BPF_ATOMIC.
_MODE, _MEM, _ATOMIC = 0xE0, 0x60, 0xC0
_FETCH, _CMPXCHG = 0x01, 0xF1

# bpf_probe_read(), _user and _kernel: copy `r2` bytes from `r3` to `r1`.
COPIES = frozenset({4, 112, 113})
# The same of strings.
STRING_COPIES = frozenset({45, 114, 115})
# Helpers that only read what their arguments point to: bpf_map_lookup_elem() and the
# like, bpf_trace_printk(), and what outputs records.
_ONLY_READ = frozenset({1, 2, 3, 6, 25, 87, 130, 156, 195})


class UseKind(Enum):
    """What is done with a value."""

    # An instruction reads or writes the memory that it points to.
    READ = auto()
    WRITE = auto()
    # A helper copies the memory that it points to.
    COPIED = auto()
    # It is an argument of a helper or kfunc.
    PASSED = auto()


@dataclass(frozen=True, slots=True)
class Use:
    """An instruction that does something with a value."""

    kind: UseKind
    at: Address
    # The address that is read or copied, or the argument.
    value: Value
    # Bytes; 0 where that is not known.
    size: int = 0
    # The helper or kfunc that gets it, and as which argument, from 0 on.
    helper: int = 0
    kfunc: str = ""
    argument: int = 0


@dataclass(frozen=True, kw_only=True)
class Dataflow:
    """All that is done with values of a known origin, in the order of instructions."""

    uses: tuple[Use, ...]
    # The function where it was given up, if it was. Then there are no uses.
    given_up: Address | None = None

    def on(self, reached: Collection[Address]) -> Iterator[Use]:
        """Yield the uses on a kernel whose verifier reaches these instructions."""
        there = frozenset(reached)
        for use, needed in self._needed:
            if needed <= there:
                yield use

    @cached_property
    def _needed(self) -> list[tuple[Use, frozenset[Address]]]:
        # Shared by all kernels, and by all uses of a value.
        needs: dict[Value, frozenset[Address]] = {}
        found = []
        for use in self.uses:
            value = use.value
            if value not in needs:
                needs[value] = value.needs
            found.append((use, needs[value] | {use.at}))
        return found


def offset_on(value: Value, flow: Flow, changed: Mapping[Address, Insn]) -> int | None:
    """Return a value's offset on a kernel, by the instructions that relocation changed.

    None where one of them is poisoned.
    """
    offset = value.offset
    for at in value.relocations:
        before, after = flow.insn(at), changed.get(at)
        if before is None or after is None:
            continue
        if after.is_poison:
            return None
        offset += (after.constant or 0) - (before.constant or 0)
    return offset


def followed(
    item: BpfObject, flow: Flow, worklist: "Worklist | None" = None
) -> Dataflow:
    """Follow the values of an object's programs that are loaded.

    `worklist` decides which block is followed next.
    Raises ObjectError for a damaged object.
    """
    walk = _FlowWalk(item, flow, worklist or Worklist())
    given_up = walk.run()
    if given_up is not None:
        return Dataflow(uses=(), given_up=given_up)
    return Dataflow(uses=tuple(walk.uses()))


class Worklist:
    """The blocks that are to be followed, the first in reverse postorder first."""

    def __init__(self) -> None:
        """Begin with none."""
        self._heap: list[tuple[int, int, Address]] = []
        self._waiting: set[Address] = set()

    def __bool__(self) -> bool:
        return bool(self._heap)

    def add(self, rank: tuple[int, int], leader: Address) -> None:
        """Plan to follow a block, once however often that is said."""
        if leader not in self._waiting:
            self._waiting.add(leader)
            heapq.heappush(self._heap, (*rank, leader))

    def pop(self) -> Address:
        """Return the next block."""
        leader = heapq.heappop(self._heap)[2]
        self._waiting.discard(leader)
        return leader


class _FlowWalk:
    def __init__(self, item: BpfObject, flow: Flow, todo: Worklist) -> None:
        self._code = item.code
        self._flow = flow
        self._relocated = {it.address for it in item.relocations}
        self._externs = {
            it.address: it.symbol.name
            for it in item.references
            if not it.symbol.section
        }
        self._functions = {(it.section_index, it.start): it for it in item.functions}
        # Where each block stands in the order: its function, and its place in there.
        # Those of what is called come first, for they say what is returned.
        self._ranks: dict[Address, tuple[int, int]] = {}
        # The frame pointers of functions whose jumps are known.
        self._frames: dict[Address, Values] = {}
        self._states: dict[Address, FlowState] = {}
        # The function that a leader belongs to.
        self._within: dict[Address, Address] = {}
        self._todo = todo
        self._returned: dict[Address, Values] = {}
        # By function, the leaders of the blocks that call it.
        self._callers: dict[Address, dict[Address, None]] = {}
        # By block, what it does with values: what was found when it was last followed.
        self._uses: dict[Address, list[Use]] = {}
        # Those of the block that is being followed.
        self._found: list[Use] = []
        for entry in flow.entries:
            context = Value(ValueOrigin(OriginKind.CONTEXT, entry), 0)
            self._enter(entry, [frozenset({context}), *[UNKNOWN] * 4])

    def run(self) -> Address | None:
        """Follow all; return the function where it was when that takes too long."""
        visits = 0
        while self._todo:
            leader = self._todo.pop()
            visits += self._follow(leader)
            if visits > MOST_VISITS:
                return self._within[leader]
        return None

    def uses(self) -> Iterator[Use]:
        """Yield what is done with values, once all are known."""
        for leader in sorted(self._uses):
            yield from self._uses[leader]

    # ------------------------------------------------------------ the way

    def _enter(self, function: Address, arguments: Sequence[Values]) -> None:
        if function not in self._frames:
            frame = Value(ValueOrigin(OriginKind.FRAME, function), 0)
            self._frames[function] = frozenset({frame})
            number_ = -len(self._frames)
            for place, leader in enumerate(self._reverse_postorder(function)):
                self._ranks.setdefault(leader, (number_, place))
        frame_ = self._frames[function]
        registers = [UNKNOWN, *arguments, *[UNKNOWN] * 4, frame_]
        self._reach(function, function, FlowState(registers))

    def _reverse_postorder(self, function: Address) -> list[Address]:
        """Return the leaders of a function's blocks in the order of their control flow.

        Ahead of what nothing in the function leads to.
        """
        section, start = function
        following = self._following(function)
        done: dict[int, None] = {}
        entered = {start}
        stack = [(start, iter(following.get(start, ())))]
        while stack:
            block, rest = stack[-1]
            step = next((it for it in rest if it not in entered), None)
            if step is None:
                stack.pop()
                done[block] = None
            else:
                entered.add(step)
                stack.append((step, iter(following.get(step, ()))))
        order = [*reversed(done), *(it for it in following if it not in done)]
        return [(section, it) for it in order]

    def _following(self, function: Address) -> dict[int, list[int]]:
        """Return the leaders that each block of a function may lead to."""
        section, start = function
        code = self._code.get(section, ())
        known = self._functions.get(function)
        end = min(start + known.size, len(code)) if known else len(code)
        leaders = {start}
        ways: dict[int, tuple[int, ...]] = {}
        for index in range(start, end):
            insn = code[index]
            if insn.code & 7 in (op.JMP, op.JMP32):
                way = _ways(index, insn)
                if way is not None:
                    ways[index] = way
                    leaders.update(way)
        found: dict[int, list[int]] = {}
        at = start
        for index in range(start, end):
            if index in leaders:
                if index != start and index - 1 not in ways:
                    found[at].append(index)
                at = index
                found[at] = []
            # The far side first, so that what follows comes first in reverse.
            found[at] += reversed(ways.get(index, ()))
        for leader in sorted(leaders):
            found.setdefault(leader, [])
        return found

    def _reach(self, leader: Address, function: Address, state: FlowState) -> None:
        known = self._states.get(leader)
        if known is None:
            self._states[leader], self._within[leader] = state.copy(), function
        elif not known.join(state):
            return
        self._plan(leader)

    def _plan(self, leader: Address) -> None:
        self._todo.add(self._ranks.get(leader, _LAST), leader)

    def _follow(self, leader: Address) -> int:
        """Follow a block to its end; return how many instructions it has."""
        section, begin = leader
        code = self._code.get(section, ())
        function, state = self._within[leader], self._states[leader].copy()
        self._found = self._uses[leader] = []
        index = begin
        while 0 <= index < len(code):
            at, insn = (section, index), code[index]
            if index != begin and at in self._ranks:
                self._reach(at, function, state)
                break
            following = index + (2 if insn.code == op.LD_IMM64 else 1)
            if insn.code & 7 not in (op.JMP, op.JMP32):
                self._compute(at, insn, state, function)
            elif insn.code == _CALL and insn.src != op.CALL_LOCAL:
                self._call(at, insn, state, function)
            else:
                self._leave(leader, at, insn, state)
                break
            index = following
        return index - begin + 1

    def _leave(
        self, leader: Address, at: Address, insn: Insn, state: FlowState
    ) -> None:
        function = self._within[leader]
        section, index = at
        if insn.code == _CALL:
            self._call_local(leader, at, insn, state)
            return
        for way in _ways(index, insn) or ():
            self._reach((section, way), function, state)
        if insn.operation == op.EXIT:
            self._return(function, state.registers[0])

    def _call_local(
        self, leader: Address, at: Address, insn: Insn, state: FlowState
    ) -> None:
        target = self._flow.call_target(at, insn)
        function = self._within[leader]
        self._callers.setdefault(target, {})[leader] = None
        self._enter(target, state.registers[1:6])
        returned = self._returned.get(target)
        if returned is None:
            return
        self._doubt(state, function, state.registers[1:6])
        state.registers[:6] = [returned, *[UNKNOWN] * 5]
        self._reach((at[0], at[1] + 1), function, state)

    def _return(self, function: Address, values: Values) -> None:
        known = self._returned.get(function)
        both = values if known is None else joined(known, values)
        if both != known:
            self._returned[function] = both
            for caller in self._callers.get(function, ()):
                self._plan(caller)

    # ------------------------------------------------------------ values

    def _compute(
        self, at: Address, insn: Insn, state: FlowState, function: Address
    ) -> None:
        registers = state.registers
        class_ = insn.code & 7
        if class_ in (op.ALU, op.ALU64):
            if insn.dst < _FRAME_POINTER:
                registers[insn.dst] = self._result(at, insn, state)
        elif class_ == op.LDX:
            loaded = self._loaded(at, insn, state, function)
            if insn.dst < _FRAME_POINTER:
                registers[insn.dst] = loaded
        elif class_ in (op.ST, op.STX):
            self._store(at, insn, state, function)
        elif insn.code == op.LD_IMM64:
            self._load_immediate(at, insn, state)
        elif insn.code:
            # LD_ABS and LD_IND call a helper.
            registers[:6] = [UNKNOWN] * 6

    def _relocation(self, at: Address) -> tuple[Address, ...]:
        return (at,) if at in self._relocated else ()

    def _load_immediate(self, at: Address, insn: Insn, state: FlowState) -> None:
        values = UNKNOWN
        callback = self._flow.callback(at)
        if callback is not None:
            self._enter(callback, [UNKNOWN] * 5)
        elif not insn.src and not self._flow.is_reference(at):
            second = self._flow.insn((at[0], at[1] + 1))
            high = second.imm if second else 0
            whole = (insn.imm & 0xFFFFFFFF) | (high & 0xFFFFFFFF) << 32
            values = frozenset({Value(None, whole, self._relocation(at))})
        state.registers[insn.dst] = values

    def _result(self, at: Address, insn: Insn, state: FlowState) -> Values:
        wide = insn.code & 7 == op.ALU64
        operation = insn.code & 0xF0
        is_move = operation == op.MOV and not insn.offset
        if not is_move and (operation not in (op.ADD, op.SUB) or not wide):
            return UNKNOWN
        if insn.code & op.X:
            operand = state.registers[insn.src]
        else:
            operand = frozenset({Value(None, insn.imm, self._relocation(at))})
        if is_move:
            return operand if wide else only_numbers(operand, 0xFFFFFFFF)
        known = state.registers[insn.dst]
        return sums(known, operand, minus=operation == op.SUB)

    def _loaded(
        self, at: Address, insn: Insn, state: FlowState, function: Address
    ) -> Values:
        size = op.ACCESS_SIZE[insn.code & 0x18]
        relocation = self._relocation(at)
        pointers = state.registers[insn.src]
        found: set[Value | None] = set()
        if None in pointers:
            found.add(None)
        for pointer in in_order(pointers):
            if pointer.origin is None:
                found.add(None)
                continue
            address = pointer.moved(insn.offset, relocation)
            if pointer.origin.kind is not OriginKind.FRAME:
                self._found.append(Use(UseKind.READ, at, address, size))
                found.add(read(at, address, size))
            elif pointer.origin.at != function:
                found.add(None)
            else:
                values = state.load(address.offset, size)
                if len(pointers) == 1 or not values:
                    return values
                found |= values
        return bounded(frozenset(found))

    def _store(
        self, at: Address, insn: Insn, state: FlowState, function: Address
    ) -> None:
        size = op.ACCESS_SIZE[insn.code & 0x18]
        mode = insn.code & _MODE
        pointers = state.registers[insn.dst]
        if insn.code & 7 == op.ST:
            values: Values = frozenset({Value(None, insn.imm, ())})
        else:
            values = state.registers[insn.src] if mode == _MEM else UNKNOWN
        if not pointers:
            state.store_anywhere(values)
        for pointer in in_order(pointers):
            if pointer.origin is None:
                continue
            address = pointer.moved(insn.offset, self._relocation(at))
            if pointer.origin.kind is not OriginKind.FRAME:
                self._found.append(Use(UseKind.WRITE, at, address, size))
            elif pointer.origin.at == function:
                state.store(address.offset, size, values, sure=len(pointers) == 1)
        if mode == _ATOMIC and insn.imm == _CMPXCHG:
            state.registers[0] = UNKNOWN
        elif mode == _ATOMIC and insn.imm & _FETCH:
            state.registers[insn.src] = UNKNOWN

    # ------------------------------------------------------------- calls

    def _call(
        self, at: Address, insn: Insn, state: FlowState, function: Address
    ) -> None:
        registers = state.registers
        kfunc = self._externs.get(at, "")
        helper = insn.imm if insn.src == op.CALL_HELPER and not kfunc else 0
        arguments = registers[1:6]
        self._note_arguments(at, helper, kfunc, arguments)
        if helper in COPIES or helper in STRING_COPIES:
            self._copy(at, helper, state, function)
        elif helper not in _ONLY_READ:
            self._doubt(state, function, arguments)
        result = Value(ValueOrigin(OriginKind.CALL, at, helper=helper, kfunc=kfunc), 0)
        registers[:6] = [frozenset({result}), *[UNKNOWN] * 5]

    def _note_arguments(
        self, at: Address, helper: int, kfunc: str, arguments: Sequence[Values]
    ) -> None:
        copies = helper in COPIES or helper in STRING_COPIES
        size = number(arguments[1]) if copies else None
        for place, values in enumerate(arguments):
            if values is UNKNOWN:
                continue
            is_source = copies and place == 2
            kind = UseKind.COPIED if is_source else UseKind.PASSED
            for value in in_order(values):
                if is_elsewhere(value):
                    length = size or 0 if is_source else 0
                    self._found.append(
                        Use(kind, at, value, length, helper, kfunc, place)
                    )

    def _copy(
        self, at: Address, helper: int, state: FlowState, function: Address
    ) -> None:
        to, lengths, sources = state.registers[1:4]
        sizes = _sizes(lengths) if helper in COPIES else []
        starts = self._own(to, function)
        if not to or (starts and not lengths):
            # Of any length, or to anywhere.
            state.store_anywhere(MANY)
            return
        sure = len(to) == 1 and len(lengths) == 1
        for start in starts:
            if len(sizes) != len(lengths):
                state.doubt(start)
            for size in sizes:
                values = frozenset(
                    read(at, it, size) if it and it.origin else None for it in sources
                )
                state.store(start, size, values, sure=sure)

    def _own(self, values: Values, function: Address) -> list[int]:
        """Return the bytes from a function's frame pointer that values may point to."""
        return [
            it.offset
            for it in values
            if it
            and it.origin
            and it.origin.kind is OriginKind.FRAME
            and it.origin.at == function
        ]

    def _doubt(
        self, state: FlowState, function: Address, arguments: Sequence[Values]
    ) -> None:
        """Say that a function may write to what it was given of the own stack."""
        if MANY in arguments:
            state.doubt(None)
            return
        starts = [
            offset
            for values in arguments
            if values is not UNKNOWN
            for offset in self._own(values, function)
        ]
        if starts:
            state.doubt(min(starts))


def _ways(index: int, insn: Insn) -> tuple[int, ...] | None:
    """Return where a jump, an exit or a call in the object may lead to in its function.

    None for what ends no block.
    """
    if insn.code == _CALL:
        return (index + 1,) if insn.src == op.CALL_LOCAL else None
    if insn.operation == op.EXIT:
        return ()
    target = index + 1 + (insn.jump or 0)
    return (target,) if insn.operation == op.JA else (target, index + 1)


def _sizes(lengths: Values) -> list[int]:
    """Return the numbers among values."""
    return [it.offset for it in lengths if it is not None and it.origin is None]
