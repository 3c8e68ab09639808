"""Lists of regular expressions in files, each with its reason."""

import re
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, Field

from runner.files.modelfile import FileEntry

# No pattern finds something in each of these unless it does in nearly every line.
_ANY_LINES = ("a", "Z 0", "-: (9)")

# Lines of faults that have nothing to do with each other, and of no fault. Who allows
# one of them means none of the others.
UNRELATED_FAULTS = (
    "WARNING: CPU: 0 PID: 1 at kernel/bpf/core.c:1 bpf_check+0x1/0x2",
    "WARNING: CPU: 0 PID: 234 at mm/page_alloc.c:5678 free_pages+0x3/0x4",
    "WARNING: net/core/dev.c:12 at netif_rx+0x5/0x6, CPU#0: ip/77",
    "WARNING: possible circular locking dependency detected",
    "BUG: KASAN: slab-use-after-free in kfree_skb+0x7/0x8",
    "BUG: KCSAN: data-race in d_delete / d_walk",
    "UBSAN: array-index-out-of-bounds in drivers/pci/probe.c:9:1",
    "BUG: scheduling while atomic: sh/12/0x00000002",
    "BUG kmalloc-64 (Not tainted): Right Redzone overwritten",
    "INFO: task kworker:56 blocked for more than 120 seconds.",
    "rcu: INFO: rcu_preempt self-detected stall on CPU",
    "unregister_netdevice: waiting for lo to become free. Usage count = 2",
    "verifier bug: REG INVARIANTS VIOLATION (true_reg1): range bounds violation",
)
_UNRELATED = (
    *UNRELATED_FAULTS,
    "random: crng init done",
    "clocksource: Switched to clocksource tsc",
)


def _checked(pattern: str) -> str:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
    if all(compiled.search(line) for line in _ANY_LINES):
        raise ValueError(
            f"{pattern!r} matches everything; write more of the line that you mean"
        )
    return pattern


class LinePattern(FileEntry):
    """What a line is known by."""

    pattern: Annotated[
        str,
        Field(min_length=1, examples=["^my_module: lost \\d+ events"]),
        AfterValidator(_checked),
    ]
    """A regular expression of Python, which is looked for in each line, after the time
    that printk puts in front of it. `^` is the beginning of the kernel's own words."""

    reason: Annotated[str, Field(min_length=1)]
    """What such a line means, or why it does not matter."""

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The pattern."""
        return re.compile(self.pattern)


def _narrow(allowed: LinePattern) -> LinePattern:
    """Refuse what would hide faults that nobody thought of when it was written."""
    found = [it for it in _UNRELATED if allowed.compiled.search(it)]
    if len(found) > 1:
        raise ValueError(
            f"{allowed.pattern!r} allows lines that have nothing to do with each "
            f"other, such as {found[0]!r} and {found[1]!r}; write more of the line "
            "that you mean, or a pattern for each"
        )
    return allowed


class ConsoleLines(FileEntry):
    """Lines on a kernel's console that fail a case, and lines that do not."""

    deny: tuple[LinePattern, ...] = ()
    """Lines that fail the case that made the kernel print them (`kernel_warned`)."""

    allow: tuple[Annotated[LinePattern, AfterValidator(_narrow)], ...] = ()
    """Lines that fail no case, although `deny` or images/splats.yaml has them. A
    pattern that also allows unrelated lines, such as `^WARNING: `, is refused."""


NO_LINES = ConsoleLines()
