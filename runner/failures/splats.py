"""What a guest's serial console says: of its end, and of what its kernel survived."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain

from runner.files import modelfile, shipped
from runner.files.modelfile import FileEntry
from runner.files.patternlist import ConsoleLines, LinePattern

FILE = shipped.IMAGES / "splats.yaml"

# ANSI sequences, and control characters other than tab and newline.
_NOISE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
# The time, and with CONFIG_PRINTK_CALLER who printed it.
_STAMP = re.compile(r"^\[ *\d+\.\d+\](\[ *[TC]\d+\])? ?")
_CUT, _END = "[ cut here ]", "---[ end trace "
_LAST_LINES = 40
_MOST_LINES = 200
# Of one report that a kernel survived.
_MOST_REPORT = 80


@dataclass(frozen=True, kw_only=True)
class Splat:
    """A kernel's cry for help."""

    # "panic", "oops", "soft_lockup", "rcu_stall" or "out_of_memory".
    cause: str
    # The line that says it.
    line: str


@dataclass(frozen=True, kw_only=True)
class KernelReport:
    """What a kernel reported of itself, and went on."""

    # The line that says it, without its time.
    line: str
    # What such a line means.
    reason: str
    # The line with those around it: registers and the call trace.
    text: str
    # Whether a host that is busy explains it as well.
    again: bool = False
    # The case that its guest served before, whose helper or work may be late.
    before: str = ""


class _End(FileEntry):
    cause: str
    pattern: str
    source: str
    again: bool = False

    def find(self, lines: Sequence[str]) -> str | None:
        pattern = re.compile(self.pattern)
        return next((it for it in lines if pattern.search(it)), None)


class _SourcedPattern(LinePattern):
    source: str
    again: bool = False


class _SplatTable(FileEntry):
    ends: tuple[_End, ...]
    deny: tuple[_SourcedPattern, ...]
    allow: tuple[_SourcedPattern, ...]


@cache
def _table() -> _SplatTable:
    return modelfile.load(FILE, _SplatTable)[0]


def clean(raw: bytes) -> str:
    """Return console output as text without control characters."""
    text = raw.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return _NOISE.sub("", text)


def diagnose(text: str) -> Splat | None:
    """Return the most telling splat of a cleaned console, or None."""
    lines = text.splitlines()
    for end in _table().ends:
        line = end.find(lines)
        if line is not None:
            return Splat(cause=end.cause, line=line.strip())
    return None


def is_doubtful(cause: str) -> bool:
    """Whether a host that is busy explains as well why a guest was lost."""
    return any(end.again for end in _table().ends if end.cause == cause)


def reported(text: str, own: Sequence[ConsoleLines] = ()) -> KernelReport | None:
    """Return the first thing that a kernel reported of itself; None if nothing.

    What a busy host explains as well counts only where nothing else was reported.

    Args:
        text: a cleaned console, or a log of the verifier.
        own: the lists of the kernel's row and of the suite, besides images/splats.yaml.
    """
    if not text:
        return None
    table = _table()
    deny = [*table.deny, *chain.from_iterable(it.deny for it in own)]
    allow = [*table.allow, *chain.from_iterable(it.allow for it in own)]
    doubtful = None
    for report in _reports(text.splitlines(), deny, allow):
        if not report.again:
            return report
        doubtful = doubtful or report
    return doubtful


def _reports(
    lines: Sequence[str], deny: Sequence[LinePattern], allow: Sequence[LinePattern]
) -> Iterator[KernelReport]:
    for number, line in enumerate(lines):
        words = _STAMP.sub("", line)
        found = _first(deny, words)
        if found is not None and _first(allow, words) is None:
            yield KernelReport(
                line=words.strip(),
                reason=found.reason,
                text="\n".join(_block(lines, number)),
                again=isinstance(found, _SourcedPattern) and found.again,
            )


def _first(patterns: Sequence[LinePattern], words: str) -> LinePattern | None:
    return next((it for it in patterns if it.compiled.search(words)), None)


def _block(lines: Sequence[str], number: int) -> Iterator[str]:
    """Yield a report from its first line to its last, as far as the kernel marks it."""
    start = number - 1 if number and _CUT in lines[number - 1] else number
    for line in lines[start : start + _MOST_REPORT]:
        yield line
        if _END in line:
            return


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
