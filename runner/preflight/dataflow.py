"""Where the values in an object's registers and on its stack come from.

A value is a number, or stands some bytes behind an origin: the context of a program,
what a helper or kfunc returned, what was read from memory, or a function's stack. It is
followed through moves, sums, spills, copies by bpf_probe_read(), and calls of other
functions of the object.

One pass serves all kernels. It takes every branch, also those that a kernel's verifier
never does: `Value.needs` lists the instructions that must be reached for a value to
exist. Offsets stand as in the object: `offset_on` adds what relocation makes of them.

A function is followed once for all of its callers.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from runner.bpf import insn as op
from runner.bpf.insn import Insn
from runner.bpf.object import BpfObject
from runner.preflight.references import Address, Flow

# Values that a register or slot may have before it counts as unknown.
_MOST_VALUES = 8
# Reads behind each other that are told apart: a->b->c->d.
_DEEPEST = 6
# Visits of instructions, after which an object is given up: a few tenths of a second.
# Counted and not timed, so that every machine predicts the same.
_MOST_VISITS = 120_000

_CALL = op.JMP | op.CALL
_REGISTERS = 11
_FRAME_POINTER = 10
_MASK = (1 << 64) - 1
# The modes of loads and stores: BPF_MEM, BPF_MEMSX, BPF_ATOMIC.
_MODE, _MEM, _MEMSX, _ATOMIC = 0xE0, 0x60, 0x80, 0xC0
_FETCH, _CMPXCHG = 0x01, 0xF1

# bpf_probe_read(), _user and _kernel: copy `r2` bytes from `r3` to `r1`.
COPIES = frozenset({4, 112, 113})
# The same of strings.
STRING_COPIES = frozenset({45, 114, 115})
# Helpers that only read what their arguments point to: bpf_map_lookup_elem() and the
# like, bpf_trace_printk(), and what outputs records.
_ONLY_READ = frozenset({1, 2, 3, 6, 25, 87, 130, 156, 195})


class OriginKind(Enum):
    """What a value comes from."""

    # The first argument of a program.
    CONTEXT = auto()
    # What a helper or kfunc returned.
    CALL = auto()
    # What was read from memory: by an instruction, or by a helper that copies.
    LOADED = auto()
    # The frame pointer of a function.
    FRAME = auto()


@dataclass(frozen=True, slots=True)
class ValueOrigin:
    """Where a value comes from."""

    kind: OriginKind
    # The instruction that made it; of contexts and frames the function's first.
    at: Address
    # The number of the helper, or the name of the kfunc.
    helper: int = 0
    kfunc: str = ""
    # The address that was read; None where that is not known.
    base: "Value | None" = None
    # Bytes that were read; 0 where that is not known.
    size: int = 0


@dataclass(frozen=True, slots=True)
class Value:
    """What a register or a slot of the stack may hold."""

    # None for a number.
    origin: ValueOrigin | None
    # Bytes from the origin, or the number, as the object has it.
    offset: int
    # The instructions with CO-RE relocations that `offset` was made of.
    relocations: tuple[Address, ...] = ()

    @property
    def root(self) -> ValueOrigin | None:
        """Return the origin that all that was read on the way leads back to."""
        origin = self.origin
        while origin and origin.base and origin.base.origin:
            origin = origin.base.origin
        return origin

    @property
    def needs(self) -> frozenset[Address]:
        """Return the instructions without which it does not exist."""
        found = set(self.relocations)
        value: Value | None = self
        while value and value.origin:
            found.add(value.origin.at)
            value = value.origin.base
            found.update(value.relocations if value else ())
        return frozenset(found)

    def moved(self, by: int, relocations: tuple[Address, ...] = ()) -> "Value":
        """Return it some bytes further on."""
        if not by and not relocations:
            return self
        both = self.relocations
        if relocations:
            both = tuple(dict.fromkeys((*both, *relocations)))
        return Value(self.origin, self.offset + by, both)


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
    # Whether all of the code was followed; if not, there are no uses.
    is_whole: bool = True

    def on(self, reached: Collection[Address]) -> Iterator[Use]:
        """Yield the uses on a kernel whose verifier reaches these instructions."""
        for use in self.uses:
            if use.at in reached and all(it in reached for it in use.value.needs):
                yield use


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


def followed(item: BpfObject, flow: Flow) -> Dataflow:
    """Follow the values of an object's programs that are loaded.

    Raises ObjectError for a damaged object.
    """
    walk = _FlowWalk(item, flow)
    if not walk.run():
        return Dataflow(uses=(), is_whole=False)
    found = dict.fromkeys(walk.uses())
    return Dataflow(uses=tuple(sorted(found, key=lambda it: it.at)))


# None is any value that nobody knows.
_Values = frozenset[Value | None]
_UNKNOWN: _Values = frozenset({None})


def _joined(a: _Values, b: _Values) -> _Values:
    if a is b or b <= a:
        return a
    both = a | b
    return both if len(both) <= _MOST_VALUES else _UNKNOWN


class _State:
    """What registers and the slots of a function's own stack may hold."""

    __slots__ = ("registers", "slots")

    def __init__(
        self, registers: list[_Values], slots: dict[int, tuple[int, _Values]]
    ) -> None:
        self.registers = registers
        # By the bytes from the frame pointer: how long they are, and what they hold.
        self.slots = slots

    def copy(self) -> "_State":
        return _State(self.registers.copy(), self.slots.copy())

    def join(self, other: "_State") -> bool:
        """Take in another; tell whether that changed anything."""
        changed = False
        for number, values in enumerate(other.registers):
            joined = _joined(self.registers[number], values)
            if joined != self.registers[number]:
                self.registers[number], changed = joined, True
        for offset, (size, values) in self.slots.items():
            theirs = other.slots.get(offset)
            more = theirs[1] if theirs and theirs[0] == size else _UNKNOWN
            joined = _joined(values, more)
            if joined != values:
                self.slots[offset], changed = (size, joined), True
        return changed

    def forget(self, offset: int, size: int) -> None:
        """Drop the slots that some bytes overlap."""
        for start in [
            it
            for it, (length, _) in self.slots.items()
            if it < offset + size and offset < it + length
        ]:
            del self.slots[start]

    def doubt(self, offset: int) -> None:
        """Say that slots from an offset on may hold something else by now."""
        for start, (size, values) in self.slots.items():
            if start >= offset:
                self.slots[start] = size, _joined(values, _UNKNOWN)


class _FlowWalk:
    def __init__(self, item: BpfObject, flow: Flow) -> None:
        self._code = item.code
        self._flow = flow
        self._relocated = {it.address for it in item.relocations}
        self._externs = {
            it.address: it.symbol.name
            for it in item.references
            if not it.symbol.section
        }
        self._functions = {(it.section_index, it.start): it for it in item.functions}
        self._leaders: set[Address] = set()
        # Of functions whose jumps are known.
        self._scanned: set[Address] = set()
        self._states: dict[Address, _State] = {}
        # The function that a leader belongs to.
        self._within: dict[Address, Address] = {}
        self._todo: list[Address] = []
        self._returned: dict[Address, _Values] = {}
        # By function, the leaders of the blocks that call it.
        self._callers: dict[Address, set[Address]] = {}
        self._found: list[Use] | None = None
        for entry in flow.entries:
            context = Value(ValueOrigin(OriginKind.CONTEXT, entry), 0)
            self._enter(entry, [frozenset({context}), *[_UNKNOWN] * 4])

    def run(self) -> bool:
        """Follow all; return False when that takes too long."""
        visits = 0
        while self._todo:
            visits += self._follow(self._todo.pop())
            if visits > _MOST_VISITS:
                return False
        return True

    def uses(self) -> list[Use]:
        """Return what is done with values, once all are known."""
        self._found = []
        for leader in list(self._states):
            self._follow(leader)
        return self._found

    # ------------------------------------------------------------ the way

    def _enter(self, function: Address, arguments: Sequence[_Values]) -> None:
        if function not in self._scanned:
            self._scanned.add(function)
            self._leaders.add(function)
            self._leaders.update(self._targets(function))
        frame = frozenset({Value(ValueOrigin(OriginKind.FRAME, function), 0)})
        registers = [_UNKNOWN, *arguments, *[_UNKNOWN] * 4, frame]
        self._reach(function, function, _State(registers, {}))

    def _targets(self, function: Address) -> Iterator[Address]:
        """Yield where blocks of a function begin, but for its first."""
        section, start = function
        code = self._code.get(section, ())
        known = self._functions.get(function)
        for index in range(start, start + known.size if known else len(code)):
            insn = code[index]
            if insn.op_class in (op.JMP, op.JMP32):
                if insn.code != _CALL and insn.operation != op.EXIT:
                    yield section, _target(index, insn)
                if insn.code != _CALL or insn.src == op.CALL_LOCAL:
                    yield section, index + 1

    def _reach(self, leader: Address, function: Address, state: _State) -> None:
        if self._found is not None:
            return
        known = self._states.get(leader)
        if known is None:
            self._states[leader], self._within[leader] = state.copy(), function
        elif not known.join(state):
            return
        self._todo.append(leader)

    def _follow(self, leader: Address) -> int:
        """Follow a block to its end; return how many instructions it has."""
        section, begin = leader
        code = self._code.get(section, ())
        function, state = self._within[leader], self._states[leader].copy()
        index = begin
        while 0 <= index < len(code):
            at, insn = (section, index), code[index]
            if index != begin and at in self._leaders:
                self._reach(at, function, state)
                break
            following = index + (2 if insn.code == op.LD_IMM64 else 1)
            if insn.op_class not in (op.JMP, op.JMP32):
                self._compute(at, insn, state, function)
            elif insn.code == _CALL and insn.src != op.CALL_LOCAL:
                self._call(at, insn, state, function)
            else:
                self._leave(leader, at, insn, state)
                break
            index = following
        return index - begin + 1

    def _leave(self, leader: Address, at: Address, insn: Insn, state: _State) -> None:
        function = self._within[leader]
        section, index = at
        if insn.operation == op.EXIT:
            self._return(function, state.registers[0])
        elif insn.code == _CALL:
            self._call_local(leader, at, insn, state)
        else:
            self._reach((section, _target(index, insn)), function, state)
            if insn.operation != op.JA:
                self._reach((section, index + 1), function, state)

    def _call_local(
        self, leader: Address, at: Address, insn: Insn, state: _State
    ) -> None:
        target = self._flow.call_target(at, insn)
        function = self._within[leader]
        if self._found is None:
            self._callers.setdefault(target, set()).add(leader)
            self._enter(target, state.registers[1:6])
        returned = self._returned.get(target)
        if returned is None:
            return
        self._doubt(state, function, state.registers[1:6])
        state.registers[:6] = [returned, *[_UNKNOWN] * 5]
        self._reach((at[0], at[1] + 1), function, state)

    def _return(self, function: Address, values: _Values) -> None:
        if self._found is not None:
            return
        known = self._returned.get(function)
        joined = values if known is None else _joined(known, values)
        if joined != known:
            self._returned[function] = joined
            self._todo += self._callers.get(function, ())

    # ------------------------------------------------------------ values

    def _compute(
        self, at: Address, insn: Insn, state: _State, function: Address
    ) -> None:
        registers = state.registers
        if insn.op_class in (op.ALU, op.ALU64):
            if insn.dst < _FRAME_POINTER:
                registers[insn.dst] = self._result(at, insn, state)
        elif insn.op_class == op.LDX:
            loaded = self._loaded(at, insn, state, function)
            if insn.dst < _FRAME_POINTER:
                registers[insn.dst] = loaded
        elif insn.op_class in (op.ST, op.STX):
            self._store(at, insn, state, function)
        elif insn.code == op.LD_IMM64:
            self._load_immediate(at, insn, state)
        elif insn.code:
            # LD_ABS and LD_IND call a helper.
            registers[:6] = [_UNKNOWN] * 6

    def _relocation(self, at: Address) -> tuple[Address, ...]:
        return (at,) if at in self._relocated else ()

    def _load_immediate(self, at: Address, insn: Insn, state: _State) -> None:
        values = _UNKNOWN
        callback = self._flow.callback(at)
        if callback is not None:
            self._enter(callback, [_UNKNOWN] * 5)
        elif not insn.src and not self._flow.is_reference(at):
            second = self._flow.insn((at[0], at[1] + 1))
            high = second.imm if second else 0
            whole = (insn.imm & 0xFFFFFFFF) | (high & 0xFFFFFFFF) << 32
            values = frozenset({Value(None, whole, self._relocation(at))})
        state.registers[insn.dst] = values

    def _result(self, at: Address, insn: Insn, state: _State) -> _Values:
        by_register = bool(insn.code & op.X)
        wide = insn.op_class == op.ALU64
        if by_register:
            operand = state.registers[insn.src]
        else:
            operand = frozenset({Value(None, insn.imm, self._relocation(at))})
        if insn.operation == op.MOV and not insn.offset:
            if wide:
                return operand
            return _only_numbers(operand, 0xFFFFFFFF)
        known = state.registers[insn.dst]
        if insn.operation not in (op.ADD, op.SUB) or not wide:
            return _UNKNOWN
        found: set[Value | None] = set()
        for a in known:
            for b in operand:
                found.add(_sum(a, b, minus=insn.operation == op.SUB))
        return frozenset(found) if len(found) <= _MOST_VALUES else _UNKNOWN

    def _loaded(
        self, at: Address, insn: Insn, state: _State, function: Address
    ) -> _Values:
        size = op.ACCESS_SIZE[insn.code & 0x18]
        relocation = self._relocation(at)
        found: set[Value | None] = set()
        for pointer in state.registers[insn.src]:
            if pointer is None or pointer.origin is None:
                found.add(None)
                continue
            address = pointer.moved(insn.offset, relocation)
            if pointer.origin.kind is OriginKind.FRAME:
                found |= _slot(state, function, address, size)
                continue
            if self._found is not None:
                self._found.append(Use(UseKind.READ, at, address, size))
            found.add(_read(at, address, size))
        return frozenset(found) if 0 < len(found) <= _MOST_VALUES else _UNKNOWN

    def _store(self, at: Address, insn: Insn, state: _State, function: Address) -> None:
        size = op.ACCESS_SIZE[insn.code & 0x18]
        mode = insn.code & _MODE
        pointers = state.registers[insn.dst]
        if insn.op_class == op.ST:
            values: _Values = frozenset({Value(None, insn.imm, ())})
        else:
            values = state.registers[insn.src] if mode == _MEM else _UNKNOWN
        for pointer in pointers:
            if pointer is None or pointer.origin is None:
                continue
            address = pointer.moved(insn.offset, self._relocation(at))
            if address.origin == ValueOrigin(OriginKind.FRAME, function):
                _put(state, address.offset, size, values, sure=len(pointers) == 1)
            elif self._found is not None and _is_elsewhere(address):
                self._found.append(Use(UseKind.WRITE, at, address, size))
        if mode == _ATOMIC and insn.imm == _CMPXCHG:
            state.registers[0] = _UNKNOWN
        elif mode == _ATOMIC and insn.imm & _FETCH:
            state.registers[insn.src] = _UNKNOWN

    # ------------------------------------------------------------- calls

    def _call(self, at: Address, insn: Insn, state: _State, function: Address) -> None:
        registers = state.registers
        kfunc = self._externs.get(at, "")
        helper = insn.imm if insn.src == op.CALL_HELPER and not kfunc else 0
        arguments = registers[1:6]
        if self._found is not None:
            self._note_arguments(at, helper, kfunc, arguments)
        if helper in COPIES or helper in STRING_COPIES:
            self._copy(at, helper, state, function)
        elif helper not in _ONLY_READ:
            self._doubt(state, function, arguments)
        result = Value(ValueOrigin(OriginKind.CALL, at, helper=helper, kfunc=kfunc), 0)
        registers[:6] = [frozenset({result}), *[_UNKNOWN] * 5]

    def _note_arguments(
        self, at: Address, helper: int, kfunc: str, arguments: Sequence[_Values]
    ) -> None:
        assert self._found is not None
        copies = helper in COPIES or helper in STRING_COPIES
        size = _number(arguments[1]) if copies else None
        for number, values in enumerate(arguments):
            is_source = copies and number == 2
            kind = UseKind.COPIED if is_source else UseKind.PASSED
            for value in values:
                if value is not None and _is_elsewhere(value):
                    length = size or 0 if is_source else 0
                    self._found.append(
                        Use(kind, at, value, length, helper, kfunc, number)
                    )

    def _copy(self, at: Address, helper: int, state: _State, function: Address) -> None:
        to, length, sources = state.registers[1:4]
        size = _number(length)
        for pointer in to:
            if pointer is None or pointer.origin != ValueOrigin(
                OriginKind.FRAME, function
            ):
                continue
            if size is None or helper not in COPIES:
                state.doubt(pointer.offset)
                continue
            values: set[Value | None] = {
                _read(at, it, size) if it and it.origin else None for it in sources
            }
            known = frozenset(values) if values else _UNKNOWN
            _put(state, pointer.offset, size, known, sure=len(to) == 1)

    def _doubt(
        self, state: _State, function: Address, arguments: Sequence[_Values]
    ) -> None:
        """Say that a function may write to what it was given of the own stack."""
        frame = ValueOrigin(OriginKind.FRAME, function)
        starts = [it.offset for v in arguments for it in v if it and it.origin == frame]
        if starts:
            state.doubt(min(starts))


def _target(index: int, insn: Insn) -> int:
    far = insn.op_class == op.JMP32 and insn.operation == op.JA
    return index + 1 + (insn.imm if far else insn.offset)


def _only_numbers(values: _Values, mask: int) -> _Values:
    return frozenset(
        Value(None, it.offset & mask, it.relocations)
        if it is not None and it.origin is None
        else None
        for it in values
    )


def _sum(a: Value | None, b: Value | None, *, minus: bool) -> Value | None:
    if a is None or b is None:
        return None
    if b.origin is None:
        # A relocated number that is taken away would have to be counted backwards.
        if minus and b.relocations:
            return None
        return a.moved(
            -_signed(b.offset) if minus else _signed(b.offset), b.relocations
        )
    if a.origin is None and not minus:
        return b.moved(_signed(a.offset), a.relocations)
    return None


def _is_elsewhere(value: Value) -> bool:
    """Tell whether it points to memory that is not a function's stack."""
    return value.origin is not None and value.origin.kind is not OriginKind.FRAME


def _signed(number: int) -> int:
    number &= _MASK
    return number - (1 << 64) if number >> 63 else number


def _number(values: _Values) -> int | None:
    """Return the number that values are, if they are all the same one."""
    if len(values) != 1:
        return None
    (value,) = values
    return value.offset if value is not None and value.origin is None else None


def _read(at: Address, address: Value, size: int) -> Value | None:
    """Return what a read gives, from an address whose origin is known."""
    depth, origin = 0, address.origin
    while origin and origin.kind is OriginKind.LOADED:
        depth += 1
        # A loop that walks a list reads at the same place again and again.
        if origin.at == at or depth > _DEEPEST:
            return None
        origin = origin.base.origin if origin.base else None
    return Value(ValueOrigin(OriginKind.LOADED, at, base=address, size=size), 0)


def _slot(state: _State, function: Address, address: Value, size: int) -> _Values:
    """Return what is in bytes of the own stack."""
    if address.origin != ValueOrigin(OriginKind.FRAME, function):
        return _UNKNOWN
    found = state.slots.get(address.offset)
    if found is not None and found[0] == size:
        return found[1]
    for start, (length, values) in state.slots.items():
        if start <= address.offset and address.offset + size <= start + length:
            return frozenset(_part(it, address.offset - start, size) for it in values)
    return _UNKNOWN


def _part(value: Value | None, offset: int, size: int) -> Value | None:
    """Return some bytes of what was read at once."""
    origin = value.origin if value and not value.offset else None
    if origin is None or origin.kind is not OriginKind.LOADED or origin.base is None:
        return None
    base = origin.base.moved(offset)
    return Value(ValueOrigin(OriginKind.LOADED, origin.at, base=base, size=size), 0)


def _put(state: _State, offset: int, size: int, values: _Values, *, sure: bool) -> None:
    known = state.slots.get(offset)
    if not sure:
        values = _joined(values, known[1] if known and known[0] == size else _UNKNOWN)
    state.forget(offset, size)
    state.slots[offset] = size, values
