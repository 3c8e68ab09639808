"""`explain`: what happened to a case, or what a class of failures means."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from rich.text import Text

from runner.cli.called import as_called
from runner.cli.output import print_json
from runner.errors import ExitStatus, UsageError
from runner.failures.classes import CLASSES, related_to
from runner.reports import RESULTS, classpage, explanation, resultsfile
from runner.reports.explanation import ExplainedRun
from runner.reports.folder import USUAL
from runner.reports.resultsfile import ResultsFileError
from runner.reports.style import BY_WEIGHT
from runner.results import CaseKey, CaseResult, Outcome
from runner.run import options
from runner.text import console
from runner.text.nearest import nearest
from runner.text.tables import print_rows
from runner.text.wrap import print_wrapped

EPILOG = """\
WHAT is one of

  CLASS          a class of failures, as reports show it: poison_reachable
  CASE           a case, as reports show it: task::state, or state; where it failed
  CASE@KERNEL    the same on one kernel
  PATTERN        with *, ? and []: 'task::*@6.*' lists the cases if there are several

Without WHAT, it lists what failed.

examples:
  python -m runner explain
  python -m runner explain task::state@6.1
  python -m runner explain state --reports shards/all
  python -m runner explain poison_reachable
"""

_BAD = (Outcome.FAILED, Outcome.ERROR)
_WILD = "*?["
_MOST_NEAR = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `explain` takes."""
    parser.add_argument(
        "what", nargs="?", metavar="WHAT", help="a class, a case, or CASE@KERNEL"
    )
    options.add(parser, "--reports")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(arguments: argparse.Namespace) -> int:
    """Explain a class or cases. Raises UsageError for what there is not."""
    what: str = arguments.what or ""
    if what in CLASSES:
        _show_class(what, arguments)
        return ExitStatus.COMPATIBLE
    run = _read(arguments.reports, what)
    keys = list(_chosen(what, run)) if what else _failed(run)
    if not keys and what:
        raise _nothing(what, run)
    if arguments.json:
        cases = _results(keys, run)
        print_json([it.model_dump(mode="json") for it in cases])
    elif not what or _several(keys):
        _list(keys, run, what)
    else:
        _show(keys, run)
    return ExitStatus.COMPATIBLE


# ---------------------------------------------------------------- what is meant


def _chosen(what: str, run: ExplainedRun) -> Iterator[CaseKey]:
    """Yield the cases of a run that a word means."""
    name, kernel = _parted(what, run)
    on = [key for key in run.results.plan if not kernel or _matches(kernel, key.kernel)]
    return iter(
        [key for key in on if name in (key.case, f"{key.suite}::{key.case}")]
        or [key for key in on if _fits(name, key)]
    )


def _parted(what: str, run: ExplainedRun) -> tuple[str, str]:
    """Return the case and the kernel of CASE@KERNEL; no kernel of CASE alone.

    A kernel may be ROW@VERSION.
    """
    kernels = {key.kernel for key in run.results.plan}
    words = what.split("@")
    for number in range(1, len(words)):
        name, kernel = "@".join(words[:number]), "@".join(words[number:])
        if any(_matches(kernel, it) for it in kernels):
            return name, kernel
    name, at, kernel = what.rpartition("@")
    return (name, kernel) if at else (what, "")


def _fits(name: str, key: CaseKey) -> bool:
    """Whether a pattern, or a suite, means a case."""
    whole = f"{key.suite}::{key.case}"
    if any(it in name for it in _WILD):
        return fnmatchcase(whole, name) or fnmatchcase(key.case, name)
    return name == key.suite


def _matches(pattern: str, kernel: str) -> bool:
    return pattern == kernel or fnmatchcase(kernel, pattern)


def _several(keys: Sequence[CaseKey]) -> bool:
    return len({(key.suite, key.case) for key in keys}) > 1


def _failed(run: ExplainedRun) -> list[CaseKey]:
    """Return the cases that did not pass, and those without a result."""
    bad = [it.key for it in run.results.cases if it.outcome in _BAD]
    return [*bad, *run.results.undone]


def _nothing(what: str, run: ExplainedRun) -> UsageError:
    name, kernel = _parted(what, run)
    plan = run.results.plan
    if kernel and list(_chosen(name, run)):
        kernels = dict.fromkeys(key.kernel for key in _chosen(name, run))
        return UsageError(
            f"{name} has no result on a kernel {kernel!r} in {run.file}",
            hint=f"it ran on {', '.join(kernels)}",
        )
    names = [f"{key.suite}::{key.case}" for key in plan] + [key.case for key in plan]
    near = nearest(name or what, [*CLASSES, *dict.fromkeys(names)], _MOST_NEAR)
    return UsageError(
        f"{what!r} is neither a class of failures nor a case in {run.file}",
        hint=f"did you mean {' or '.join(near)}?"
        if near
        else "python -m runner explain lists what failed; docs/classes.md the classes",
    )


def _read(given: Path, what: str) -> ExplainedRun:
    path = given / RESULTS if given.is_dir() else given
    if not path.exists():
        near = nearest(what, CLASSES, _MOST_NEAR)
        hint = "run first, or name the folder of a run's reports: --reports DIR"
        if near:
            hint = f"did you mean the class {' or '.join(near)}? Otherwise {hint}"
        about = f"{what!r} is not a class of failures, and " if what else ""
        raise UsageError(f"{about}there is no {path}", hint=hint)
    return ExplainedRun(results=resultsfile.read(path), file=path)


# ----------------------------------------------------------------- what is shown


def _show_class(name: str, arguments: argparse.Namespace) -> None:
    failure = CLASSES[name]
    if arguments.json:
        print_json(
            {
                "class": name,
                "meaning": failure.meaning,
                "cure": failure.cure,
                "doubt": failure.doubt,
                "related": [it.name for it in related_to(failure)],
            }
        )
        return
    seen: Sequence[CaseResult] = ()
    # The class means the same without a run.
    with suppress(ResultsFileError):
        seen = resultsfile.read(arguments.reports / RESULTS).cases
    classpage.render(name, seen, console.make())


def _results(keys: Sequence[CaseKey], run: ExplainedRun) -> list[CaseResult]:
    wanted = set(keys)
    return [it for it in run.results.cases if it.key in wanted]


def _show(keys: Sequence[CaseKey], run: ExplainedRun) -> None:
    """Show a case: where it failed, or else all of it."""
    cases = _results(keys, run)
    undone = set(keys) - {it.key for it in cases}
    bad = [it for it in cases if it.outcome in _BAD]
    found = [
        explanation.of_group(it, run)
        for it in explanation.same(bad or ([] if undone else cases))
    ]
    found += [explanation.of_undone(it, run) for it in keys if it in undone]
    explanation.render(found, console.make(), as_called)


def _list(keys: Sequence[CaseKey], run: ExplainedRun, what: str) -> None:
    by_key = {it.key: it for it in run.results.cases}
    if not keys:
        print(f"nothing failed in {run.file}", file=sys.stderr)
        return

    def weight(key: CaseKey) -> int:
        return BY_WEIGHT.index(by_key[key].outcome) if key in by_key else 0

    print_rows(
        ("outcome", "case", "class"),
        [
            (
                str(by_key[key].outcome) if key in by_key else "did not run",
                f"{key.suite}::{key.case}@{key.kernel}",
                by_key[key].failure_class if key in by_key else "",
            )
            for key in sorted(keys, key=weight)
        ],
    )
    given = run.folder if run.file.name == RESULTS else run.file
    more = f" --reports {given}" if given != USUAL else ""
    words = as_called(f"python -m runner explain CASE@KERNEL{more}")
    print()
    print_wrapped(console.make(), Text(f"To read about one: {words}"))
