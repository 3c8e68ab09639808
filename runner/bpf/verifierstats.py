"""What the verifier says of its work, at the end of its log of a program.

Kernels from 5.2 on give it without a trace (BPF_LOG_STATS, 06ee7115b0d1):

    verification time 311 usec
    stack depth 16+0
    processed 40 insns (limit 1000000) max_states_per_insn 1 total_states 3 peak_states
    3 mark_read 2                                                       (one line)

Older ones end their trace with "processed 40 insns, stack depth 8".
"""

import re
from dataclasses import dataclass

# libbpf frames each program's log.
_FRAME = re.compile(
    r"prog '(?P<name>[^']*)': -- BEGIN PROG LOAD LOG --\n"
    r"(?P<log>.*?)-- END PROG LOAD LOG --",
    re.DOTALL,
)
_PROCESSED = re.compile(
    r"^processed (?P<insns>\d+) insns(?: \(limit (?P<limit>\d+)\))?"
    r"(?:.* total_states (?P<total>\d+) peak_states (?P<peak>\d+))?"
    r"(?:, stack depth (?P<stack>\d+(?:\+\d+)*))?",
    re.MULTILINE,
)
_STACK = re.compile(r"^stack depth (\d+(?:\+\d+)*)", re.MULTILINE)
_TIME = re.compile(r"^verification time (\d+) usec", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class VerifierStats:
    """The verifier's work on a program; None for what its kernel does not give."""

    # Instructions processed, on all paths; and how many may be.
    insns: int
    limit: int | None
    # States that were kept at some time, and at the same time.
    total_states: int | None
    peak_states: int | None
    # Bytes: of all functions together, as veristat counts it.
    stack_depth: int | None
    # Microseconds.
    usec: int | None


def of_log(log: str) -> dict[str, VerifierStats]:
    """Return the statistics of each program in a log of libbpf, by its name.

    Of a program that was loaded several times, the last one counts. Programs without
    statistics are left out.
    """
    found = {}
    for frame in _FRAME.finditer(log):
        stats = of_verifier(frame["log"])
        if stats is not None:
            found[frame["name"]] = stats
    return found


def of_verifier(log: str) -> VerifierStats | None:
    """Return the statistics of one program's log; None without any."""
    lines = list(_PROCESSED.finditer(log))
    if not lines:
        return None
    processed = lines[-1]
    stack = processed["stack"] or _last(_STACK, log)
    usec = _last(_TIME, log)
    return VerifierStats(
        insns=int(processed["insns"]),
        limit=_number(processed["limit"]),
        total_states=_number(processed["total"]),
        peak_states=_number(processed["peak"]),
        stack_depth=sum(map(int, stack.split("+"))) if stack else None,
        usec=_number(usec),
    )


def _last(pattern: re.Pattern[str], log: str) -> str:
    found = pattern.findall(log)
    return str(found[-1]) if found else ""


def _number(text: str | None) -> int | None:
    return int(text) if text else None
