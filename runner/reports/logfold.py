"""A log of libbpf and the verifier, folded to the lines that say why.

A log has hundreds of lines; a few of them are about the failure: the verifier's verdict
and the instructions before it, libbpf's words on the relocation, and its errors.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from runner.failures.classify import failed_program, verdict_lines, verifier_log
from runner.reports.text import clean

# Lines before a verdict: some instructions with their lines of source.
_BEFORE = 8
# Fewer lines are shown rather than replaced by a line that counts them.
_FEWEST_FOLDED = 2
# A message may share shorter lines with a log by chance.
_SHORTEST_SAID = 12

_RELOCATION = re.compile(r"^libbpf: prog '([^'\n]*)': relo #\d+: ")
_UNRESOLVED = re.compile(
    r"no matching targets found|substituting insn|ambiguity|unsupported|failed"
)
_REFUSED = re.compile(r"BPF program load failed: ")
_TROUBLE = re.compile(
    r"\b(failed|error|can't|cannot|couldn't|not (found|supported|resolved)|unsupported|"
    r"unknown|invalid|incompatible|missing|refused|mismatch)\b",
    re.IGNORECASE,
)
# What follows from a failure, and says no more than that there was one.
_FOLLOWS = re.compile(
    r"-- (BEGIN|END) PROG LOAD LOG --|failed to load object|: failed to load: -\d+$|"
    r"BPF program load failed: "
)


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """A line of a log, without its line end."""

    text: str
    # Whether it is the verdict: why the object was refused.
    is_verdict: bool = False


@dataclass(frozen=True, kw_only=True)
class LogPart:
    """Lines of a log that belong together: all are shown, or all are folded."""

    lines: tuple[LogLine, ...]
    is_folded: bool

    @property
    def note(self) -> str:
        """What stands for folded lines."""
        return f"[… {len(self.lines)} lines]"


def fold(log: str, message: str = "") -> list[LogPart]:
    """Return all lines of a log in their order, in parts that are shown or folded.

    `message` is the failure's, which repeats the line of the log that says most. The
    lines are clean (runner.reports.text). A log without a word on a failure, such as
    that of a load that went well, is folded as a whole.
    """
    text = clean(log).strip("\n")
    lines = text.splitlines()
    verdicts = set(_verdicts(text, lines, message))
    kept = verdicts | set(_around(lines, verdicts)) | set(_relocated(text, lines))
    trouble = {
        at
        for at, line in enumerate(lines)
        if line.startswith("libbpf: ") and _TROUBLE.search(line)
    }
    kept |= {at for at in trouble if not _FOLLOWS.search(lines[at])}
    return list(_parts(lines, kept or trouble, verdicts))


def _verdicts(text: str, lines: list[str], message: str) -> Iterator[int]:
    """Yield where the lines stand that say why, the last ones of several alike."""
    said = {it.strip() for it in lines if _is_said(it, message)}
    verdict = verdict_lines(verifier_log(text)) if _is_refused(text) else []
    for words in said | {*verdict}:
        yield max(at for at, line in enumerate(lines) if line.strip() == words)


def _is_refused(text: str) -> bool:
    """Whether the verifier's last words are a refusal, and not on a program it took."""
    return bool(_REFUSED.search(text)) or "libbpf: " not in text


def _is_said(line: str, message: str) -> bool:
    stripped = line.strip()
    return len(stripped) >= _SHORTEST_SAID and stripped in message


def _around(lines: list[str], verdicts: Iterable[int]) -> Iterator[int]:
    """Yield the lines before a verdict of the verifier."""
    for at in verdicts:
        for before in range(at - 1, max(-1, at - 1 - _BEFORE), -1):
            if lines[before].startswith("libbpf: "):
                break
            yield before


def _relocated(text: str, lines: list[str]) -> Iterator[int]:
    """Yield libbpf's lines on relocations that it could not resolve."""
    program = failed_program(text)
    unresolved = {
        found[0]
        for line in lines
        if (found := _RELOCATION.match(line))
        and found[1] == program
        and _UNRESOLVED.search(line)
    }
    for at, line in enumerate(lines):
        found = _RELOCATION.match(line)
        if found and found[0] in unresolved:
            yield at


def _parts(lines: list[str], kept: set[int], verdicts: set[int]) -> Iterator[LogPart]:
    runs = [
        (is_kept, list(run))
        for is_kept, run in groupby(range(len(lines)), lambda at: at in kept)
    ]
    is_folded = [not is_kept and len(run) >= _FEWEST_FOLDED for is_kept, run in runs]
    for folded, members in groupby(zip(is_folded, runs, strict=True), lambda it: it[0]):
        yield LogPart(
            lines=tuple(
                LogLine(text=lines[at], is_verdict=at in verdicts)
                for _, (_, run) in members
                for at in run
            ),
            is_folded=folded,
        )
