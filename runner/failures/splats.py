"""What a guest's serial console says about its end."""

import re
from dataclasses import dataclass

# ANSI sequences, and control characters other than tab and newline.
_NOISE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
_LAST_LINES = 40
_MOST_LINES = 200


@dataclass(frozen=True, kw_only=True)
class Splat:
    """A kernel's cry for help."""

    # "panic", "oops", "soft_lockup", "rcu_stall" or "out_of_memory".
    cause: str
    # The line that says it.
    line: str


@dataclass(frozen=True, kw_only=True)
class _Marker:
    cause: str
    pattern: re.Pattern[str]


# The order is the order of preference: with oops=panic an oops ends in a panic, and
# what the user needs to know is the oops.
_MARKERS = (
    _Marker(
        cause="out_of_memory",
        pattern=re.compile(r"Out of memory: Kill|System is deadlocked on memory"),
    ),
    _Marker(
        cause="oops",
        pattern=re.compile(
            # "unable to handle kernel" up to 5.0, "kernel NULL pointer" after it.
            r"BUG: unable to handle|BUG: kernel NULL pointer dereference|Oops: |"
            r"general protection fault|kernel BUG at|invalid opcode: |"
            r"divide error: |stack segment: "
        ),
    ),
    _Marker(
        cause="soft_lockup",
        # "NMI watchdog:" up to 4.13, "watchdog:" after it.
        pattern=re.compile(r"BUG: soft lockup|hard LOCKUP"),
    ),
    _Marker(
        cause="rcu_stall",
        pattern=re.compile(r"rcu: INFO: .*stall|INFO: rcu_\w+ (self-)?detected"),
    ),
    _Marker(cause="panic", pattern=re.compile(r"Kernel panic - not syncing")),
)


def clean(raw: bytes) -> str:
    """Return console output as text without control characters."""
    text = raw.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return _NOISE.sub("", text)


def diagnose(text: str) -> Splat | None:
    """Return the most telling splat of a cleaned console, or None."""
    lines = text.splitlines()
    for marker in _MARKERS:
        for line in lines:
            if marker.pattern.search(line):
                return Splat(cause=marker.cause, line=line.strip())
    return None


def last_lines(text: str, splat: Splat | None = None, count: int = _LAST_LINES) -> str:
    """Return the last `count` lines; more of them when the splat began before.

    What is left on a stack makes traces of any length.
    """
    lines = text.splitlines()
    told = (
        () if splat is None else (n for n, it in enumerate(lines) if splat.line in it)
    )
    start = max(0, min(len(lines) - count, *told, len(lines)))
    return "\n".join(lines[start:][:_MOST_LINES])
