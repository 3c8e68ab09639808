"""`bisect`: the kernel version with which a case began to fail."""

import argparse
import sys
from pathlib import Path

from runner import libbpf
from runner.bisect import candidates as candidates_
from runner.bisect import search, triallog
from runner.bisect.candidates import OfferedKernel, Versions
from runner.bisect.caseprobe import BisectedCase, CaseProbe, ProbeTools
from runner.bisect.search import BootState, SearchAnswer, WrongEndError
from runner.bisect.triallog import BisectQuestion, TrialLog
from runner.cli import bisectreport, subject
from runner.cli.bisectreport import BisectFindings
from runner.cli.bisectsteps import ShownSteps
from runner.cli.output import print_json, print_note
from runner.errors import ExitStatus, InfrastructureError, UsageError
from runner.files.cache import Cache
from runner.matrix import matrix as matrix_
from runner.reports import folder as reports
from runner.reports.atomic import write_text
from runner.reports.place import require_writable
from runner.run import options
from runner.suites import project
from runner.text import progress
from runner.text.progress import Progress

LOG = "bisect.jsonl"
RESULT = "bisect.json"
_REPORTS = Path("reports/bisect")

EPILOG = """\
KERNEL is ROW@VERSION (6.1@6.1.170-3, with a version as the package or `uname -r` has
it), or ROW: the version that a run of ROW boots. CASE is SUITE::CASE as reports print
it; with --object the suite is called objects.

The versions between the two come from the sources of their rows: debian, ubuntu, rpm,
and kernel-org with the key tree. --over adds the versions of other rows. --versions
names all of them, also rows whose source can't list versions (path, oci, snapshot).

Both ends are booted first. Where predictions tell them apart, predictions narrow the
search; otherwise a version in the middle is booted, again and again. The last good
version and the first bad one are always booted, twice. A version that can't be
fetched or booted is skipped. Each boot is written to a log: --resume goes on with it.

If the good kernel is the newer one, the search finds where the case was fixed.

exit status: 0 the first bad version was found; 1 only a range was, or boots of a
version disagree; 2 usage, or the good kernel is bad, or the bad one good; 3
infrastructure

examples:
  python -m runner bisect --good 6.1@6.1.170-3 --bad 6.1 core::fork
  python -m runner bisect --good 5.10 --bad 6.12 --over 6.1 core::fork
  python -m runner bisect --good 6.12@6.12.43-1 --bad 6.12 \\
      --object build/probe.bpf.o objects::probe
  python -m runner bisect --good a --bad d --versions b,c core::fork
  python -m runner bisect --good 5.10 --bad 6.12 core::fork --resume
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `bisect` takes."""
    parser.add_argument("case", metavar="CASE", help="SUITE::CASE, as reports print it")
    parser.add_argument(
        "--good",
        required=True,
        metavar="KERNEL",
        help="a version on which the case passes: ROW@VERSION, or ROW for what a run "
        "of it boots",
    )
    parser.add_argument(
        "--bad", required=True, metavar="KERNEL", help="a version on which it fails"
    )
    parser.add_argument(
        "--over",
        action="append",
        default=[],
        metavar="ROW",
        help="also search the versions of these rows; several with commas (default: "
        "the rows of --good and --bad)",
    )
    parser.add_argument(
        "--versions",
        action="append",
        default=[],
        metavar="KERNEL",
        help="search only these versions, ROW or ROW@VERSION; several with commas",
    )
    parser.add_argument(
        "--tries",
        default="2",
        metavar="N",
        help="how often the case runs on each side of the answer; results that differ "
        "are reported (default: 2)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the search that was interrupted, in the folder of --reports",
    )
    options.add_before_words(parser, *subject.OPTIONS)
    options.add_as(
        parser, "--reports", f"folder for the log and reports (default: {_REPORTS})"
    )
    parser.set_defaults(reports=_REPORTS)
    parser.add_argument(
        "--json",
        action="store_true",
        help=f"print what {RESULT} in the reports folder has",
    )


def main(arguments: argparse.Namespace) -> int:
    """Search, and print what was found.

    Raises UsageError for a wrong case, kernel or end; InfrastructureError if an end
    can't be booted, or a source not be asked.
    """
    tries = options.number_of(arguments.tries, lambda: 2)
    require_writable(arguments.reports)
    reports.make(arguments.reports)
    cache, bars = Cache(), progress.progress()
    about = subject.find(arguments, arguments.case, cache)
    versions = _versions(arguments, cache, bars)
    log = _log(arguments, about, versions)
    if versions[0].order > versions[-1].order:
        print_note(
            f"--good {versions[0].id} is newer than --bad {versions[-1].id}, so this "
            "searches the version that fixed it; swap them to find what broke it"
        )
    show = ShownSteps(versions, sys.stderr if arguments.json else sys.stdout)
    engine = libbpf.programs(arguments.libbpf, cache, bars).engine
    probe = CaseProbe(
        versions, about, log, ProbeTools(cache=cache, progress=bars, engine=engine)
    )
    show.begin(about.name, bool(log.trials))
    try:
        answer = search.search(len(versions), probe, show, tries=tries)
    except WrongEndError as error:
        raise _wrong_end(error, versions, arguments) from error
    except KeyboardInterrupt:
        print_note(_how_to_go_on(len(log.trials)))
        raise
    found = _found(answer, probe, about, versions)
    result = bisectreport.as_json(found)
    write_text(arguments.reports / RESULT, bisectreport.dump(result))
    if arguments.json:
        print_json(result)
    else:
        bisectreport.show(found)
    return ExitStatus.COMPATIBLE if found.is_certain else ExitStatus.INCOMPATIBLE


# -------------------------------------------------------------------- what is asked


def _versions(
    arguments: argparse.Namespace, cache: Cache, bars: Progress
) -> list[OfferedKernel]:
    """Return the versions from the good end to the bad one. Raises UsageError."""
    rows = Versions(matrix_.load(project.find(arguments.matrix).matrix), cache, bars)
    good = rows.one(arguments.good, "--good")
    bad = rows.one(arguments.bad, "--bad")
    if good.id == bad.id or good.order == bad.order:
        raise UsageError(
            f"--good and --bad are the same version: {good.id} and {bad.id}",
            hint="ROW alone means the version that a run of it boots; name others as "
            "ROW@VERSION",
        )
    named = subject.words(arguments.versions)
    if named:
        if arguments.over:
            raise UsageError("--versions and --over don't work together")
        others = [rows.one(it, "--versions") for it in named]
    else:
        words = (arguments.good, arguments.bad, *subject.words(arguments.over))
        asked = {it.id: it for it in map(rows.row, words)}
        others = [it for row in asked.values() for it in rows.of_row(row)]
    return candidates_.between(good, bad, others)


def _log(
    arguments: argparse.Namespace, about: BisectedCase, versions: list[OfferedKernel]
) -> TrialLog:
    question = BisectQuestion(
        case=about.name,
        versions=tuple(it.id for it in versions),
        suites_sha256=about.sha256,
    )
    return triallog.begun(arguments.reports / LOG, question, resume=arguments.resume)


def _how_to_go_on(boots: int) -> str:
    if not boots:
        return "nothing was booted to the end; with or without --resume it begins again"
    them = "boot" if boots == 1 else f"{boots} boots"
    return f"--resume goes on after the {them} so far"


def _wrong_end(
    error: WrongEndError, versions: list[OfferedKernel], arguments: argparse.Namespace
) -> UsageError | InfrastructureError:
    id_, boot = versions[error.number].id, error.boot
    is_good = error.number == 0
    option = "--good" if is_good else "--bad"
    if boot.state is BootState.SKIP:
        return InfrastructureError(
            f"{option} {id_} says nothing: {boot.message}",
            hint="name another version for that end",
        )
    told = "fails" if is_good else "passes"
    why = f": {boot.failure_class}: {boot.message}" if is_good else ""
    other = arguments.bad if is_good else arguments.good
    return UsageError(
        f"{option} {id_}: the case {told} there{why}",
        hint=f"name an end on which it {'passes' if is_good else 'fails'}"
        + ("" if is_good else f"; if it fails on {other}, swap --good and --bad"),
    )


def _found(
    answer: SearchAnswer,
    probe: CaseProbe,
    about: BisectedCase,
    versions: list[OfferedKernel],
) -> BisectFindings:
    good, bad = answer.good, answer.bad
    # As time goes by, whichever end is the good one.
    first, last = (good, bad) if versions[0].order < versions[-1].order else (bad, good)
    return BisectFindings(
        about=about,
        versions=tuple(versions),
        answer=answer,
        trials=tuple(probe.trials),
        foreseen=dict(probe.foreseen),
        artifacts={number: probe.artifact(number) for number in (good, bad)},
        steps=probe.changes(first, last),
        is_fix=first is bad,
    )
