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
postorder, and those of callers first, because that gets there soonest.

A pointer of no `Interest`, such as a map's value, is UNTYPED until a relocation says
what it points to. Numbers on the stack are not followed: hardly any is an offset.
"""

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property

from runner.bpf import insn as op
from runner.bpf.insn import Insn
from runner.bpf.object import BpfObject
from runner.preflight.flowblocks import (
    CALL,
    FRAME_POINTER,
    Block,
    References,
    Step,
    StepAction,
    blocks_of,
)
from runner.preflight.flowstate import FlowState
from runner.preflight.references import Address, Flow
from runner.preflight.returned import DECIDING, GIVEN, plain
from runner.preflight.values import (
    MANY,
    POINTER,
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
    result,
    sums,
    without_numbers,
)

# Visits of instructions, after which an object is given up: a few tenths of a second.
# Counted and not timed, so that every machine predicts the same.
MOST_VISITS = 80_000

# What a call leaves in the registers of its arguments.
_CLOBBERED = [UNKNOWN] * 5
# Names that are looked for soonest, for the most frequent ones.
_FORGET, _MOVE, _SET = StepAction.FORGET, StepAction.MOVE, StepAction.SET
_LOAD, _ADD, _STORE = StepAction.LOAD, StepAction.ADD, StepAction.STORE
# The modes of loads and stores: BPF_MEM, BPF_MEMSX, BPF_ATOMIC.
_MODE, _MEM, _ATOMIC = 0xE0, 0x60, 0xC0
_FETCH, _CMPXCHG = 0x01, 0xF1

# bpf_probe_read(), _user and _kernel: copy `r2` bytes from `r3` to `r1`.
COPIES = frozenset({4, 112, 113})
_FROM_USERS = 112
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


@dataclass(frozen=True, kw_only=True)
class Interest:
    """Which values are worth following; nobody asks for what the others are."""

    # The programs whose contexts are; None for all.
    contexts: Collection[Address] | None = None
    # The helpers whose results are; None for all.
    helpers: Collection[int] | None = None
    # What takes the address of a map or variable that holds the kernel's pointers.
    holders: Collection[Address] = frozenset()


def followed(
    item: BpfObject,
    flow: Flow,
    worklist: "Worklist | None" = None,
    interest: Interest | None = None,
) -> Dataflow:
    """Follow the values of an object's programs that are loaded.

    `worklist` decides which block is followed next.
    Raises ObjectError for a damaged object.
    """
    walk = _FlowWalk(item, flow, worklist or Worklist(), interest or Interest())
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
    def __init__(
        self, item: BpfObject, flow: Flow, todo: Worklist, interest: Interest
    ) -> None:
        self._code = item.code
        self._flow = flow
        self._interest = interest
        self._externs = {
            it.address: it.symbol.name
            for it in item.references
            if not it.symbol.section
        }
        self._refers = References(
            relocated=frozenset(it.address for it in item.relocations),
            is_reference=flow.is_reference,
            is_callback=lambda at: flow.callback(at) is not None,
            externs=self._externs,
            holders=interest.holders,
        )
        self._functions = {(it.section_index, it.start): it for it in item.functions}
        self._blocks: dict[Address, Block] = {}
        # Where each block stands in the order: its function, and its place in there.
        # Those of what is called come last, when most of its callers are known.
        self._ranks: dict[Address, tuple[int, int]] = {}
        # The frame pointers of functions whose blocks are known.
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
            context = POINTER
            if interest.contexts is None or entry in interest.contexts:
                origin = ValueOrigin(OriginKind.CONTEXT, entry)
                context = frozenset({Value(origin, 0)})
            self._enter(entry, [context, *[UNKNOWN] * 4])

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
            self._read_blocks(function, len(self._frames))
        frame_ = self._frames[function]
        registers = [UNKNOWN, *arguments, *[UNKNOWN] * 4, frame_]
        self._reach(function, function, FlowState(registers))

    def _read_blocks(self, function: Address, rank: int) -> None:
        section, start = function
        code = self._code.get(section, ())
        known = self._functions.get(function)
        end = start + known.size if known and known.size else len(code)
        blocks = blocks_of(section, code, start, min(end, len(code)), self._refers)
        for place, (leader, block) in enumerate(blocks.items()):
            if leader not in self._blocks:
                self._blocks[leader] = block
                self._ranks[leader] = rank, place

    def _reach(self, leader: Address, function: Address, state: FlowState) -> None:
        if leader not in self._blocks:
            # Only damaged code leaves its function otherwise than by an exit.
            return
        known = self._states.get(leader)
        if known is None:
            self._states[leader], self._within[leader] = state.copy(), function
        elif not known.join(state):
            return
        self._plan(leader)

    def _plan(self, leader: Address) -> None:
        self._todo.add(self._ranks[leader], leader)

    def _follow(self, leader: Address) -> int:
        """Follow a block to its end; return how many instructions it has."""
        block = self._blocks[leader]
        function, state = self._within[leader], self._states[leader].copy()
        self._found = self._uses[leader] = []
        registers = state.registers
        for step in block.steps:
            action, _, insn, operand = step
            # The most frequent ones first, and without a call.
            if action is _FORGET:
                registers[insn.dst] = UNKNOWN
            elif action is _MOVE:
                registers[insn.dst] = registers[insn.src]
            elif action is _SET:
                registers[insn.dst] = operand
            elif action is _LOAD:
                loaded = self._loaded(step, state, function)
                if insn.dst < FRAME_POINTER:
                    registers[insn.dst] = loaded
            elif action is _ADD:
                if operand is UNKNOWN:
                    operand = registers[insn.src]
                known, minus = registers[insn.dst], insn.operation == op.SUB
                if known is not UNKNOWN or operand is not UNKNOWN:
                    registers[insn.dst] = sums(known, operand, minus=minus)
            elif action is _STORE:
                self._store(step, state, function)
            else:
                self._change(step, state, function)
        self._leave(leader, block, state)
        return block.size

    def _change(self, step: Step, state: FlowState, function: Address) -> None:
        action, at, insn, _ = step
        registers = state.registers
        if action is StepAction.CALL:
            self._call(at, insn, state, function)
        elif action is StepAction.MOVE_HALF:
            registers[insn.dst] = only_numbers(registers[insn.src], 0xFFFFFFFF)
        elif action is StepAction.SCRATCH:
            registers[:6] = [UNKNOWN] * 6
        elif action is StepAction.CALLBACK:
            callback = self._flow.callback(at)
            assert callback is not None
            self._enter(callback, [UNKNOWN] * 5)
            if insn.dst < FRAME_POINTER:
                origin = ValueOrigin(OriginKind.FUNCTION, callback)
                registers[insn.dst] = frozenset({Value(origin, 0)})

    def _leave(self, leader: Address, block: Block, state: FlowState) -> None:
        function = self._within[leader]
        if block.last is not None:
            at, insn = block.last
            if insn.code == CALL:
                self._call_local(leader, at, insn, state)
                return
            if insn.operation == op.EXIT:
                self._return(function, state.registers[0])
        for way in block.ways:
            self._reach(way, function, state)

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
        state.registers[:6] = [returned, *_CLOBBERED]
        self._reach((at[0], at[1] + 1), function, state)

    def _return(self, function: Address, values: Values) -> None:
        known = self._returned.get(function)
        both = values if known is None else joined(known, values)
        if both != known:
            self._returned[function] = both
            for caller in self._callers.get(function, ()):
                self._plan(caller)

    # ------------------------------------------------------------ values

    def _relocation(self, at: Address) -> tuple[Address, ...]:
        return (at,) if at in self._refers.relocated else ()

    def _loaded(self, step: Step, state: FlowState, function: Address) -> Values:
        _, at, insn, _ = step
        size = op.ACCESS_SIZE[insn.code & 0x18]
        if insn.src == FRAME_POINTER:
            return state.load(insn.offset, size)
        pointers = state.registers[insn.src]
        if pointers is UNKNOWN:
            return UNKNOWN
        relocation = self._relocation(at)
        if pointers is POINTER and not relocation:
            return POINTER
        found: set[Value | None] = set()
        for pointer in in_order(pointers):
            if pointer.origin is None:
                found.add(None)
                continue
            if pointer.origin.kind is not OriginKind.FRAME:
                address = pointer.moved(insn.offset, relocation)
                if not address.is_untyped:
                    self._found.append(Use(UseKind.READ, at, address, size))
                found.add(read(at, address, size))
            elif pointer.origin.at != function:
                found.add(None)
            else:
                values = state.load(pointer.offset + insn.offset, size)
                if len(pointers) == 1 or not values:
                    return values
                found |= values
        if None in pointers:
            found.add(None)
        return bounded(frozenset(found))

    def _store(self, step: Step, state: FlowState, function: Address) -> None:
        _, at, insn, values = step
        size = op.ACCESS_SIZE[insn.code & 0x18]
        mode = insn.code & _MODE
        pointers = state.registers[insn.dst]
        if pointers is POINTER and mode == _MEM and at not in self._refers.relocated:
            return
        if insn.code & 7 == op.STX and mode == _MEM:
            values = state.registers[insn.src]
        # Compilers keep no numbers there that they know themselves.
        values = without_numbers(values)
        if not pointers:
            state.store_anywhere(values)
        for pointer in in_order(pointers) if pointers is not UNKNOWN else ():
            if pointer.origin is None:
                continue
            if pointer.origin.kind is not OriginKind.FRAME:
                address = pointer.moved(insn.offset, self._relocation(at))
                if not address.is_untyped:
                    self._found.append(Use(UseKind.WRITE, at, address, size))
            elif pointer.origin.at == function:
                sure = len(pointers) == 1
                state.store(pointer.offset + insn.offset, size, values, sure=sure)
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
        if helper in GIVEN:
            self._call_back(helper, arguments)
        registers[:6] = [self._result(at, helper, kfunc, arguments), *_CLOBBERED]

    def _result(
        self, at: Address, helper: int, kfunc: str, arguments: Sequence[Values]
    ) -> Values:
        """Return what a helper or kfunc returns."""
        name = plain(kfunc)
        deciding = DECIDING.get(name or helper)
        if deciding is not None:
            values = arguments[deciding]
            made = {result(at, helper, name, it) for it in values}
            return bounded(frozenset(made)) if made else MANY
        helpers = self._interest.helpers
        if name or helpers is None or helper in helpers:
            origin = ValueOrigin(OriginKind.CALL, at, helper, name)
            return frozenset({Value(origin, 0)})
        return POINTER

    def _call_back(self, helper: int, arguments: Sequence[Values]) -> None:
        """Enter the functions that a helper calls, with what it gives them."""
        place, structs = GIVEN[helper]
        for it in in_order(arguments[place]):
            if it.origin and it.origin.kind is OriginKind.FUNCTION:
                start = it.origin.at
                given = [
                    frozenset({Value(origin, 0)})
                    for origin in (
                        ValueOrigin(OriginKind.GIVEN, start, helper, struct)
                        for struct in structs
                    )
                ]
                self._enter(start, [*given, *[UNKNOWN] * (5 - len(given))])

    def _note_arguments(
        self, at: Address, helper: int, kfunc: str, arguments: Sequence[Values]
    ) -> None:
        copies = helper in COPIES or helper in STRING_COPIES
        size = number(arguments[1]) if copies else None
        for place, values in enumerate(arguments):
            if values is UNKNOWN or values is POINTER:
                continue
            is_source = copies and place == 2
            kind = UseKind.COPIED if is_source else UseKind.PASSED
            for value in in_order(filter(is_elsewhere, values)):
                length = size or 0 if is_source else 0
                self._found.append(Use(kind, at, value, length, helper, kfunc, place))

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
                # What users' memory holds points there, too.
                values = POINTER
                if helper != _FROM_USERS and sources is not POINTER:
                    values = frozenset(
                        read(at, it, size) if it and it.origin else None
                        for it in sources
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


def _sizes(lengths: Values) -> list[int]:
    """Return the numbers among values."""
    return [it.offset for it in lengths if it is not None and it.origin is None]
