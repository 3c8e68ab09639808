"""Where a register got its value, by the verifier's log.

The log has each instruction that was walked, what it left in registers, and the lines
of source: from 6.8 on with their file and number. The last instruction that wrote the
register is looked for, and behind moves the one that made the value.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_REGISTER = re.compile(r"\bR(\d+) ")
# "Possibly NULL pointer passed to trusted arg0", "arg#0 pointer type …".
_ARGUMENT = re.compile(r"\barg#?(\d+)\b")
# "math between map_value pointer and register with unbounded min value": no name.
_OF_LAST = re.compile(r"pointer and register with")
_WITHOUT_VALUE = re.compile(r"!read_ok")
_ALLOCATED = re.compile(r"\balloc_insn=(\d+)")
# "12: (85) call bpf_sk_lookup_tcp#84    ; R0_w=sock_or_null(id=2)"
_WALKED = re.compile(r"^(\d+): \(\w\w\) (.*?)(?:\s+; .*)?$")
_STATE = re.compile(r"\bR(\d+)(?:_\w+)?=(\S+)")
_WRITTEN = re.compile(r"[rw](\d+) (?:[-+*/|&^%]|<<|>>|s>>)?= (.*)")
_MOVED = re.compile(r"\(?(?:s\d+|u\d+)?\)?[rw](\d+)")
_ADDED = re.compile(r"r\d+ [-+]= r(\d+)")
# Where the verifier goes into a function, comes back, and goes on elsewhere.
_ENTERED = re.compile(r"callee:")
_LEFT = re.compile(r"to caller at \d+:")
_FRAME = re.compile(r"\bframe(\d+):")
_ELSEWHERE = re.compile(r"from \d+ to \d+:(?: frame(\d+):)?")
_CALL = re.compile(r"call (\S+)")
# "; v = bpf_map_lookup_elem(&m, &k); @ probe.bpf.c:12"
_SOURCE = re.compile(r"^; (.*?)(?: @ (\S+:\d+))?$")
_NUMBER = re.compile(r"scalar|inv|P?-?\d|0x")
# Moves that are followed.
_MOST_MOVES = 8
_LONGEST_LINE = 100


@dataclass(frozen=True, kw_only=True)
class MadeBy:
    """What made the value that a verdict is about."""

    # "R1", or "what is not released".
    what: str
    # The line of source, "probe.bpf.c:12"; empty where the log has none.
    source: str
    # What stands there, or else the instruction.
    text: str
    # Whether it was a pointer, and a later call made it void.
    is_void: bool = False

    def __str__(self) -> str:
        """Return it as a sentence has it."""
        where = f" at {self.source}" if self.source else ""
        void = ", and a later call made it void" if self.is_void else ""
        return f"{self.what} comes from `{self.text}`{where}{void}"


@dataclass(frozen=True, kw_only=True)
class _Step:
    number: int
    code: str
    # What it left in registers.
    states: dict[int, str]
    source: str
    text: str
    # Which call of a function it is part of.
    frame: int


def origin(verdict: str, verifier: str) -> MadeBy | None:
    """Return what made the value that a verdict is about; None where nothing says."""
    steps = _steps(verifier)
    allocated = _ALLOCATED.search(verdict)
    if allocated:
        number = int(allocated[1])
        made = [it for it in steps if it.number == number]
        return _origin("what is not released", made[-1]) if made else None
    # A register without a value may have had one on another path.
    if not steps or _WITHOUT_VALUE.search(verdict):
        return None
    register = _register(verdict, steps[-1].code)
    if register is None:
        return None
    # Other calls have registers of their own.
    own = [it for it in steps[:-1] if it.frame == steps[-1].frame]
    return _of_register(register, own, verdict)


def _register(verdict: str, last: str) -> int | None:
    named, argument = _REGISTER.search(verdict), _ARGUMENT.search(verdict)
    if named:
        return int(named[1])
    if argument and _CALL.match(last):
        return int(argument[1]) + 1
    added = _ADDED.match(last) if _OF_LAST.search(verdict) else None
    return int(added[1]) if added else None


def _of_register(register: int, steps: Sequence[_Step], verdict: str) -> MadeBy | None:
    wanted, end, found, state = register, len(steps), None, ""
    for _ in range(_MOST_MOVES):
        at = _last_write(wanted, steps[:end])
        if at is None:
            break
        found, end = steps[at], at
        state = state or found.states.get(wanted, "")
        source = _source_register(wanted, found.code)
        if source is None:
            break
        wanted = source
    if found is None:
        return None
    was_pointer = bool(state) and not _NUMBER.match(state)
    is_void = was_pointer and bool(re.search(r"'scalar'|type=scalar", verdict))
    return _origin(f"R{register}", found, is_void=is_void)


def _origin(what: str, step: _Step, *, is_void: bool = False) -> MadeBy:
    call = _CALL.match(step.code)
    # Of inline assembly the log has only its first line, which says nothing.
    says = step.text and not step.text.startswith("asm ")
    text = step.text if says else f"call {call[1]}" if call else step.code
    return MadeBy(
        what=what,
        source=step.source,
        text=text[:_LONGEST_LINE],
        is_void=is_void,
    )


def _last_write(register: int, steps: Sequence[_Step]) -> int | None:
    for at in range(len(steps) - 1, -1, -1):
        code = steps[at].code
        written = _WRITTEN.match(code)
        if written and int(written[1]) == register:
            return at
        # A call leaves its result in R0.
        if register == 0 and _CALL.match(code):
            return at
    return None


def _source_register(register: int, code: str) -> int | None:
    """Return the register that an instruction has its value from, if only from one."""
    written = _WRITTEN.match(code)
    if written is None or int(written[1]) != register:
        return None
    if not re.match(r"[rw]\d+ = ", code):
        return register
    moved = _MOVED.fullmatch(written[2].strip())
    return int(moved[1]) if moved else None


def _steps(verifier: str) -> list[_Step]:
    found: list[_Step] = []
    source = text = ""
    frames, made = [0], 0
    for line in verifier.splitlines():
        elsewhere = _ELSEWHERE.match(line)
        if _LEFT.match(line) and frames[1:]:
            frames.pop()
        elif _ENTERED.match(line):
            made += 1
            frames.append(made)
        elif elsewhere:
            del frames[int(elsewhere[1] or 0) + 1 :]
        deep = _FRAME.search(line)
        # Callbacks begin without a word.
        while deep and len(frames) <= int(deep[1]):
            made += 1
            frames.append(made)
        said = _SOURCE.match(line)
        if said:
            text, source = said[1].strip(), (said[2] or "").removeprefix("./")
            continue
        walked = _WALKED.match(line)
        if walked:
            states = {int(it): state for it, state in _STATE.findall(line)}
            found.append(
                _Step(
                    number=int(walked[1]),
                    code=walked[2].strip(),
                    states=states,
                    source=source,
                    text=text,
                    frame=frames[-1],
                )
            )
    return found
