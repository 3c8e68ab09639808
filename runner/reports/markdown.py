"""summary.md: a run for GitHub's job summary and comments on pull requests.

What comes from suites, objects and guests stands in code spans and code blocks, where
GitHub sees no markup, mention or link in it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from runner.errors import ExitStatus
from runner.reports import looks, output
from runner.reports.compare import (
    VANISHED_CURE,
    Comparison,
    Gate,
    gate_status,
    vanished_words,
)
from runner.reports.groups import Group, grouped
from runner.reports.looks import (
    LOOKS,
    by_cell,
    cell,
    counts,
    shown,
    suites,
)
from runner.reports.release import Release, btf_need
from runner.reports.support import ranges
from runner.reports.text import clean, one_line
from runner.results import (
    CaseResult,
    KernelRun,
    Outcome,
    RunResults,
    exit_status,
)

# What a comment may have; a job summary may have a megabyte.
LIMIT = 65_536

# By this, a comment of an earlier run is found again.
MARKER = "<!-- bpf-kernel-matrix -->"

# Characters of a message, and lines of a log.
_MESSAGE = 600
_LOG_LINES = 25
_LOG_WIDTH = 300
_MISMATCHES = 10
# Rows of a table, and cases on a line.
_ROWS = 60
_NAMES = 20

_SECTION = "\n\n"


def render(
    results: RunResults,
    comparison: Comparison | None = None,
    *,
    release: Release | None = None,
    gate: Gate = Gate.ALL,
    limit: int = LIMIT,
) -> str:
    """Return a run as Markdown of at most `limit` bytes, which is no fewer characters.

    `gate` is what the run is judged by. When there is too little room, logs go first,
    then failures from the end, then kernels without any trouble.
    """
    vanished = vanished_words(results, comparison)
    title = _title(results, gate_status(results, gate, comparison), vanished)
    for logs, rows in ((True, _ROWS), (False, _ROWS), (False, 10)):
        text = _fitted(
            [title, *_head(results, comparison, release, rows)],
            _failures(results, comparison, logs=logs),
            _tail(results),
            limit,
        )
        if text is not None and (_is_whole(text) or not logs):
            return text
    return _cut(f"{title}\n", limit)


def release_notes(results: RunResults, release: Release) -> str:
    """Return a release's compatibility report."""
    return _SECTION.join([*_release(results, release), _matrix(results, 10_000)]) + "\n"


# ------------------------------------------------------------------- escaping


def code(text: str, *, most: int = _MESSAGE) -> str:
    """Return text as a code span on one line."""
    line = one_line(text)
    if len(line) > most:
        line = line[:most] + "…"
    if not line:
        return ""
    fence = "`" * (_longest_run(line) + 1)
    blank = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{blank}{line}{blank}{fence}"


def block(text: str, *, most: int = _LOG_LINES) -> str:
    """Return the last lines of a text as a code block."""
    lines = [line[:_LOG_WIDTH] for line in clean(text).rstrip().splitlines()]
    left_out = len(lines) - most
    if left_out > 0:
        lines = [f"[{left_out} lines left out]", *lines[-most:]]
    fence = "`" * max(3, _longest_run("\n".join(lines)) + 1)
    return "\n".join([f"{fence}text", *lines, fence])


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _row(cells: Iterable[str]) -> str:
    # A bar ends a cell, even one in a code span.
    return "| " + " | ".join(it.replace("|", "\\|") for it in cells) + " |"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---"] * len(head)
    return "\n".join(_row(it) for it in (head, rule, *rows))


def _names(names: Iterable[str]) -> str:
    all_ = list(names)
    more = f" and {len(all_) - _NAMES} more" if len(all_) > _NAMES else ""
    return ", ".join(code(it) for it in all_[:_NAMES]) + more


# -------------------------------------------------------------------- sections


def _title(results: RunResults, judged: ExitStatus, vanished: str) -> str:
    """Return the heading; `judged` is what the gate says, `vanished` how many did."""
    status = exit_status(results)
    verdict = looks.verdict(results)
    if vanished:
        verdict += f", {'and' if judged is status else 'but'} {vanished}"
    elif judged is not status:
        verdict += ", but not by a regression"
    sign = {0: "✅", 1: "❌"}.get(int(judged), "⚠️")
    return f"{MARKER}\n## {sign} Kernel matrix: {verdict}"


def _head(
    results: RunResults,
    comparison: Comparison | None,
    release: Release | None,
    rows: int,
) -> list[str]:
    number = len(results.kernels)
    kernels = f"{number} kernel{'' if number == 1 else 's'}"
    parts = [
        f"{counts(results)}; {kernels}, {results.duration:.1f} s. "
        f"Works on: {code(ranges(results).statement)}.",
    ]
    if not results.complete:
        parts.append(_incomplete(results))
    parts += [
        f"- {LOOKS[Outcome.FAILED].sign} {code(it.nodeid)}, a test that runs on no "
        f"kernel: {code(it.message[:_MESSAGE])}"
        for it in results.failed_tests[:_ROWS]
    ]
    if comparison is not None:
        parts += _changes(comparison, vanished_words(results, comparison))
    if release is not None:
        parts += _release(results, release)
    return [*parts, _matrix(results, rows)]


def _incomplete(results: RunResults) -> str:
    """Say that there is no verdict, and which cases have no result."""
    lines = [
        "**This run has no verdict: it ended before every planned case had a result.**"
    ]
    lines += [
        f"- Did not run: {code(name)}" + (f" on {code(on)}" if on else "")
        for name, on in looks.names(results.undone, _NAMES)
    ]
    return "\n".join(lines)


def _changes(comparison: Comparison, vanished: str) -> list[str]:
    lines = [
        f"Compared with the run of {code(comparison.baseline)}: {comparison.words}."
    ]
    for what, cases in (
        ("Regressions", comparison.regressions),
        ("New cases that fail", comparison.new_failures),
        ("Fixed", comparison.fixes),
        ("Vanished", comparison.vanished),
        ("New gaps", comparison.new_gaps),
        ("Lost to infrastructure", comparison.lost),
    ):
        if cases:
            names = _names(f"{it.kernel} {it.suite}::{it.case}" for it in cases)
            lines.append(f"- **{what}**: {names}")
    for slower in comparison.slower[:_NAMES]:
        lines.append(
            f"- **Slower**: {code(slower.kernel)} {slower.what}, "
            f"{slower.before:.1f} s → {slower.after:.1f} s"
        )
    if comparison.not_run:
        lines.append(f"- **Kernels not run**: {_names(comparison.not_run)}")
    if vanished:
        lines.append(f"\n{vanished}. {VANISHED_CURE}")
    return ["\n".join(lines)]


def _matrix(results: RunResults, most: int) -> str:
    cells, names = by_cell(results), suites(results)
    rows: list[list[str]] = []
    quiet = 0
    trouble = {
        case.kernel
        for case in results.cases
        if case.outcome in (Outcome.FAILED, Outcome.ERROR)
    }
    for kernel in results.kernels:
        if len(results.kernels) > most and (
            len(rows) >= most or not (kernel.error or kernel.id in trouble)
        ):
            quiet += 1
            continue
        row = [code(shown(kernel)), _kernel_note(kernel)]
        for suite in names:
            found = cell(cells.get((kernel.id, suite), ()))
            row.append(found.text if found else "")
        rows.append(row)
    text = _table(["kernel", "release", *map(code, names)], rows)
    if quiet:
        text += f"\n\nand {quiet} more kernels; see report.html"
    return text


def _kernel_note(kernel: KernelRun) -> str:
    if kernel.error:
        return f"{LOOKS[Outcome.ERROR].sign} did not come up"
    return " ".join(filter(None, (code(kernel.release), kernel.accelerator)))


def _failures(
    results: RunResults, comparison: Comparison | None, *, logs: bool
) -> list[str]:
    gone = {kernel.id for kernel in results.kernels if kernel.error}
    failed = grouped(results.cases, Outcome.FAILED)
    lost = grouped(
        (case for case in results.cases if case.kernel not in gone), Outcome.ERROR
    )
    if comparison is not None:
        failed.sort(key=lambda it: comparison.weight(it.cases))
    return [
        *(_failure(it, comparison, logs=logs) for it in failed),
        *(_lost_kernel(it) for it in results.kernels if it.error),
        *(_failure(it, comparison, logs=logs) for it in lost),
    ]


def _failure(group: Group, comparison: Comparison | None, *, logs: bool) -> str:
    case = group.first
    sign = LOOKS[case.outcome].sign
    lines = [f"#### {sign} {code(group.name)} on {_names(group.kernels)}", ""]
    if comparison is not None:
        for word, kernels in comparison.changes_of(group.cases).items():
            lines.append(f"- **{word}** on {_names(kernels)}")
    lines.append(f"- why: {code(group.why)} ({code(case.failure_class or 'no class')})")
    if case.cure:
        lines.append(f"- what to do: {code(case.cure)}")
    if case.source_path:
        lines.append(f"- where: {code(f'{case.source_path}:{group.line}')}")
    if len(case.mismatches) > 1:
        lines += ["", _mismatches(case)]
    text = "\n".join(lines)
    if logs:
        # Of an object that loaded, the log says nothing.
        log = "" if case.mismatches else case.log
        text += "".join([*_folded("log", log), *_folded("console", case.console)])
        command = output.failed(case)
        for stream in () if command is None else output.streams(command):
            # Which command it is stands in the message.
            text += "".join(_folded(f"{stream.name} of the command", stream.text))
    return text


def _mismatches(case: CaseResult) -> str:
    rows = [
        (
            code(" ".join(filter(None, (it.subject, it.key, it.field)))),
            code(it.expected),
            code(it.observed),
        )
        for it in case.mismatches[:_MISMATCHES]
    ]
    return _table(["what", "expected", "observed"], rows)


def _folded(name: str, text: str) -> Iterator[str]:
    if text.strip():
        yield (f"\n\n<details><summary>{name}</summary>\n\n{block(text)}\n\n</details>")


def _lost_kernel(kernel: KernelRun) -> str:
    lines = [
        f"#### ! {code(shown(kernel))} did not come up",
        "",
        f"- why: {code(kernel.error)}",
    ]
    if kernel.cure:
        lines.append(f"- what to do: {code(kernel.cure)}")
    return "\n".join(lines) + "".join(_folded("console", kernel.console))


def _tail(results: RunResults) -> list[str]:
    gaps = grouped(results.cases, Outcome.SKIPPED)
    lines = [
        f"- {code(it.name)} on {_names(it.kernels)}: {code(it.why)}"
        for it in gaps[:_ROWS]
    ]
    notes = [
        f"- {code(it.id)}: {code(note)}"
        for it in results.kernels
        for note in it.remarks
    ][:_ROWS]
    found = []
    for title, entries in (("Declared gaps", lines), ("Notes", notes)):
        if entries:
            body = "\n".join(entries)
            found.append(f"<details><summary>{title}</summary>\n\n{body}\n\n</details>")
    return found


# --------------------------------------------------------------------- releases


def _release(results: RunResults, release: Release) -> Iterator[str]:
    yield f"## Compatibility of {code(release.name)}"
    yield f"Works on: {code(release.ranges.statement)}."
    yield _table(
        ["kernel", "release", "verdict", "BTF", "image SHA-256"],
        [
            (
                code(it.kernel.id),
                code(it.kernel.release),
                str(it.support),
                code(btf_need(it.kernel)),
                code(it.kernel.image_sha256),
            )
            for it in release.ranges.tested
        ],
    )
    if release.programs:
        yield "### Programs"
        yield _table(
            ["object", "program", "section", "oldest kernel", "works on", "helpers"],
            [
                (
                    code(it.object_path),
                    code(it.program.name),
                    code(it.program.section),
                    code(it.ranges.minimum or "none"),
                    code(it.ranges.statement),
                    _names(it.program.helpers),
                )
                for it in release.programs
            ],
        )
    if release.maps:
        yield "### Maps"
        yield _table(
            ["object", "map", "type"],
            [(code(path), code(it.name), code(it.type)) for path, it in release.maps],
        )
    needs = [
        f"- {what}: {_names(names)}"
        for what, names in (
            ("program types", release.program_types),
            ("map types", release.map_types),
            ("helpers", release.helpers),
        )
        if names
    ]
    if needs:
        yield "### What a kernel must have"
        yield "\n".join(needs)
    for title, gaps in (
        ("Known failures", release.failures),
        ("Known gaps", release.gaps),
    ):
        if gaps:
            yield f"### {title}"
            yield "\n".join(
                f"- {code(it.name)} on {_names(it.kernels)}: {code(it.reason)}"
                for it in gaps
            )
    yield "### Objects and tools"
    yield _table(
        ["what", "SHA-256 or version"],
        [
            (code(name), code(value))
            for name, value in (*release.objects, *release.tools)
        ],
    )


# ------------------------------------------------------------------- the limit


_LEFT_OUT = "more failures are left out here"


def _fitted(
    head: Sequence[str], failures: Sequence[str], tail: Sequence[str], limit: int
) -> str | None:
    """Return what fits, failures from the first on; None when the head does not."""
    room = limit - _size([*head, *tail]) - 200
    if room < 0:
        tail, room = (), limit - _size(head) - 200
    if room < 0:
        return None
    taken: list[str] = []
    for text in failures:
        room -= len(text.encode()) + len(_SECTION)
        if room < 0:
            break
        taken.append(text)
    heading = ["### Failures"] if taken else []
    left = len(failures) - len(taken)
    note = [f"_{left} {_LEFT_OUT}; see report.html._"] if left else []
    return _SECTION.join([*head, *heading, *taken, *note, *tail]) + "\n"


def _is_whole(text: str) -> bool:
    return _LEFT_OUT not in text


def _size(parts: Sequence[str]) -> int:
    return sum(len(it.encode()) + len(_SECTION) for it in parts)


def _cut(text: str, limit: int) -> str:
    return text.encode()[:limit].decode("utf-8", "ignore")
