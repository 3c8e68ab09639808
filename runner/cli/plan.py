"""`plan`: what would run where, without booting anything."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from runner import libbpf
from runner.cli import github_output, runners
from runner.cli import suites as suites_
from runner.cli.output import print_json
from runner.cli.runners import RunnerLabels
from runner.errors import ExitStatus, UsageError
from runner.files.cache import Cache
from runner.kernels import facts, fetch, rows
from runner.kernels.artifact import known_kernel
from runner.kernels.btf import minimal
from runner.kernels.typerows import TypeRows
from runner.matrix.matrix import Kernel
from runner.preflight import interesting, targets
from runner.run import options, sharding
from runner.run.run import seconds_of
from runner.run.sharding import Part
from runner.suites import project, suitefile
from runner.suites.known import KnownKernel
from runner.suites.model import Case
from runner.text import progress
from runner.text.tables import print_rows

# Jobs that a workflow's matrix may have.
# https://docs.github.com/en/actions/reference/actions-limits
MOST_JOBS = 256

EPILOG = """\
Every machine of a run computes these parts by itself. Give all of them the same
--kernels, --matrix and --timings, and each its own --shard K/N.

examples:
  python -m runner plan --kernels all --shards 4
  python -m runner plan --kernels @lts --shards 4 --timings earlier/results.json
  python -m runner plan --kernels all --shards 20 --format github
  python -m runner plan --kernels all --format github --runner-for arm64=my-arm-label

In a GitHub workflow --format github also sets the step's outputs: matrix, kernels and
shards. A job then has
  strategy: {matrix: "${{ fromJSON(needs.plan.outputs.matrix) }}"}
  runs-on: ${{ matrix.runs-on }}
and runs --kernels ${{ matrix.kernels }} --shard ${{ matrix.shard }}. matrix.kvm says
whether machines of a label from --runner-for have KVM.
"""


@dataclass(frozen=True, kw_only=True)
class ShardPlan:
    """What falls to one shard."""

    part: Part
    kernels: tuple[str, ...]
    # Of the kernels, each once.
    architectures: tuple[str, ...]
    # Of all its kernels together.
    cases: int
    # Cases that do not run, as their suites declare.
    gaps: int
    # About how long its kernels take together; None when that is not known.
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A whole run, spread over shards."""

    # In the order of the matrix.
    kernels: tuple[str, ...]
    shares: tuple[ShardPlan, ...]
    # Kernels that are not booted because another one shows the same, by that one.
    stands_for: Mapping[str, tuple[str, ...]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `plan` takes."""
    options.add(parser, "--kernels", *options.KERNEL_FILES, "--suite")
    parser.add_argument(
        "--shards",
        type=int,
        metavar="N",
        help="number of machines, at most one per kernel (default: one per kernel, up "
        f"to {MOST_JOBS})",
    )
    options.add(parser, "--timings")
    parser.add_argument(
        "--boot-only-interesting",
        action="store_true",
        help="boot only one of the kernels on which all objects are predicted to "
        "behave the same (docs/preflight.md); boot all whose BTF is not in the cache",
    )
    options.add(parser, "--libbpf")
    parser.add_argument(
        "--format",
        choices=("text", "json", "github"),
        default="text",
        help="a table, JSON, or the matrix of a GitHub workflow (default: text)",
    )
    parser.add_argument(
        "--runner",
        default=runners.DEFAULT,
        metavar="LABEL",
        help="with --format github: the label of the machines that run shards, or a "
        f"JSON list of labels (default: {runners.DEFAULT})",
    )
    parser.add_argument(
        "--runner-for",
        action="append",
        default=[],
        metavar="ARCH=LABEL[ kvm]",
        help="the label for shards with kernels of this architecture alone, such as "
        "arm64=ubuntu-24.04-arm; ` kvm` behind it says that these machines have KVM. "
        "Without one, the machines of --runner run them, by TCG; may be given several "
        "times",
    )


def main(arguments: argparse.Namespace) -> int:
    """Print the plan. Raises UsageError for a wrong matrix, suite or selection."""
    labels = runners.parse(arguments.runner, arguments.runner_for)
    cache = Cache()
    chosen = rows.choose(options.choice_of(arguments), cache)
    kernels = chosen.kernels
    suites: list[Path] = []
    if (
        arguments.suite
        or arguments.boot_only_interesting
        # A workflow's matrix has no number of cases, and what an earlier job is still
        # building may not be there.
        or arguments.format != "github"
    ):
        found = project.find(arguments.matrix)
        suites = suites_.files(arguments.suite, found, chosen.matrix)
    stands_for: dict[str, tuple[str, ...]] = {}
    if arguments.boot_only_interesting:
        stands_for = _interesting(suites, kernels, cache, arguments.libbpf)
        kernels = tuple(it for it in kernels if it.id in stands_for)
    types = TypeRows(chosen.matrix, options.choice_of(arguments))
    cases = _cases(suites, project.find(arguments.matrix).matrix, types)
    plan = _plan(
        kernels,
        {kernel.id: _gaps(kernel, cases, cache) for kernel in kernels},
        len(cases),
        count=_count(arguments.shards, len(kernels), arguments.format),
        seconds=seconds_of(arguments.timings),
        stands_for={name: others for name, others in stands_for.items() if others},
    )
    if arguments.format == "github":
        _tell_workflow(plan, labels)
    elif arguments.format == "json":
        print_json(as_json(plan))
    else:
        _show(plan)
    return ExitStatus.COMPATIBLE


def _interesting(
    suites: Sequence[Path],
    kernels: Sequence[Kernel],
    cache: Cache,
    folder: Path | None,
) -> dict[str, tuple[str, ...]]:
    return interesting.representatives(
        minimal.objects(suites, cache),
        [it.id for it in kernels],
        targets.of_kernels(kernels, cache),
        cache.folder("preflight"),
        libbpf.programs(folder, cache, progress.progress()).engine,
    )


def _count(wanted: int | None, kernels: int, form: str) -> int:
    if wanted is not None and wanted < 1:
        raise UsageError(f"--shards {wanted}: must be a positive number")
    if form == "github" and min(wanted or 1, kernels) > MOST_JOBS:
        raise UsageError(
            f"--shards {wanted}: a workflow's matrix may have at most {MOST_JOBS} jobs",
            hint=f"--shards {MOST_JOBS} gives each job several kernels",
        )
    return min(wanted or MOST_JOBS, kernels)


def _cases(paths: Sequence[Path], file: Path, types: TypeRows) -> list[Case]:
    suites = [suitefile.load(path, matrix=file) for path in paths]
    suitefile.require_kernels(suites, types.why_not)
    return [case for suite in suites for case in suite.suite.cases]


def _gaps(kernel: Kernel, cases: Sequence[Case], cache: Cache) -> int:
    """Return how many cases a run would skip on a kernel, as far as known yet."""
    found = fetch.cached(kernel, cache)
    if found is None:
        known = KnownKernel(
            version=fetch.version_of(kernel, cache), architecture=kernel.arch
        )
    else:
        known = known_kernel(found, facts.known(cache, found.image_sha256))
    return sum(bool(case.gap_on(known)) for case in cases)


def _plan(
    kernels: Sequence[Kernel],
    gaps: Mapping[str, int],
    cases: int,
    *,
    count: int,
    seconds: dict[str, float],
    stands_for: Mapping[str, tuple[str, ...]],
) -> Plan:
    ids = tuple(it.id for it in kernels)
    architectures = {it.id: it.arch for it in kernels}
    parts = sharding.partition(ids, count, seconds, architectures)
    return Plan(
        kernels=ids,
        stands_for=stands_for,
        shares=tuple(
            ShardPlan(
                part=Part(index=index, count=count),
                kernels=own,
                architectures=tuple(dict.fromkeys(architectures[id_] for id_ in own)),
                cases=sum(cases - gaps[id_] for id_ in own),
                gaps=sum(gaps[id_] for id_ in own),
                seconds=sharding.total(own, seconds),
            )
            for index, own in enumerate(parts, 1)
        ),
    )


def as_json(plan: Plan) -> dict[str, JsonValue]:
    """Return a plan as programs read it."""
    return {
        "kernels": list(plan.kernels),
        "stands_for": {name: list(them) for name, them in plan.stands_for.items()},
        "shards": [
            {
                "shard": str(share.part),
                "kernels": list(share.kernels),
                "architectures": list(share.architectures),
                "cases": share.cases,
                "gaps": share.gaps,
                "seconds": None if share.seconds is None else round(share.seconds, 1),
            }
            for share in plan.shares
        ],
    }


def github_matrix(plan: Plan, labels: RunnerLabels) -> dict[str, JsonValue]:
    """Return what fromJSON makes a workflow's matrix of.

    `kernels` is the whole selection: --shard picks the job's own ones. `runs-on` are
    the machines that suit the shard; `own-runner` says that they are of a label for its
    architecture, and `kvm` that these have KVM.
    """
    return {
        "include": [
            {
                # Names of artifacts can't hold a slash.
                "index": share.part.index,
                "shard": str(share.part),
                "name": ", ".join(share.kernels),
                "kernels": ",".join(plan.kernels),
                "arch": ", ".join(share.architectures),
                "runs-on": label.value,
                "own-runner": not label.is_default,
                "kvm": label.has_kvm,
            }
            for share in plan.shares
            for label in [labels.suiting(share.architectures)]
        ]
    }


def _tell_workflow(plan: Plan, labels: RunnerLabels) -> None:
    matrix = json.dumps(github_matrix(plan, labels), separators=(",", ":"))
    print(matrix)
    github_output.set_outputs(
        {
            "matrix": matrix,
            "kernels": ",".join(plan.kernels),
            "shards": str(len(plan.shares)),
        }
    )


def _show(plan: Plan) -> None:
    several = len({name for it in plan.shares for name in it.architectures}) > 1
    print_rows(
        ("shard", "kernels", *(["arch"] * several), "cases", "gaps", "about"),
        [
            (
                str(share.part),
                ", ".join(share.kernels),
                *([", ".join(share.architectures)] * several),
                str(share.cases),
                str(share.gaps or ""),
                "" if share.seconds is None else f"{share.seconds:.0f} s",
            )
            for share in plan.shares
        ],
    )
    for name, others in plan.stands_for.items():
        print(f"{name} represents {', '.join(others)}")
