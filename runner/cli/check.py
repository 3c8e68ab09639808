"""`check`: what becomes of objects on kernels, without booting them."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from runner import libbpf
from runner.bpf import compile as compile_
from runner.bpf.object import read_whole
from runner.cli.output import print_json
from runner.errors import (
    ExitStatus,
    InfrastructureError,
    MistakesError,
    RunnerError,
    UsageError,
)
from runner.files.cache import Cache, sha256_of
from runner.kernels import rows
from runner.kernels.btf import minimal
from runner.matrix.selectors import ALL
from runner.preflight import check as check_
from runner.preflight import expectedcost, show, targets, usable
from runner.preflight.engine import Engine
from runner.preflight.expectedcost import CheckedObject, ExpectedCost
from runner.preflight.history import history
from runner.preflight.model import Verdict
from runner.preflight.predict import Loader
from runner.preflight.showcost import show_costs
from runner.preflight.steps import steps
from runner.preflight.targets import BtfSource
from runner.reports import resultsfile
from runner.results import RunResults
from runner.run import options
from runner.text import progress

_MATRIX = "kernels"
# Objects that are checked before their results are printed. A kernel's BTF is read once
# for all of them, in about the time that three objects take.
_AT_ONCE = 16


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
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="every relocation, not only gaps"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def uses_matrix(arguments: argparse.Namespace) -> bool:
    """Whether kernels of the matrix are meant."""
    return not arguments.btf or _MATRIX in arguments.btf


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
    objects, refused = _objects(arguments.objects, cache, engine)
    sources = _sources(arguments, cache)
    for error in refused.values():
        print(error.told, file=sys.stderr)
    runs = [resultsfile.read(it) for it in arguments.cost]
    if arguments.changes:
        status = _changes(objects, sources, arguments, engine)
        return ExitStatus.USAGE if refused else status
    batches = _batches(objects, sources, arguments, workers, cache, engine)
    if arguments.json:
        found = list(batches)
        costs = {"costs": list(map(asdict, _costs(objects, sources, runs)))}
        print_json({**show.as_json(found, refused), **(costs if runs else {})})
    else:
        found = show.show(batches, verbose=arguments.verbose)
        if runs:
            show_costs(_costs(objects, sources, runs))
    return _status(found, refused)


def _costs(
    objects: Sequence[Path],
    sources: Sequence[BtfSource],
    runs: Sequence[RunResults],
) -> list[ExpectedCost]:
    checked = [CheckedObject(name=it.name, sha256=sha256_of(it)) for it in objects]
    return list(expectedcost.expected(checked, sources, runs))


def _batches(
    objects: Sequence[Path],
    sources: Sequence[BtfSource],
    arguments: argparse.Namespace,
    workers: int,
    cache: Cache,
    engine: Path,
) -> Iterator[show.Batch]:
    """Yield what becomes of objects, some at a time, as soon as it is known."""
    for begin in range(0, len(objects), _AT_ONCE):
        some = objects[begin : begin + _AT_ONCE]
        results = check_.check(
            some,
            sources,
            cache.folder("preflight"),
            workers=workers,
            loader=arguments.loader,
            engine=engine,
        )
        yield show.Batch(
            names=tuple(path.name for path in some), results=tuple(results)
        )


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


def _objects(
    paths: Sequence[Path], cache: Cache, engine: Path
) -> tuple[list[Path], dict[Path, RunnerError]]:
    """Return objects, and why others can't be checked: one does not stop the rest.

    Raises RunnerError when none is left.
    """
    compiled: dict[Path, Path] = {}
    refused: dict[Path, RunnerError] = {}
    for given in paths:
        try:
            files = minimal.files([given])
        except UsageError as error:
            refused[given] = error
            continue
        for path in files:
            try:
                compiled[path] = compile_.compile_object(path, cache)
            except InfrastructureError:
                raise
            except RunnerError as error:
                refused[path] = error
    # Of one alone the check itself tells.
    if len(compiled) > 1:
        broken = usable.unusable(list(compiled.values()), engine)
        refused |= {it: broken[own] for it, own in compiled.items() if own in broken}
    left = {own: None for it, own in compiled.items() if it not in refused}
    if not left and len(refused) == 1:
        raise next(iter(refused.values()))
    if not left:
        raise MistakesError([str(it) for it in refused.values()])
    return list(left), refused


def _changes(
    objects: Sequence[Path],
    sources: Sequence[BtfSource],
    arguments: argparse.Namespace,
    path: Path,
) -> int:
    with Engine(path) as engine:
        found = {
            path.name: list(
                steps(
                    read_whole(path.read_bytes(), path),
                    sources,
                    engine,
                    arguments.loader,
                )
            )
            for path in objects
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


def _explain(arguments: argparse.Namespace, cache: Cache, path: Path) -> int:
    if len(arguments.explain) > 2 or arguments.objects:
        raise UsageError(
            "--explain takes a field, and a kernel before it if you like; no objects",
            hint="such as --explain task_struct.state, or --explain 6.1 "
            "task_struct.state",
        )
    *kernels, field = arguments.explain
    marked = kernels[0] if kernels else ""
    sources = _sources(arguments, cache)
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


def _sources(arguments: argparse.Namespace, cache: Cache) -> list[BtfSource]:
    found: list[BtfSource] = []
    for text in arguments.btf or [_MATRIX]:
        if text != _MATRIX:
            found += targets.of_path(text)
            continue
        kernels = rows.choose(options.choice_of(arguments, ALL), cache).kernels
        cached = targets.of_kernels(kernels, cache)
        if not cached:
            raise UsageError(
                "no kernel of the matrix has its BTF in the cache",
                hint="python -m runner fetch, or --btf FILE",
            )
        found += cached
    # By age, and what nobody knows the age of behind the others.
    return sorted(
        found,
        key=lambda it: (it.version is None, it.version.filled() if it.version else ()),
    )
