"""`check`: what becomes of objects on kernels, without booting them."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import get_args

from runner import libbpf
from runner.arch import Architecture, named
from runner.bpf.object import BpfObject, read_whole
from runner.cli import github_output, givenobjects
from runner.cli.checkedkernels import CheckedKernels
from runner.cli.checkedkernels import uses_matrix as uses_matrix
from runner.cli.givenobjects import GivenObject
from runner.cli.output import print_json
from runner.errors import (
    ExitStatus,
    InfrastructureError,
    RunnerError,
    UsageError,
    file_errors,
)
from runner.files.cache import Cache, sha256_of
from runner.preflight import check as check_
from runner.preflight import expectedcost, findingsfile, show
from runner.preflight.buildcode import ProgramCode, by_program, codes
from runner.preflight.engine import Engine
from runner.preflight.expectedcost import CheckedObject, ExpectedCost
from runner.preflight.history import history
from runner.preflight.located import located
from runner.preflight.model import Verdict, no_warning
from runner.preflight.predict import Loader
from runner.preflight.showbuilds import show_builds
from runner.preflight.showcost import show_costs
from runner.preflight.steps import steps
from runner.preflight.targets import BtfSource
from runner.reports import resultsfile
from runner.results import RunResults
from runner.run import options
from runner.suites import builds
from runner.text import progress

# Objects that are checked before their results are printed. A kernel's BTF is read once
# for all of them, in about the time that three objects take.
_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class ObjectCode:
    """What is in an object's code, for `--json`."""

    object: str
    programs: tuple[ProgramCode, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "objects",
        nargs="*",
        type=Path,
        metavar="OBJECT",
        help="a BPF object, its source (.bpf.c), or a folder of them, such as a suite",
    )
    parser.add_argument(
        "--btf",
        action="append",
        metavar="FILE|DIR|kernels",
        help="kernels to check against: raw BTF, .btf.tar.xz, a vmlinux, a folder of "
        "them, VERSION=FILE, or the matrix's kernels in the cache (default: kernels)",
    )
    parser.add_argument(
        "--kernels",
        action="append",
        metavar="SELECTOR",
        help="which of the matrix's kernels; several with commas (default: all rows)",
    )
    options.add(parser, *options.KERNEL_FILES)
    parser.add_argument(
        "--modules",
        type=_names,
        metavar="NAMES",
        help="modules that the matrix's kernels load, with commas; '' for none "
        "(default: `guest: {modules: …}` of rows, and of the suite next to an object)",
    )
    parser.add_argument(
        "--vmlinux",
        metavar="KERNEL",
        help="the row of the matrix whose types sources include as vmlinux.h, where no "
        "suite says it",
    )
    parser.add_argument(
        "-n",
        "--workers",
        default="auto",
        metavar="N",
        help="number of processes (default: auto, one per processor)",
    )
    parser.add_argument(
        "--explain",
        nargs="+",
        metavar=("KERNEL|FIELD", "FIELD"),
        help="show what happened to a field, such as task_struct.state, on all "
        "kernels, and mark one of them if you name it; takes no objects",
    )
    parser.add_argument(
        "--changes",
        action="store_true",
        help="show what changes from each kernel to the next: renamed, moved, "
        "resized, retyped, and what exists now",
    )
    parser.add_argument(
        "--cost",
        action="append",
        default=[],
        type=Path,
        metavar="RESULTS.json",
        help="also show what the verifier would process, by what these runs booted; on "
        "other kernels that is a guess",
    )
    parser.add_argument(
        "--loader",
        choices=get_args(Loader),
        default="libbpf",
        help="what loads the objects; see docs/compat.md (default: libbpf)",
    )
    options.add(parser, "--libbpf")
    _add_findings(parser)
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="every relocation, not only gaps"
    )
    parser.add_argument(
        "--variants",
        action="extend",
        nargs="+",
        default=[],
        metavar="AXIS=VALUES",
        help="also how several builds of each source differ: every combination of "
        "clang=14,19 mcpu=v1,v3 define:DEBUG=0,1",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _names(text: str) -> tuple[str, ...]:
    return tuple(it.strip() for it in text.split(",") if it.strip())


def _add_findings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strict",
        action="store_true",
        help="exit with status 1 also for what loads, and can't be attached or reads "
        "something else",
    )
    parser.add_argument(
        "--accept",
        action="append",
        default=[],
        metavar="WARNING",
        help="a warning that is meant: a kind, such as argument_changed, or its name, "
        "such as 'argument_changed:vfs_unlink, argument *'; may be repeated",
    )
    parser.add_argument(
        "--sarif",
        type=Path,
        metavar="FILE",
        help="also write what no relocation shows as SARIF 2.1.0",
    )


def main(arguments: argparse.Namespace) -> int:
    """Print what becomes of objects on kernels; 1 when one would not load.

    3 when of some nobody can tell, and all others would.

    Raises UsageError for what can't be used.
    """
    cache = Cache()
    engine = libbpf.programs(arguments.libbpf, cache, progress.progress()).engine
    if arguments.explain:
        return _explain(arguments, cache, engine)
    if not arguments.objects:
        raise UsageError(
            "no object to check", hint="give an object, its source, or a suite's folder"
        )
    workers = options.number_of(arguments.workers, check_.processors)
    _require_sense(arguments)
    axes = builds.of_words(arguments.variants)
    kernels = CheckedKernels(
        arguments, cache, compiles=givenobjects.may_be_compiled(arguments.objects)
    )
    sources = kernels.sources(None)
    objects, refused = givenobjects.find(
        *(arguments.objects, axes, _architectures(sources), cache, engine),
        types=kernels.types,
        modules=arguments.modules,
        vmlinux=arguments.vmlinux,
    )
    for error in refused.values():
        print(error.told, file=sys.stderr)
    runs = [resultsfile.read(it) for it in arguments.cost]
    if arguments.changes:
        status = _changes(objects, kernels, arguments, engine)
        return ExitStatus.USAGE if refused else status
    batches = _batches(objects, kernels, arguments, workers, cache, engine)
    if arguments.json:
        found = list(batches)
        costs = {"costs": list(map(asdict, _costs(objects, sources, runs)))}
        several = any(it.build for it in objects)
        built = {"builds": [*map(asdict, _codes(objects))]} if several else {}
        all_ = {**show.as_json(found, refused), **(costs if runs else {}), **built}
        print_json(all_)
    else:
        found = show.show(batches, verbose=arguments.verbose, accepted=arguments.accept)
        _show_builds(objects)
        if runs:
            show_costs(_costs(objects, sources, runs))
    status, warned = _status(found, refused), _report_findings(found, arguments)
    fails = warned and arguments.strict and status is not ExitStatus.USAGE
    return ExitStatus.INCOMPATIBLE if fails else status


def _require_sense(arguments: argparse.Namespace) -> None:
    """Refuse what would only show when all is done. Raises UsageError."""
    for name in arguments.accept:
        if wrong := no_warning(name):
            raise UsageError(f"--accept: {wrong}")
    if arguments.sarif and not arguments.sarif.absolute().parent.is_dir():
        raise UsageError(f"--sarif {arguments.sarif}: there is no such folder")


def _report_findings(
    batches: Sequence[show.Batch], arguments: argparse.Namespace
) -> bool:
    """Write findings where they are wanted; return whether any is not accepted."""
    found = [
        it
        for it in show.spread(batches)
        if not it.finding.is_accepted(arguments.accept)
    ]
    if arguments.sarif:
        with file_errors(InfrastructureError, arguments.sarif):
            arguments.sarif.write_text(findingsfile.sarif(found))
    if github_output.is_there():
        # Standard output may be JSON.
        for line in findingsfile.annotations(found):
            print(line, file=sys.stderr)
    return bool(found)


def _show_builds(objects: Sequence[GivenObject]) -> None:
    by_source: dict[Path, list[GivenObject]] = {}
    for it in objects:
        known = by_source.setdefault(it.source, [])
        # One that is checked with other modules as well is no other build.
        if it.path not in [other.path for other in known]:
            known.append(it)
    for source, built in by_source.items():
        if len(built) > 1:
            show_builds(source.name, by_program([_code(it) for it in built]))


def _codes(objects: Sequence[GivenObject]) -> list[ObjectCode]:
    return [ObjectCode(object=it.name, programs=tuple(_code(it))) for it in objects]


def _code(it: GivenObject) -> list[ProgramCode]:
    return codes(it.build, _read(it.path))


def _costs(
    objects: Sequence[GivenObject],
    sources: Sequence[BtfSource],
    runs: Sequence[RunResults],
) -> list[ExpectedCost]:
    return [
        found
        for architecture, own in _by_architecture(sources).items()
        for found in expectedcost.expected(
            [
                CheckedObject(name=it.name, sha256=sha256_of(it.on(architecture)))
                for it in objects
            ],
            own,
            runs,
        )
    ]


def _batches(
    objects: Sequence[GivenObject],
    kernels: CheckedKernels,
    arguments: argparse.Namespace,
    workers: int,
    cache: Cache,
    engine: Path,
) -> Iterator[show.Batch]:
    """Yield what becomes of objects, some at a time, as soon as it is known."""
    for some in _alike(objects):
        sources = kernels.sources(some[0].modules)
        # Objects of each architecture, on its kernels.
        found = {
            architecture: check_.check(
                [it.on(architecture) for it in some],
                own,
                cache.folder("preflight"),
                workers=workers,
                loader=arguments.loader,
                engine=engine,
                extended=[it.extended.get(architecture) for it in some],
            )
            for architecture, own in _by_architecture(sources).items()
        }
        results = (next(found[givenobjects.architecture_of(it)]) for it in sources)
        yield show.Batch(
            names=tuple(it.name for it in some),
            files=tuple(it.shown for it in some),
            results=tuple(_located(kernels.advised(it), some) for it in results),
        )


def _alike(objects: Sequence[GivenObject]) -> Iterator[Sequence[GivenObject]]:
    """Yield objects with which the same modules are loaded, some at a time."""
    for _, group in groupby(objects, lambda it: it.modules):
        members = list(group)
        for begin in range(0, len(members), _AT_ONCE):
            yield members[begin : begin + _AT_ONCE]


def _by_architecture(sources: Sequence[BtfSource]) -> dict[str, list[BtfSource]]:
    """Return kernels by their architecture, in their order."""
    found: dict[str, list[BtfSource]] = {}
    for it in sources:
        found.setdefault(givenobjects.architecture_of(it), []).append(it)
    return found


def _architectures(sources: Sequence[BtfSource]) -> list[Architecture]:
    return [named(it) for it in _by_architecture(sources)]


def _located(result: check_.Result, objects: Sequence[GivenObject]) -> check_.Result:
    """Return results whose lines are in files as they were named here."""
    if result.error:
        return result
    found = (
        prediction if it.is_built else located(prediction, it.source.name, it.shown)
        for it, prediction in zip(objects, result.predictions, strict=True)
    )
    return replace(result, predictions=tuple(found))


def _status(
    batches: Sequence[show.Batch], refused: Mapping[Path, RunnerError]
) -> ExitStatus:
    results = [result for batch in batches for result in batch.results]
    if refused or any(it.error for it in results):
        return ExitStatus.USAGE
    verdicts = {it.verdict for result in results for it in result.predictions}
    if verdicts <= {Verdict.LOADS}:
        return ExitStatus.COMPATIBLE
    if verdicts <= {Verdict.LOADS, Verdict.UNKNOWN}:
        return ExitStatus.INFRASTRUCTURE
    return ExitStatus.INCOMPATIBLE


def _changes(
    objects: Sequence[GivenObject],
    kernels: CheckedKernels,
    arguments: argparse.Namespace,
    path: Path,
) -> int:
    with Engine(path) as engine:
        # From one kernel to the next of its architecture.
        groups = {
            it.name: _by_architecture(kernels.sources(it.modules)) for it in objects
        }
        found = {
            it.name
            if len(groups[it.name]) == 1
            else f"{it.name} for {architecture}": list(
                steps(_read(it.on(architecture)), own, engine, arguments.loader)
            )
            for it in objects
            for architecture, own in groups[it.name].items()
        }
    if arguments.json:
        print_json(
            [
                {"object": name, "steps": show.steps_as_json(it)}
                for name, it in found.items()
            ]
        )
    else:
        for name, it in found.items():
            show.show_steps(name, it)
    return ExitStatus.COMPATIBLE


def _read(path: Path) -> BpfObject:
    return read_whole(path.read_bytes(), path)


def _explain(arguments: argparse.Namespace, cache: Cache, path: Path) -> int:
    if len(arguments.explain) > 2 or arguments.objects:
        raise UsageError(
            "--explain takes a field, and a kernel before it if you like; no objects",
            hint="such as --explain task_struct.state, or --explain 6.1 "
            "task_struct.state",
        )
    *kernels, field = arguments.explain
    marked = kernels[0] if kernels else ""
    # Of an architecture one behind the other: where a field is, differs between them.
    groups = _by_architecture(CheckedKernels(arguments, cache).sources(None))
    sources = [it for own in groups.values() for it in own]
    if marked and marked not in (it.name for it in sources):
        raise UsageError(
            f"--explain: there is no kernel {marked}",
            hint=f"the kernels are {', '.join(it.name for it in sources)}",
        )
    with Engine(path) as engine:
        spans = history(field, sources, engine)
    if not any(it.state.shown for it in spans):
        similar = {str(near): None for it in spans for near in it.state.near}
        raise UsageError(
            f"--explain: none of these kernels has {field}",
            hint=f"similar: {', '.join(similar)}" if similar else "check the spelling",
        )
    show.show_history(field, marked, spans)
    return ExitStatus.COMPATIBLE
