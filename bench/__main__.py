"""`python -m bench`: times of the main job next to a bare boot and virtme-ng."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import (
    boots,
    fetches,
    figures,
    histories,
    newcomers,
    preflight,
    programs,
    runs,
)
from bench.boots import Virtme
from bench.figures import BARE, Figure, Samples
from runner.errors import ExitStatus, RunnerError, UsageError
from runner.files.shipped import ROOT
from runner.guest.guest import Origin

# Of other architectures. How long each may take: to be ready, in bare boots; to be
# restored, in cold boots; for a suite, in runs on x86_64.
_FOREIGN = {"6.1-arm64": (1.5, 1 / 6, 2), "6.12-s390x": (None, None, 3)}
_TWO_KERNELS = "6.1,6.12"
_THREE_KERNELS = "5.10,6.1,6.12"


def main(argv: Sequence[str]) -> int:
    """Measure, print a table, write JSON.

    What was measured is shown and written however the rest ends.
    """
    arguments = _parser().parse_args(argv)
    found = Samples()
    try:
        _measure(arguments, found)
    except RunnerError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return int(error.exit_status)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return int(ExitStatus.INTERRUPTED)
    finally:
        # Also when a fault of the bench ends it.
        _report(arguments, found)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--kernel", default="6.1", help="for one kernel (6.1)")
    parser.add_argument("--matrix", default="5.10,6.1,6.12,sid", help="for whole runs")
    parser.add_argument("--times", type=_count, default=5, help="runs of each (5)")
    parser.add_argument("--vng", type=Path, help="virtme-ng's program, to compare with")
    parser.add_argument(
        "--vng-image",
        type=Path,
        help="boot/vmlinuz-RELEASE of the kernel's unpacked package, next to its "
        "lib/modules/RELEASE with modules.dep (the installed one)",
    )
    parser.add_argument(
        "--part",
        choices=(
            "boots",
            "newcomers",
            "preflight",
            "programs",
            "page",
            "history",
            "fetches",
            "architectures",
            "all",
        ),
        default="all",
        help="what to measure (all)",
    )
    parser.add_argument(
        "--btfs", type=_count, default=1000, help="kernels to predict at once (1000)"
    )
    parser.add_argument("--json", type=Path, help="also write the figures here")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive number; it is {text!r}")
    return int(text)


def _report(arguments: argparse.Namespace, found: Samples) -> None:
    rows = found.rows(
        [
            *_of_runs(arguments.kernel, arguments.matrix),
            *_of_newcomers(arguments.kernel),
            *_of_programs(arguments.kernel),
            *_of_checks(arguments.btfs),
            *_of_page(),
            *_of_history(),
            *_of_fetches(),
            *_of_architectures(arguments.kernel),
        ]
    )
    if not rows:
        return
    figures.show(rows)
    if arguments.json:
        figures.write(rows, arguments.json)


def _measure(arguments: argparse.Namespace, found: Samples) -> None:
    """Measure the parts. Raises RunnerError, at once for what could not end well."""
    if arguments.json and not arguments.json.absolute().parent.is_dir():
        raise UsageError(f"--json {arguments.json}: the folder does not exist")
    if arguments.part == "page":
        measure_page(arguments, found)
        return
    if arguments.part == "history":
        measure_history(found)
        return
    if arguments.part == "fetches":
        measure_fetches(found)
        return
    if arguments.part == "architectures":
        measure_architectures(arguments, found)
        return
    subject = boots.origin(arguments.kernel)
    virtme = None
    if arguments.vng and arguments.part in ("boots", "all"):
        release = subject.artifact.release
        virtme = boots.virtme(arguments.vng, arguments.vng_image, release)
    if arguments.part in ("boots", "all"):
        measure_runs(arguments, subject, virtme, found)
    if arguments.part in ("newcomers", "all"):
        measure_newcomers(arguments, subject, found)
    if arguments.part in ("programs", "all"):
        measure_programs(arguments, subject, found)
    if arguments.part in ("preflight", "all"):
        measure_checks(arguments, subject, found)
    if arguments.part == "all" and shutil.which("chromium"):
        measure_page(arguments, found)
    if arguments.part == "all":
        measure_history(found)
        measure_fetches(found)


def measure_history(found: Samples) -> None:
    """Measure the site of 500 nights, which no guest is needed for."""
    with histories.written(histories.NIGHTS) as (runs_, site):
        found.add("history read", histories.made(site, runs_))
        found.add("history again", histories.made(site))
        index = site / "index.html"
        found.add("history index", index.stat().st_size / (1 << 20))


def measure_fetches(found: Samples) -> None:
    """Measure the fetch of rows that no cache has, which no guest is needed for."""
    fetched = fetches.fetched()
    found.add("fetched", fetched.seconds)
    found.add("sent", fetched.at_least)


def measure_page(arguments: argparse.Namespace, found: Samples) -> None:
    """Measure the page of a large run in a browser, which no guest is needed for."""
    # Takes what only `./dev test` installs.
    from bench import pages

    with pages.large() as page:
        found.add("render", page.render)
        found.add("page", page.size)
        for opening in pages.openings(page, arguments.times):
            found.add("opened", opening.opened)
            found.add("filtered", *opening.filtered)


def measure_runs(
    arguments: argparse.Namespace,
    subject: Origin,
    virtme: Virtme | None,
    found: Samples,
) -> None:
    """Measure starts and whole runs, taking turns, so that they compare."""
    # What is saved and compiled by the first of them.
    boots.restored(subject)
    runs.job(arguments.matrix)
    for _ in range(arguments.times):
        found.add(BARE, boots.bare(subject))
        cold, restored = boots.cold(subject), boots.restored(subject)
        found.add("cold", cold.seconds)
        found.add("restored", restored.seconds)
        found.add("memory", cold.resident, restored.resident)
        if virtme is not None:
            found.add("vng", virtme.seconds())
        found.add("task", runs.job(arguments.kernel, ROOT / "suites/task").seconds)
        found.add("further", runs.further_object(arguments.kernel))
        suites = runs.job(arguments.kernel)
        found.add("suites", suites.seconds)
        found.add("case", *suites.cases)
        found.add("matrix", runs.job(arguments.matrix).seconds)
        found.add("eleven", runs.first_issue(arguments.matrix).seconds)


def measure_architectures(arguments: argparse.Namespace, found: Samples) -> None:
    """Measure guests of other architectures next to one of this machine's, in turns."""
    suite = ROOT / "suites/task"
    origins = {name: boots.origin(name) for name in _FOREIGN}
    # What is saved and compiled by the first of them.
    runs.job(arguments.kernel, suite)
    for name in origins:
        runs.job(name, suite)
    for _ in range(arguments.times):
        found.add("task", runs.job(arguments.kernel, suite).seconds)
        for name, subject in origins.items():
            found.add(f"{name} bare", boots.bare(subject))
            found.add(f"{name} cold", boots.cold(subject).seconds)
            found.add(f"{name} restored", boots.restored(subject).seconds)
            found.add(f"{name} task", runs.job(name, suite).seconds)


def measure_programs(
    arguments: argparse.Namespace, subject: Origin, found: Samples
) -> None:
    """Measure programs of a user's own in guests."""
    # What is saved by the first of them.
    programs.true(arguments.kernel)
    measures_bare = BARE not in found
    for _ in range(arguments.times):
        if measures_bare:
            found.add(BARE, boots.bare(subject))
        found.add("true", programs.true(arguments.kernel))
        found.add("copied", programs.copied(subject))
        if shutil.which("go"):
            ran = programs.subtests(_THREE_KERNELS)
            found.add("subtests", ran.whole)
            found.add("tests", ran.tests)


def measure_newcomers(
    arguments: argparse.Namespace, subject: Origin, found: Samples
) -> None:
    """Measure the way to a first verdict, and the wait after a save."""
    # What is fetched, saved and compiled by the first of them.
    newcomers.first(_TWO_KERNELS)
    measures_bare = BARE not in found
    for _ in range(arguments.times):
        first = newcomers.first(_TWO_KERNELS)
        found.add("first", first.whole)
        found.add("run alone", first.alone)
    with newcomers.watched(arguments.kernel) as source:
        for _ in range(arguments.times):
            if measures_bare:
                found.add(BARE, boots.bare(subject))
            found.add("save", source.save())


def measure_checks(
    arguments: argparse.Namespace, booted: Origin, found: Samples
) -> None:
    """Measure preflight, on the newest kernel of the matrix."""
    subject = preflight.subject("sid")
    measures_bare = BARE not in found
    for _ in range(arguments.times):
        if measures_bare:
            found.add(BARE, boots.bare(booted))
        one, other = preflight.one(subject), preflight.bpftool(subject)
        found.add("one", one.cold.passed)
        found.add("one busy", one.cold.busy)
        found.add("indexed", one.warm)
        found.add("bpftool", other.passed)
        found.add("bpftool busy", other.busy)
        found.add("command", preflight.command(subject).passed)
    probes = preflight.subject("sid", preflight.PROBES)
    frames = preflight.subject("sid", preflight.FRAMES)
    for name, of in (("task", subject), ("probes", probes), ("frames", frames)):
        for _ in range(arguments.times):
            one_kernel = preflight.findings(of, 1)
            found.add(f"found {name}", one_kernel.with_them)
            found.add(f"relocated {name}", one_kernel.without)
    all_kernels = preflight.findings(probes, arguments.btfs)
    found.add("found many", all_kernels.with_them)
    found.add("relocated many", all_kernels.without)
    many = preflight.many(subject, arguments.btfs)
    found.add("many", many.cold.passed / 1000)
    found.add("many indexed", many.warm.passed / 1000)
    found.add("many busy", many.cold.busy / 1000)
    found.add("many indexed busy", many.warm.busy / 1000)
    found.add("each busy", *[many.cold.busy / arguments.btfs] * arguments.times)
    found.add("peak", many.peak)


# Limits of times are in bare boots of the same run.


def _of_runs(kernel: str, matrix: str) -> list[Figure]:
    return [
        Figure(name=BARE, what=f"{kernel}: bare QEMU boot to the first userspace line"),
        Figure(
            name="cold", what=f"{kernel}: cold ready, the agent answers", at_most=3.2
        ),
        Figure(
            name="restored", what=f"{kernel}: restore ready, the same", at_most=0.27
        ),
        Figure(
            name="restored",
            over="cold",
            what="restore ready to cold ready",
            unit="x",
            at_most=1 / 8,
        ),
        Figure(
            name="task", what=f"{kernel}: suite task, command to exit", at_most=1.35
        ),
        Figure(name="suites", what=f"{kernel}: all suites, command to exit"),
        Figure(name="case", what=f"{kernel}: one case"),
        Figure(name="further", what=f"{kernel}: each further object", at_most=0.32),
        Figure(name="eleven", what=f"{matrix}: 11 cases of 3 suites", at_most=4.3),
        Figure(name="matrix", what=f"{matrix}: all suites, command to exit"),
        Figure(name="memory", what="QEMU's peak memory", unit="MiB", at_most=350.0),
        Figure(name="vng", what=f"{kernel}: virtme-ng runs uname -r"),
        Figure(
            name="task",
            over="vng",
            what="suite task to virtme-ng",
            unit="x",
            at_most=1 / 8,
        ),
    ]


def _of_newcomers(kernel: str) -> list[Figure]:
    return [
        Figure(name="first", what=f"init of 2 objects, and a run on {_TWO_KERNELS}"),
        Figure(
            name="first",
            over="run alone",
            what="init and the run to the run alone",
            unit="x",
            at_most=3,
        ),
        Figure(name="save", what=f"{kernel}: watch, save to the verdict", at_most=0.6),
    ]


def _of_programs(kernel: str) -> list[Figure]:
    return [
        Figure(
            name="true",
            what=f"{kernel}: exec -- /bin/true, command to exit",
            at_most=0.8,
        ),
        Figure(
            name="copied",
            what=f"{kernel}: {programs.LARGE} MB copied into a guest",
            at_most=0.5,
        ),
        Figure(
            name="subtests",
            what=f"{_THREE_KERNELS}: 50 subtests of Go, to what they take themselves",
            unit="x",
            over="tests",
            at_most=1.5,
        ),
    ]


def _of_checks(btfs: int) -> list[Figure]:
    kernels = f"{btfs} kernels"
    each = btfs / 1000
    return [
        Figure(
            name="one",
            what="check: one kernel, engine and object new",
            unit="ms",
            at_most=0.032,
        ),
        Figure(name="one busy", what="  its processor time", unit="ms"),
        Figure(
            name="indexed", what="check: one from the index", unit="ms", at_most=0.0054
        ),
        Figure(name="command", what="check: one kernel, command to exit", unit="ms"),
        Figure(
            name="bpftool", what="bpftool gen min_core_btf, the same files", unit="ms"
        ),
        Figure(name="bpftool busy", what="  its processor time", unit="ms"),
        Figure(
            name="one",
            over="bpftool",
            what="check of one kernel to bpftool",
            unit="x",
            at_most=2,
        ),
        Figure(
            name="one busy",
            over="bpftool busy",
            what="  by processor time",
            unit="x",
            at_most=2,
        ),
        Figure(
            name="each busy",
            over="bpftool busy",
            what="check of each of many to it",
            unit="x",
            at_most=2,
        ),
        *(
            Figure(
                name=f"found {name}",
                over=f"relocated {name}",
                what=f"check: {what}, to relocation alone",
                unit="x",
                at_most=1.3,
            )
            for name, what in (
                ("task", "task on one kernel"),
                ("probes", "probes on one kernel"),
                ("frames", "10,000 instructions on one kernel"),
                ("many", f"probes on {kernels}"),
            )
        ),
        Figure(
            name="many", what=f"check: {kernels}, command to exit", at_most=8 * each
        ),
        Figure(name="many busy", what="  processor time"),
        Figure(
            name="many indexed",
            what=f"check: {kernels} from the index",
            at_most=1.6 * each,
        ),
        Figure(name="many indexed busy", what="  processor time"),
        Figure(
            name="peak",
            what=f"check: peak memory over {kernels}",
            unit="MiB",
            at_most=500,
        ),
    ]


def _of_page() -> list[Figure]:
    page = "page of 100 kernels, 500 cases"
    return [
        Figure(name="render", what=f"{page}: written"),
        Figure(name="page", what=f"{page}: its size", unit="MiB", at_most=4),
        Figure(name="opened", what=f"{page}: opened in Chromium", unit="ms"),
        Figure(name="filtered", what=f"{page}: filtered", unit="ms"),
    ]


def _of_history() -> list[Figure]:
    site = f"history of {histories.NIGHTS} runs"
    return [
        Figure(name="history read", what=f"{site}: read and made"),
        Figure(name="history again", what=f"{site}: made again, as each night"),
        Figure(name="history index", what=f"{site}: its overview", unit="MiB"),
    ]


def _of_fetches() -> list[Figure]:
    return [
        Figure(
            name="fetched",
            over="sent",
            what="fetch of 40 rows, to what its slowest server takes",
            unit="x",
            at_most=1.5,
        ),
    ]


def _of_architectures(kernel: str) -> list[Figure]:
    return [
        figure
        for name, (cold, restored, task) in _FOREIGN.items()
        for figure in (
            Figure(
                name=f"{name} cold",
                over=f"{name} bare",
                what=f"{name}: cold ready to its bare boot",
                unit="x",
                at_most=cold,
            ),
            Figure(
                name=f"{name} restored",
                over=f"{name} cold",
                what=f"{name}: restore ready to cold ready",
                unit="x",
                at_most=restored,
            ),
            Figure(
                name=f"{name} task",
                over="task",
                what=f"{name}: suite task to that of {kernel}",
                unit="x",
                at_most=task,
            ),
        )
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
