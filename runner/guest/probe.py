"""One probe: calls of bpf(2), and what their answers say.

A kernel that refuses a probe for another reason than the one that is known for kernels
without the feature has not said anything: that is unknown, and never absent.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from runner.facts.model import Presence
from runner.guest.bpfcalls import BpfCall
from runner.guest.replies import BpfAnswer
from runner.versions import KernelVersion


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Calls that show whether a kernel has something."""

    # The last one decides; those before give what it needs.
    calls: tuple[BpfCall, ...]
    # What the log says where the feature is missing, as regular expressions.
    absent: tuple[str, ...] = ()
    # What it says where the feature is there, though the call is refused.
    present: tuple[str, ...] = ()
    # Errors without a word in the log where it is missing, or there.
    silent: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    def judge(self, answers: Sequence[BpfAnswer]) -> Presence:
        """Return what the answers to its calls say."""
        *before, last = answers
        if not all(it.done for it in before):
            return Presence.UNKNOWN
        if not last.done and _says(last.log, self.absent):
            return Presence.ABSENT
        if last.done or _says(last.log, self.present) or last.errno in self.errors:
            return Presence.PRESENT
        if not last.log.strip() and last.errno in self.silent:
            return Presence.ABSENT
        return Presence.UNKNOWN


def _says(log: str, patterns: Sequence[str]) -> bool:
    return any(re.search(it, log) for it in patterns)


def version_code(version: KernelVersion) -> int:
    """Return LINUX_VERSION_CODE, which kernels before 5.0 ask of kprobes."""
    major, minor, patch = version.filled()
    return major << 16 | minor << 8 | min(patch, 255)
