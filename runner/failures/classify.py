"""What a refused open, load or attach means, by libbpf's and the verifier's words."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile

from runner.facts.abilities import Known
from runner.failures.classes import (
    CLASSES,
    DYNPTR_MISUSED,
    GUARD_UNDECIDED,
    POINTER_LOST,
    POINTER_VOID,
    POISON_REACHABLE,
    PROGRAM_TOO_LARGE,
    PROGRAM_TYPE_MISSING,
    SIGNED_FIELD_RESIZED,
    STACK_UNINITIALISED,
    UNCLASSIFIED,
    UNREACHED_CALL,
    VERIFIER_REJECTED,
    FailureClass,
)
from runner.failures.origin import origin


@dataclass(frozen=True, kw_only=True)
class Classification:
    """What a failure is, and the words that show it."""

    # A FailureClass's name, or "unclassified".
    name: str
    # The log's line that shows it; empty when there is no log.
    line: str
    cure: str


# Of one program up to 5.1 (BPF_MAXINSNS).
_MOST_INSTRUCTIONS = 4096
_OF_PROGRAM = re.compile(r"prog '([^'\n]*)': (?!-- )")

_LOAD_FAILED = re.compile(r"BPF program load failed: ")
_VERIFIER_LOG = re.compile(
    r"-- BEGIN PROG LOAD LOG --\n(.*?)(?:^[^\n]*-- END PROG LOAD LOG --|\Z)",
    re.DOTALL | re.MULTILINE,
)
# That it failed, and not why: what stands before says more.
_SAYS_NOTHING = re.compile(
    r"failed to load object|: failed to load: -\d+$|failed to prepare load attributes|"
    # Of each socket, before 4.12.
    r"Netlink error reporting not supported"
)
# Notes on a program's arguments, before its first instruction.
_HEAD = re.compile(r"\A(?:(?!\d+: ).*\n)+(?=\d+: )")
_SUMMARY = re.compile(r"^processed \d+ insns", re.MULTILINE)

# The lines of a verdict; more are no verdict.
_MOST_VERDICT = 3
# Lines that the verifier prints of what it does, not of what is wrong.
_TRACE = re.compile(
    # "3: (07) r2 += 1", "0: R1=ctx() R10=fp0", "from 3 to 5: …"
    r"\d+: |from \d+ to \d+|"
    # "R0=inv R1=ctx", with and without frames
    r"\s*(frame\d+:)?\s*R\d+(_\w+)?=|"
    # states of loops, source lines, and notes on functions
    r"(cur|old) state: |;|func#\d+|last_idx|regs=|mark_precise|"
    # What it finds of an argument that may never be used, in two ages of kernels.
    r"arg#\d+ (reference type|type is not a struct)|"
    r"Func#\d+ .* is safe|Validating .* func#\d+|"
    r"caller:|callee:|(verification time|stack depth|max_states)\b|$"
)


# "invalid read from stack R2 off -24+8 size 16", "fp-24_w=dynptr_local(…)".
_READ_OF_STACK = re.compile(r"stack (?:R\d+ )?off (-\d+)(?:\+(\d+))? size (\d+)")
_SLOT = re.compile(r"\bfp-(\d+)(?:_\w+)?=(\w+)")
# Of a dynptr; its first slot shows it.
_DYNPTR_SIZE = 16
_MANAGED = re.compile(r"dynptr_|iter_")

# The functions that follow the verifier's look at a program, as kernels of that time
# have inlined them.
_FIXING_CALLS = re.compile(
    r"^R?IP:.*\b(SyS_bpf|sys_bpf|bpf_prog_load|bpf_check|fixup_bpf_calls)\+",
    re.MULTILINE,
)


def classify_oops(console: str, kernel: Known) -> Classification | None:
    """Tell what an oops means that a load ended in, if it is of a known kind."""
    found = _FIXING_CALLS.search(console)
    # Others take calls out that are never reached.
    if found is None or kernel.has("dead_poison"):
        return None
    return as_class(UNREACHED_CALL, _line_at(console, found.start()))


def classify(
    log: str,
    operation: str,
    errno_name: str | None,
    instructions: Mapping[str, int] | None = None,
    *,
    other_library: bool = False,
) -> Classification:
    """Tell why an object was refused, or that it is "unclassified": never a guess.

    `log` is libbpf's with the verifier's in it, or that of an `other_library`;
    `errno_name` is "EINVAL" and the like. `instructions` says how many the object's
    programs have.
    """
    loading = operation == "load"
    # Its own words say more than the verifier's: each has a poison of its own.
    own = classify_printed(log) if other_library else None
    if own is not None:
        return own
    verifier = verifier_log(log) if loading else ""
    if verifier:
        return _by_verifier(verifier, log)
    for failure in CLASSES.values():
        found = _search(failure, failure.libbpf, log)
        if found is None and loading:
            found = _search(failure, failure.load, log)
        if found is None:
            continue
        if failure is PROGRAM_TYPE_MISSING and _is_too_long(log, instructions or {}):
            return as_class(PROGRAM_TOO_LARGE, found.line)
        return found
    line = _last_line(log)
    # A verifier that was given no room for a log still says EACCES, and only it does.
    if loading and errno_name == "EACCES":
        return as_class(VERIFIER_REJECTED, line)
    cure = "see the log" if log.strip() else ""
    return Classification(name=UNCLASSIFIED, line=line, cure=cure)


def classify_printed(text: str) -> Classification | None:
    """Return what a loader's own words mean, if they are known."""
    return _first(text, lambda it: it.printed)


def _first(
    text: str, patterns: Callable[[FailureClass], Iterable[re.Pattern[str]]]
) -> Classification | None:
    """Return the first class that one of its patterns shows."""
    found = (_search(it, patterns(it), text) for it in CLASSES.values())
    return next(filter(None, found), None)


def failed_program(log: str) -> str:
    """Return the name of the program that was refused, or nothing."""
    names = _OF_PROGRAM.findall(log)
    return str(names[-1]) if names else ""


def _is_too_long(log: str, instructions: Mapping[str, int]) -> bool:
    # 4.4 has no other word for it than EINVAL.
    return instructions.get(failed_program(log), 0) > _MOST_INSTRUCTIONS


def _by_verifier(verifier: str, log: str) -> Classification:
    verdict = verdict_lines(verifier)
    line = "; ".join(verdict)
    # Notes are no verdict: "Global function main() doesn't
    # return scalar" of a program that is none. Only where the verdict has no class do
    # they count: the verdict's last line may be a bare consequence.
    found = _first("\n".join(verdict), lambda it: it.verifier)
    found = found or _first(_HEAD.sub("", verifier), lambda it: it.verifier)
    if found is not None and found.line in line:
        # The words that show the class may be a part of what the verifier says.
        found = replace(found, line=line)
    if found is None and not line:
        # It was not asked, or has no words.
        found = _first(log, lambda it: it.libbpf)
    if found is None:
        return as_class(VERIFIER_REJECTED, line)
    if found.name == STACK_UNINITIALISED.name and _reads_a_dynptr(line, verifier):
        return as_class(DYNPTR_MISUSED, line)
    if found.name == POINTER_LOST.name:
        made = origin(line, verifier)
        return as_class(POINTER_VOID, line) if made and made.is_void else found
    if found.name == POISON_REACHABLE.name:
        # libbpf poisons such a field too; its own line says why.
        return (
            _search(SIGNED_FIELD_RESIZED, SIGNED_FIELD_RESIZED.libbpf, log)
            or _search(GUARD_UNDECIDED, GUARD_UNDECIDED.load, log)
            or found
        )
    return found


def _reads_a_dynptr(line: str, verifier: str) -> bool:
    """Whether what is read of the stack holds a dynptr or an iterator.

    The verifier says the same words of it as of memory that was never written, which
    it lets root read from 6.3 on (6715df8d5d24).
    """
    read = _READ_OF_STACK.search(line)
    if read is None:
        return False
    # What each slot held last.
    slots = {int(at): what for at, what in _SLOT.findall(verifier)}
    first = int(read[1]) + int(read[2] or 0)
    return any(
        first - _DYNPTR_SIZE < -at < first + int(read[3]) and _MANAGED.match(what)
        for at, what in slots.items()
    )


def _search(
    failure: FailureClass, patterns: Iterable[re.Pattern[str]], log: str
) -> Classification | None:
    for pattern in patterns:
        match = pattern.search(log)
        if match is not None:
            # A pattern over several lines may name the one that says most.
            told = "line" if "line" in pattern.groupindex else 0
            return as_class(failure, _line_at(log, match.start(told)))
    return None


def as_class(failure: FailureClass, line: str = "") -> Classification:
    """Return a class as what was found."""
    return Classification(name=failure.name, line=line, cure=failure.explanation)


def verifier_log(log: str) -> str:
    """Return the verifier's log of the program that failed, or nothing."""
    # libbpf prints the logs of programs that loaded, too: only what follows counts.
    failures = list(_LOAD_FAILED.finditer(log))
    if failures:
        block = _VERIFIER_LOG.search(log, failures[-1].start())
        return block[1] if block else ""
    blocks = list(_VERIFIER_LOG.finditer(log))
    if blocks:
        return str(blocks[-1][1])
    # The verifier's log alone.
    return log if _SUMMARY.search(log) else ""


def verdict_lines(verifier: str) -> list[str]:
    """Return the verdict in a verifier's log: what stands before "processed N insns".

    Empty when there is no log.
    """
    summary = _SUMMARY.search(verifier)
    lines = verifier[: summary.start() if summary else None].splitlines()
    for end in range(len(lines), 0, -1):
        if not _TRACE.match(lines[end - 1]):
            last = reversed(lines[max(0, end - _MOST_VERDICT) : end])
            told = [*takewhile(lambda it: not _TRACE.match(it), last)]
            return [it.strip() for it in reversed(told)]
    last_line = _last_line("\n".join(lines))
    return [last_line] if last_line else []


def _line_at(log: str, position: int) -> str:
    start = log.rfind("\n", 0, position) + 1
    end = log.find("\n", position)
    return log[start : end if end >= 0 else None].strip()


def says_why(log: str) -> bool:
    """Tell whether a log has a line that may be about a refusal's reason."""
    return bool(_telling(log))


def _telling(log: str) -> list[str]:
    lines = (line.strip() for line in log.splitlines())
    return [it for it in lines if it and not _SAYS_NOTHING.search(it)]


def _last_line(log: str) -> str:
    lines = _telling(log) or log.strip().splitlines()
    return lines[-1].strip() if lines else ""
