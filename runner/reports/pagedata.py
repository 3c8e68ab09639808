"""What the page's script knows: a run as compact JSON that is safe in HTML.

A run of 100 kernels and 500 cases has 50,000 results. So a case is one row with its
outcomes as letters, and every text is kept once. report-data.js says what is what.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from runner.failures.classes import CLASSES
from runner.reports import foretold, loads, logfold, neighbours, output, repeat
from runner.reports.compare import Comparison
from runner.reports.style import BY_WEIGHT, LOOKS
from runner.reports.templating import excerpt
from runner.reports.text import clean, one_line
from runner.results import (
    CaseKey,
    CaseResult,
    KernelRun,
    Outcome,
    ProgramCost,
    ProgramState,
    SourceExcerpt,
)

# Mismatches of a case that are shown; a map dump may have thousands.
MOST_MISMATCHES = 100

# Characters of all logs together: browsers hold more, mail and artifact viewers don't.
_ALL_LOGS = 24_000_000
_TOO_MUCH = "[this run has too many logs for one page; see results.json]"
# Values of all checks that held.
_ALL_MATCHES = 100_000

# What may end a script element or begin a comment in it, and the two line ends that
# JSON allows and scripts of before ES2019 do not. "&" is for those who serve the page
# as XHTML.
_UNSAFE = {
    ord(char): f"\\u{ord(char):04x}" for char in ("<", ">", "&", "\u2028", "\u2029")
}


class _Strings:
    """Texts, each kept once: a thousand kernels say the same."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._numbers: dict[str, int] = {}
        # By texts as they were given.
        self._known: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Return the place of a text without control characters; -1 of an empty one."""
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = self.place(clean(text))
        return known

    def place(self, text: str) -> int:
        """Return the place of a text that is clean."""
        if not text:
            return -1
        if text not in self._numbers:
            self._numbers[text] = len(self.all)
            self.all.append(text)
        return self._numbers[text]


class _Logs:
    """Excerpts of logs, up to what one page holds."""

    def __init__(self, strings: _Strings) -> None:
        self._strings = strings
        self._numbers: dict[str, int] = {}
        self._folded: dict[tuple[str, str], int] = {}
        self._left = _ALL_LOGS

    def number(self, text: str) -> int:
        """Return the place of a log's excerpt among the strings."""
        if text not in self._numbers:
            shown = excerpt(text) if self._left > 0 else text and _TOO_MUCH
            self._left -= len(shown)
            self._numbers[text] = self._strings.place(shown)
        return self._numbers[text]

    def folded(self, case: CaseResult) -> int:
        """Return the place of the lines of a case's log that say why."""
        key = case.log, case.message
        if key not in self._folded:
            shown = folded(case) if self._left > 0 else ""
            self._left -= len(shown)
            self._folded[key] = self._strings.place(shown)
        return self._folded[key]


class _Evidence:
    """What checks that held have read, each set of values kept once."""

    def __init__(self, strings: _Strings) -> None:
        self._strings = strings
        self.all: list[list[list[int]]] = []
        self._numbers: dict[tuple[tuple[int, ...], ...], int] = {}
        self._left = _ALL_MATCHES

    def number(self, case: CaseResult) -> int:
        """Return the place of a case's evidence; -1 where there is none."""
        number = self._strings.number
        found = tuple(
            tuple(map(number, (it.subject, it.key, it.field, it.expected, it.observed)))
            for it in case.matches
        )
        if not found or (found not in self._numbers and self._left < len(found)):
            return -1
        if found not in self._numbers:
            self._left -= len(found)
            self._numbers[found] = len(self.all)
            self.all.append([list(it) for it in found])
        return self._numbers[found]


def embedded(data: object) -> Markup:
    """Return JSON that is the same inside of a script element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.translate(_UNSAFE))


def data(
    kernels: Iterable[KernelRun],
    suites: Iterable[str],
    cases: Iterable[CaseResult],
    comparison: Comparison | None,
    guest: Sequence[str] = (),
) -> dict[str, object]:
    """Return what the page's script reads; report-data.js says there what is what.

    `guest` is what the run had for --guest.
    """
    kernels, suites, cases = list(kernels), list(suites), list(cases)
    strings = _Strings()
    logs, evidence = _Logs(strings), _Evidence(strings)
    details: list[object] = []
    of_kernel = {kernel.id: number for number, kernel in enumerate(kernels)}
    of_suite = {suite: number for number, suite in enumerate(suites)}
    of_outcome = {outcome: number for number, outcome in enumerate(BY_WEIGHT)}
    rows = []
    for group in _by_case(suites, cases):
        # Of two results of one case, as in an edited file, the worse one.
        known = {
            of_kernel[it.kernel]: it
            for it in sorted(group, key=lambda it: -of_outcome[it.outcome])
        }
        on = [known[number] for number in sorted(known)]
        letters = [" "] * len(kernels)
        detailed: dict[int, int] = {}
        for number, case in known.items():
            letters[number] = str(of_outcome[case.outcome])
            if _has_more(case):
                detailed[number] = len(details)
                details.append(_detail(case, comparison, strings, logs))
        first = on[0]
        again = repeat.command(first, guest)
        rows.append(
            [
                of_suite[first.suite],
                strings.number(first.case),
                strings.number(next((it.description for it in on), "")),
                strings.number(again.program),
                strings.number(again.selection),
                "".join(letters),
                [round(it.duration, 2) for it in on],
                _same([it.checked for it in on]),
                _same([strings.number(_foretold(it)) for it in on]),
                _same([evidence.number(it) for it in on]),
                _same([strings.number(_costs(it)) for it in on]),
                detailed,
            ]
        )
    classes = {case.failure_class for case in cases if case.failure_class in CLASSES}
    groups = neighbours.groups_of(kernels)
    return {
        "looks": [look(outcome) for outcome in BY_WEIGHT],
        "passed": of_outcome[Outcome.PASSED],
        "suites": [clean(suite) for suite in suites],
        "kernels": [_kernel(kernel, groups[kernel.id], logs) for kernel in kernels],
        "rows": rows,
        "details": details,
        "evidence": evidence.all,
        "classes": {name: CLASSES[name].meaning for name in sorted(classes)},
        "strings": strings.all,
    }


def places(
    kernels: Sequence[KernelRun], suites: Sequence[str], cases: Iterable[CaseResult]
) -> Mapping[CaseKey, int]:
    """Return where each result is in the script's matrix of cases by kernels."""
    of_kernel = {kernel.id: number for number, kernel in enumerate(kernels)}
    return {
        case.key: number * len(kernels) + of_kernel[case.kernel]
        for number, group in enumerate(_by_case(suites, cases))
        for case in group
    }


def _by_case(
    suites: Sequence[str], cases: Iterable[CaseResult]
) -> list[list[CaseResult]]:
    """Return each case's results; the cases of a suite follow each other."""
    found: dict[tuple[str, str], list[CaseResult]] = {}
    for case in cases:
        found.setdefault((case.suite, case.case), []).append(case)
    order = {suite: number for number, suite in enumerate(suites)}
    return [found[key] for key in sorted(found, key=lambda it: order[it[0]])]


def look(outcome: Outcome) -> Mapping[str, str]:
    """Return the sign and the word of an outcome, and the class that colours them."""
    found = LOOKS[outcome]
    return {"class": outcome.value, "sign": found.sign, "word": found.word}


def _same(values: Sequence[int]) -> int | list[int]:
    """Return a value that all kernels have, or the value of each."""
    return values[0] if len(set(values)) == 1 else list(values)


def _has_more(case: CaseResult) -> bool:
    """Whether there is more to say of it than that it passed."""
    return bool(
        case.outcome is not Outcome.PASSED
        or case.flaky
        or case.failed_in_used_guest
        or case.not_available
        or case.message
        or case.recorded
        or case.environment
    )


def _detail(
    case: CaseResult, comparison: Comparison | None, strings: _Strings, logs: _Logs
) -> Mapping[str, Any]:
    """Return what is known of a case; what is empty is left out."""
    phases = case.phases
    number = strings.number
    found: dict[str, Any] = {
        "phases": [round(it, 3) for it in (phases.load, phases.trigger, phases.check)],
        "message": number(case.message),
        "class": clean(case.failure_class),
        "cure": number(case.cure),
        "where": number(where(case)),
        "source": _source(case.excerpt, case.source_line, strings),
        "object": number(f"{case.object_path} {case.object_sha256}".strip()),
        "guest": number(case.guest_words),
        "flaky": number(case.flaky or case.used_guest_words),
        "change": _change(case, comparison),
        "missing": [number(it) for it in case.not_available],
        "mismatches": [
            list(map(number, (it.subject, it.key, it.field, it.expected, it.observed)))
            for it in case.mismatches[:MOST_MISMATCHES]
        ],
        "left": max(0, len(case.mismatches) - MOST_MISMATCHES),
        "log": logs.number(case.log),
        "folded": logs.folded(case),
        "console": logs.number(case.console),
        "programs": [
            number(f"{it.name} ({it.section or it.type}): {_state(it)}")
            for it in case.programs
        ]
        + [
            number(
                f"{it.name} (struct_ops map): "
                + ("registered" if it.registered else f"not registered: {it.why}")
            )
            for it in case.struct_ops
        ],
        "loaded": [number(it) for it in loads.lines(case)],
        "printed": [
            [number(it.title), logs.number(it.text)]
            for command in case.commands
            for it in output.streams(command)
        ],
    }
    return {
        name: value for name, value in found.items() if value not in ("", -1, [], 0)
    }


def folded(case: CaseResult) -> str:
    """Return the lines of a log that say why; empty where none does."""
    parts = logfold.fold(excerpt(case.log), case.message)
    if all(part.is_folded for part in parts):
        return ""
    return "\n".join(
        part.note if part.is_folded else "\n".join(line.text for line in part.lines)
        for part in parts
    )


def _source(around: SourceExcerpt | None, line: int, strings: _Strings) -> list[Any]:
    """Return the number of the first line, that of the one that counts, and lines."""
    if around is None:
        return []
    return [around.first, line, strings.number("\n".join(around.lines))]


def _foretold(case: CaseResult) -> str:
    """Return all that preflight said of a case; the verdict alone is no sentence."""
    said = [it.removeprefix("predicted: ") for it in foretold.lines(case)]
    return "\n".join(map(one_line, said))


def _costs(case: CaseResult) -> str:
    """Return a line for each program of a case; most kernels have the same."""
    return "\n".join(_cost(it) for it in case.cost if it.is_known)


def _cost(cost: ProgramCost) -> str:
    """Return "on_exec: 41 instructions verified, 64 bytes of stack".

    The time differs from run to run; the table has it.
    """
    parts = (
        (cost.verified_insns, "instructions verified"),
        (cost.total_states, "states"),
        (cost.peak_states, "states at most"),
        (cost.stack_depth, "bytes of stack"),
        (cost.bytes_xlated, "bytes translated"),
        (cost.bytes_jited, "bytes compiled"),
    )
    words = [f"{value:,} {what}" for value, what in parts if value is not None]
    return f"{cost.program}: {', '.join(words)}"


def _state(program: ProgramState) -> str:
    if program.attached:
        return "loaded and attached"
    state = "loaded, not attached" if program.loaded else "not loaded"
    return f"{state}: {program.why}" if program.why else state


def where(case: CaseResult) -> str:
    """Return the source and, if it is known, the line: "suites/task/task.bpf.c:41"."""
    if case.source_path and case.source_line:
        return f"{case.source_path}:{case.source_line}"
    return case.source or case.source_path


def _change(case: CaseResult, comparison: Comparison | None) -> str:
    """Return a case compared with an earlier run."""
    if comparison is None or case.outcome is not Outcome.FAILED:
        return ""
    return comparison.change(case) or "known failure"


def _kernel(kernel: KernelRun, family: str, logs: _Logs) -> Mapping[str, object]:
    evidence = {
        "why it did not come up": kernel.error,
        "what to do": kernel.cure,
        "architecture": kernel.arch,
        "release": kernel.release,
        "tags": ", ".join(kernel.tags),
        "image": kernel.image,
        "image's SHA-256": kernel.image_sha256,
        "BTF": kernel.btf_source,
        "BTF's SHA-256": kernel.btf_sha256,
        "boots": _seconds(kernel.boots),
        "restores": _seconds(kernel.restores),
        "QEMU": " ".join(filter(None, (kernel.qemu, kernel.accelerator))),
        "libbpf": kernel.libbpf,
        "libbpf's source": kernel.libbpf_source,
        "its SHA-256": kernel.libbpf_sha256,
        "bpftool": kernel.bpftool,
        "counts": "" if kernel.required else "no: it is not required",
        "notes": "\n".join(kernel.remarks),
        "command": kernel.qemu_command,
    }
    return {
        "id": clean(kernel.id),
        "release": clean(kernel.release),
        "family": clean(family),
        "tags": [clean(it) for it in kernel.tags],
        "lost": bool(kernel.error),
        "evidence": [[name, clean(text)] for name, text in evidence.items() if text],
        "console": logs.number(kernel.console),
    }


def _seconds(found: tuple[float, ...]) -> str:
    """Return "2, each 3.1 s to 3.4 s"."""
    if not found:
        return ""
    low, high = f"{min(found):.1f} s", f"{max(found):.1f} s"
    return low if len(found) == 1 else f"{len(found)}, each {low} to {high}"
