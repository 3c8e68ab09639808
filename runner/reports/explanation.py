"""Everything that a run knows of a case, for `explain`: what happened, why, what to do.

Results of a case that are the same on several kernels are explained together.
"""

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from runner.failures.classes import CLASSES
from runner.files.yamltext import inline
from runner.reports import (
    agreement,
    failure,
    foretold,
    loads,
    logfold,
    output,
    style,
    styled,
)
from runner.reports.groups import Group
from runner.reports.logfold import LogPart
from runner.reports.sourcelines import SourceText, excerpt
from runner.reports.style import LOOKS
from runner.results import (
    CaseKey,
    CaseResult,
    Mismatch,
    Outcome,
    ProgramState,
    RunResults,
)

# As the command line replaces it by what the user typed.
_PROGRAM = "python -m runner"
_MOST_MISMATCHES = 20
# Suites that the command line makes in the folder of reports, and what made them.
_MADE_OF_OBJECTS = "objects"
_MADE_OF_COMMAND = "exec"
# Files of a kernel below the reports' folder.
_FILES = ("runner.log", "console.log")


@dataclass(frozen=True, kw_only=True)
class ShownSource:
    """Lines of source, with their file's name and what to know of them."""

    name: str
    note: str
    lines: tuple[SourceText, ...]
    file: Path | None


@dataclass(frozen=True, kw_only=True)
class NextStep:
    """What one may want to do now, with the command or the file for it."""

    what: str
    text: str
    file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What explain.j2 shows of a case; what is empty is left out."""

    title: str
    outcome: Outcome
    # Sentences.
    what: tuple[str, ...]
    mismatches: tuple[Mismatch, ...] = ()
    # How many more there are.
    left: int = 0
    # What was read as expected.
    matches: tuple[tuple[str, str], ...] = ()
    excerpt: ShownSource | None = None
    # Each with its title.
    logs: tuple[tuple[str, tuple[LogPart, ...]], ...] = ()
    # What a failing command printed, a line each.
    printed: tuple[str, ...] = ()
    # Names with what is to be said of them.
    programs: tuple[tuple[str, str], ...] = ()
    costs: tuple[tuple[str, str], ...] = ()
    commands: tuple[tuple[str, str], ...] = ()
    loaded: tuple[tuple[str, str], ...] = ()
    cure: str = ""
    next: tuple[NextStep, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExplainedRun:
    """A run, and where its files are."""

    results: RunResults
    # Its results.json; the other reports lie next to it.
    file: Path
    # The folder that paths in the reports are relative to.
    started: Path = field(default_factory=Path.cwd)

    @property
    def folder(self) -> Path:
        """The folder of its reports."""
        return self.file.parent


def render(
    found: Sequence[Explanation],
    console: Console,
    as_called: Callable[[str], str] = str,
) -> None:
    """Print explanations; `as_called` writes commands as the user calls the program."""
    text = styled.template("explain.j2", failure.FILTERS).render(
        found=found, looks=LOOKS, sign=lambda outcome: styled.sign(outcome, console)
    )
    styled.print_text(console, as_called(text.lstrip("\n")))


def same(cases: Iterable[CaseResult]) -> list[Group]:
    """Return results of cases, those together that say the same of a case."""
    found: dict[tuple[object, ...], list[CaseResult]] = {}
    for case in cases:
        key = (
            *(case.suite, case.case, case.outcome, case.failure_class, case.source),
            *(case.message, case.mismatches, case.cure, case.flaky),
        )
        found.setdefault(key, []).append(case)
    return [Group(cases=tuple(it)) for it in found.values()]


def of_group(group: Group, run: ExplainedRun) -> Explanation:
    """Return what is known of results of a case that say the same."""
    case = group.first
    is_bad = case.outcome in (Outcome.FAILED, Outcome.ERROR)
    shown = case.mismatches[:_MOST_MISMATCHES]
    label = f" [{case.failure_class}]" if case.failure_class and is_bad else ""
    return Explanation(
        title=f"{group.title}: {style.word(case)}{label}",
        outcome=case.outcome,
        what=tuple(_what(group, run.results)),
        mismatches=shown,
        left=len(case.mismatches) - len(shown),
        matches=tuple(
            (f"{it.where}: ", f"{it.observed} (expected {it.expected})")
            for it in case.matches
        ),
        excerpt=_source(case, run) if is_bad else None,
        logs=tuple(_logs(case)) if is_bad else (),
        printed=tuple(title or it for title, it in failure.printed_lines(group)),
        programs=tuple((f"{it.name}: ", _state(it)) for it in case.programs),
        costs=tuple(_costs(case)),
        commands=tuple(
            (f"{it.name}: ", f"{output.words(it)} ({it.ending})")
            for it in case.commands
        ),
        loaded=tuple(("", it) for it in loads.lines(case)),
        cure=_cure(case) if is_bad else "",
        next=tuple(_next(group, run)),
    )


def of_undone(key: CaseKey, run: ExplainedRun) -> Explanation:
    """Return why a planned case has no result."""
    return Explanation(
        title=f"{key.suite}::{key.case} on {key.kernel}: did not run",
        outcome=Outcome.ERROR,
        what=("The run ended before this case had a result.",),
        next=tuple(_files(key.kernel, run)),
    )


# ----------------------------------------------------------------- what happened


def _what(group: Group, results: RunResults) -> Iterator[str]:
    case = group.first
    if case.description:
        yield case.description
    if case.message and case.message not in map(str, case.mismatches):
        yield case.message
    meaning = CLASSES.get(case.failure_class)
    if meaning is not None and case.outcome is not Outcome.SKIPPED:
        yield f"{case.failure_class}: {meaning.meaning}."
    yield from _lost(group, results)
    if case.outcome is Outcome.PASSED:
        yield f"{_counted(case.checked, 'expectation')} held."
    for it in case.not_available:
        yield f"Not checked: {it}"
    if case.environment:
        yield f"Its guest had {case.guest_words}."
    yield from _predicted(case)
    yield from (f"Relocated otherwise: {it}" for it in case.relocated_otherwise)
    if case.flaky:
        yield f"This is the second try; at the first: {case.flaky}"
    if case.used_guest_words:
        yield f"It {case.used_guest_words}"
    if case.left_words:
        yield f"It {case.left_words}"
    if case.log_words:
        yield f"Not all was seen: {case.log_words}"
    yield from _times(group)
    yield from _elsewhere(group, results)


def _lost(group: Group, results: RunResults) -> Iterator[str]:
    for kernel in results.kernels:
        if kernel.id in group.kernels and kernel.error not in group.why:
            yield f"{kernel.id} did not come up: {kernel.error}"


def _predicted(case: CaseResult) -> Iterator[str]:
    if case.predicted:
        yield f"Predicted without a boot: {case.predicted}."
    if case.not_predicted:
        yield f"Nothing was predicted: {case.not_predicted}"
    if case.not_known:
        yield f"Not known without a boot: {', '.join(case.not_known)}."
    yield from (f"Predicted {foretold.words(it)}." for it in case.findings)


def _times(group: Group) -> Iterator[str]:
    for case in group.cases:
        parts = case.phases
        spent = ((it, getattr(parts, it)) for it in ("load", "trigger", "check"))
        words = ", ".join(f"{name} {took:.2f} s" for name, took in spent if took)
        on = f" on {case.kernel}" if len(group.cases) > 1 else ""
        if case.duration:
            yield f"It took {case.duration:.2f} s{on}" + (
                f": {words}." if words else "."
            )


def _elsewhere(group: Group, results: RunResults) -> Iterator[str]:
    """Yield how the case ended on other kernels, such as "Passed on 6.1, 6.12."."""
    found: dict[str, list[str]] = {}
    for case in results.cases:
        same = (case.suite, case.case) == (group.first.suite, group.first.case)
        if same and case.kernel not in group.kernels:
            found.setdefault(style.word(case), []).append(case.kernel)
    for word, kernels in found.items():
        yield f"{word[0].upper()}{word[1:]} on {', '.join(kernels)}."


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _state(program: ProgramState) -> str:
    if program.attached:
        state = "loaded and attached"
    else:
        state = "loaded, not attached" if program.loaded else "not loaded"
    kind = program.section or program.type
    why = f": {program.why}" if program.why and not program.attached else ""
    return f"{kind}, {state}{why}" if kind else f"{state}{why}"


def _costs(case: CaseResult) -> Iterator[tuple[str, str]]:
    """Yield what each program costs the kernel, as far as it says so."""
    for cost in case.cost:
        known = (
            (cost.verified_insns, "instructions verified"),
            (cost.peak_states, "states at most"),
            (cost.stack_depth, "bytes of stack"),
            (cost.bytes_xlated, "bytes of instructions"),
            (cost.bytes_jited, "bytes of machine code"),
        )
        words = ", ".join(f"{number:,} {what}" for number, what in known if number)
        if words:
            yield f"{cost.program}: ", words


# ------------------------------------------------------------- source and logs


def _source(case: CaseResult, run: ExplainedRun) -> ShownSource | None:
    found = excerpt(case, run.started)
    if found is None:
        return None
    file = found.read_from
    if file is None:
        note = ""
    elif found.is_of_object:
        note = f"from {file.name}, which has lines with instructions only"
    elif file.stat().st_mtime > _ended(run):
        note = "changed since the run, so lines may have moved"
    else:
        note = ""
    return ShownSource(name=case.source, note=note, lines=found.lines, file=file)


def _ended(run: ExplainedRun) -> float:
    """Return when the reports were written, in seconds since 1970."""
    try:
        return run.file.stat().st_mtime
    except OSError:
        return float("inf")


def _logs(case: CaseResult) -> Iterator[tuple[str, tuple[LogPart, ...]]]:
    for name, text in (("Log", case.log), ("Console", case.console)):
        parts = logfold.fold(text, case.message)
        if name == "Console" and parts:
            # These are the last lines already.
            parts = [LogPart(lines=it.lines, is_folded=False) for it in parts]
        lines = sum(len(it.lines) for it in parts)
        shown = sum(len(it.lines) for it in parts if not it.is_folded)
        if shown:
            much = "" if shown == lines else f" ({shown} of {lines} lines)"
            yield f"{name}{much}", tuple(parts)


# --------------------------------------------------------------------- what to do


def _cure(case: CaseResult) -> str:
    known = CLASSES.get(case.failure_class)
    if case.cure:
        return case.cure
    return known.cure if known else output.where_to_look(case)


def _next(group: Group, run: ExplainedRun) -> Iterator[NextStep]:
    case = group.first
    yield NextStep(what="run it again:", text=_again(group, run))
    if case.failure_class in CLASSES and case.outcome is not Outcome.SKIPPED:
        words = f"{_PROGRAM} explain {case.failure_class}"
        yield NextStep(what="the class:", text=words)
    if case.outcome is not Outcome.SKIPPED:
        yield NextStep(what="a shell there:", text=_shell(case))
    if case.log.strip():
        words = f"{run.file} ({len(case.log.splitlines())} lines)"
        yield NextStep(what="the whole log:", text=words, file=run.file)
    yield from _files(case.kernel, run)


def _shell(case: CaseResult) -> str:
    """Return the command that opens a shell in such a guest."""
    words = [*_PROGRAM.split(), "shell"]
    for key, value in case.environment.items():
        words += ["--guest", f"{key}={inline(value)}"]
    words.append(case.kernel)
    return shlex.join(words)


def _files(kernel: str, run: ExplainedRun) -> Iterator[NextStep]:
    for name in _FILES:
        file = run.folder / kernel / name
        if file.is_file():
            yield NextStep(what=f"{file.stem} log:", text=str(file), file=file)


def _again(group: Group, run: ExplainedRun) -> str:
    """Return the command that runs the case on these kernels again."""
    case = group.first
    suite = Path(case.nodeid.partition("::")[0])
    words = [*_PROGRAM.split()]
    kernels = ["--kernels", ",".join(_kernels(group, run))]
    for setting in run.results.selection.guest:
        kernels += ["--guest", setting]
    made_of = suite.parent.name if _is_made(suite, run) else ""
    if made_of == _MADE_OF_COMMAND and case.commands:
        words += ["exec", *kernels, "--", *case.commands[-1].argv]
    elif made_of == _MADE_OF_OBJECTS:
        words += [*kernels, "--object", case.object_path]
    else:
        words += kernels
        if case.nodeid and (run.started / suite).exists():
            words += ["--suite", str(suite.parent if suite.suffix != ".py" else suite)]
        words += ["-k", f"{case.suite}::{case.case}"]
    return shlex.join(words)


def _kernels(group: Group, run: ExplainedRun) -> Sequence[str]:
    """Return the kernels of a group, with those that its case is compared with."""
    if not agreement.is_waiting(group.first):
        return group.kernels
    name = (group.first.suite, group.first.case)
    return [it.kernel for it in run.results.cases if (it.suite, it.case) == name]


def _is_made(suite: Path, run: ExplainedRun) -> bool:
    """Whether a suite was made from arguments, into the folder of reports."""
    return (run.started / suite).parent.parent.resolve() == run.folder.resolve()
