"""What the page's script knows: a run as compact JSON that is safe in HTML."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup

from runner.reports import loads, output
from runner.reports.compare import Comparison
from runner.reports.style import BY_WEIGHT, LOOKS
from runner.reports.templating import excerpt
from runner.reports.text import clean
from runner.results import CaseResult, KernelRun, Outcome, ProgramState

# Mismatches of a case that are shown; a map dump may have thousands.
MOST_MISMATCHES = 100

# Characters of all logs together: browsers hold more, mail and artifact viewers don't.
_ALL_LOGS = 24_000_000
_TOO_MUCH = "[this run has too many logs for one page; see results.json]"

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

    def number(self, text: str) -> int:
        """Return the place of a text without control characters; -1 of an empty one."""
        return self.place(clean(text))

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
        self._left = _ALL_LOGS

    def number(self, text: str) -> int:
        """Return the place of a log's excerpt among the strings."""
        if text not in self._numbers:
            shown = excerpt(text) if self._left > 0 else text and _TOO_MUCH
            self._left -= len(shown)
            self._numbers[text] = self._strings.place(shown)
        return self._numbers[text]


def embedded(data: object) -> Markup:
    """Return JSON that is the same inside of a script element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.translate(_UNSAFE))


def data(
    kernels: Iterable[KernelRun],
    suites: Iterable[str],
    cases: Iterable[CaseResult],
    comparison: Comparison | None,
) -> dict[str, object]:
    """Return what report.js reads; it says there what is what."""
    kernels, suites = list(kernels), list(suites)
    strings = _Strings()
    logs = _Logs(strings)
    details: list[object] = []
    rows: list[list[object]] = []
    of_kernel = {kernel.id: number for number, kernel in enumerate(kernels)}
    of_suite = {suite: number for number, suite in enumerate(suites)}
    of_outcome = {outcome: number for number, outcome in enumerate(BY_WEIGHT)}
    for case in cases:
        detail = -1
        if _has_more(case):
            detail = len(details)
            details.append(_detail(case, comparison, strings, logs))
        rows.append(
            [
                of_kernel[case.kernel],
                of_suite[case.suite],
                strings.number(case.case),
                of_outcome[case.outcome],
                round(case.duration, 3),
                case.checked,
                detail,
                strings.number(case.predicted),
            ]
        )
    return {
        "looks": [look(outcome) for outcome in BY_WEIGHT],
        "passed": of_outcome[Outcome.PASSED],
        "suites": [clean(suite) for suite in suites],
        "kernels": [_kernel(kernel, logs) for kernel in kernels],
        "cases": rows,
        "details": details,
        "strings": strings.all,
    }


def look(outcome: Outcome) -> Mapping[str, str]:
    """Return the sign and the word of an outcome, and the class that colours them."""
    found = LOOKS[outcome]
    return {"class": outcome.value, "sign": found.sign, "word": found.word}


def _has_more(case: CaseResult) -> bool:
    """Whether there is more to say of it than that it passed."""
    return bool(
        case.outcome is not Outcome.PASSED
        or case.flaky
        or case.not_available
        or case.message
        or case.recorded
    )


def _detail(
    case: CaseResult, comparison: Comparison | None, strings: _Strings, logs: _Logs
) -> Mapping[str, Any]:
    phases = case.phases
    return {
        "phases": [round(it, 3) for it in (phases.load, phases.trigger, phases.check)],
        "message": strings.number(case.message),
        "class": clean(case.failure_class),
        "cure": strings.number(case.cure),
        "where": strings.number(where(case)),
        "object": strings.number(f"{case.object_path} {case.object_sha256}".strip()),
        "flaky": strings.number(case.flaky),
        "change": _change(case, comparison),
        "missing": [strings.number(it) for it in case.not_available],
        "mismatches": [
            [
                strings.number(text)
                for text in (
                    f"{it.subject} {it.key} {it.field}",
                    it.expected,
                    it.observed,
                )
            ]
            for it in case.mismatches[:MOST_MISMATCHES]
        ],
        "left": max(0, len(case.mismatches) - MOST_MISMATCHES),
        "log": logs.number(case.log),
        "console": logs.number(case.console),
        "programs": [
            strings.number(f"{it.name} ({it.section or it.type}): {_state(it)}")
            for it in case.programs
        ]
        + [
            strings.number(
                f"{it.name} (struct_ops map): "
                + ("registered" if it.registered else f"not registered: {it.why}")
            )
            for it in case.struct_ops
        ],
        "loaded": [strings.number(it) for it in loads.lines(case)],
        "printed": [
            [strings.number(it.title), logs.number(it.text)]
            for command in case.commands
            for it in output.streams(command)
        ],
    }


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


def _kernel(kernel: KernelRun, logs: _Logs) -> Mapping[str, object]:
    evidence = {
        "why it did not come up": kernel.error,
        "what to do": kernel.cure,
        "release": kernel.release,
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
        "evidence": [[name, clean(text)] for name, text in evidence.items() if text],
        "console": logs.number(kernel.console),
    }


def _seconds(found: tuple[float, ...]) -> str:
    """Return "2, each 3.1 s to 3.4 s"."""
    if not found:
        return ""
    low, high = f"{min(found):.1f} s", f"{max(found):.1f} s"
    return low if len(found) == 1 else f"{len(found)}, each {low} to {high}"
