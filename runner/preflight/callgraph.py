"""What the functions of an object call, and where their code goes in circles.

No kernel changes that, so it is looked for once.
"""

from collections.abc import Iterator
from functools import cached_property

from runner.bpf import insn as op
from runner.bpf.debuginfo import Function
from runner.bpf.insn import Insn
from runner.bpf.object import BpfObject
from runner.preflight.references import Address, Flow

_CALL = op.JMP | op.CALL


class CallGraph:
    """The functions of an object, as its own code leads through them."""

    def __init__(self, item: BpfObject, flow: Flow) -> None:
        """Look at nothing yet."""
        self._item = item
        self._flow = flow
        self._closures: dict[Address, tuple[Function, ...]] = {}
        self._loops: dict[Address, bool] = {}

    @cached_property
    def instructions(self) -> tuple[tuple[Function, Address, Insn], ...]:
        """All instructions with their functions, in order."""
        found = {
            at: (function, at, insn)
            for function in self._item.functions
            for at, insn in self._insns(function)
        }
        return tuple(found.values())

    def closure(self, function: Function) -> tuple[Function, ...]:
        """Return a function and all that it calls; libbpf appends them to a program."""
        start = function.section_index, function.start
        if start not in self._closures:
            self._closures[start] = tuple(self._reached_from(function))
        return self._closures[start]

    def loops(self, function: Function) -> bool:
        """Tell whether code has a circle; old verifiers look at dead code, too."""
        start = function.section_index, function.start
        if start not in self._loops:
            self._loops[start] = self._has_loop(function)
        return self._loops[start]

    def _reached_from(self, function: Function) -> list[Function]:
        found, todo = {}, [function]
        while todo:
            each = todo.pop()
            if (each.section_index, each.start) in found:
                continue
            found[each.section_index, each.start] = each
            for at, insn in self._insns(each):
                if insn.code == _CALL and insn.src == op.CALL_LOCAL:
                    target = self._flow.call_target(at, insn)
                    callee = self._item.function_at(*target)
                    todo += [callee] if callee is not None else []
        return list(found.values())

    def _insns(self, function: Function) -> Iterator[tuple[Address, Insn]]:
        section = function.section_index
        for index, insn in enumerate(self._item.insns(function)):
            yield (section, function.start + index), insn

    def _has_loop(self, function: Function) -> bool:
        # No circle without a way back; most code has none.
        jumps = (it for it in self._item.insns(function) if it.code & 7 in _JUMPS)
        if not any((it.jump or 0) < 0 for it in jumps):
            return False
        edges = {at[1]: _successors(at[1], insn) for at, insn in self._insns(function)}
        open_: set[int] = set()
        done: set[int] = set()
        stack = [(function.start, iter(edges.get(function.start, ())))]
        open_.add(function.start)
        while stack:
            at, following = stack[-1]
            step = next(following, None)
            if step is None:
                stack.pop()
                open_.discard(at)
                done.add(at)
            elif step in open_:
                return True
            elif step not in done and step in edges:
                open_.add(step)
                stack.append((step, iter(edges[step])))
        return False


_JUMPS = (op.JMP, op.JMP32)


def _successors(index: int, insn: Insn) -> tuple[int, ...]:
    following = index + (2 if insn.code == op.LD_IMM64 else 1)
    if insn.code & 7 not in _JUMPS or insn.code == _CALL:
        return (following,)
    if insn.operation == op.EXIT:
        return ()
    target = index + 1 + (insn.jump or 0)
    return (target,) if insn.operation == op.JA else (following, target)
