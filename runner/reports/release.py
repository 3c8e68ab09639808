"""What a project can say of its objects at a release: the content of release.json.

release.md and release.html show the same values. Nothing in it is about the machine
that ran the kernels: where it has files is replaced.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from runner.arch import X86_64
from runner.failures.classes import CLASSES
from runner.reports import flaky, kernelneeds, support
from runner.reports.compare import Comparison
from runner.reports.groups import Group, grouped
from runner.reports.kernelneeds import KernelRequirement
from runner.reports.paths import without_paths
from runner.reports.style import is_uncompared
from runner.reports.support import Support
from runner.results import CaseResult, KernelRun, Outcome, Record, RunResults

RELEASE_VERSION: Literal[1] = 1

# What a release says of a known flaky failure: whom its developers ask, and until when
# they wait, is not for its users.
_KNOWN = "the failure is known; its cause is not decided yet"

# What results say of a kernel whose own BTF was used.
_OWN_BTF = "kernel"


class FamilyRange(Record):
    """Which kernels of a family everything works on."""

    family: str
    """Whose kernels: "upstream" for those that follow upstream's versions, or a vendor:
    "RHEL"."""
    arch: str = X86_64.name
    """The architecture of these kernels."""
    works_on: str
    """The versions in words: "5.10 – 6.12, except 6.1", "not known: 6.1", "none"."""  # noqa: RUF001


class ReleaseKernel(Record):
    """A kernel that the release was run on."""

    id: str
    """Its id in the matrix."""
    family: str
    """The family of `ranges` that it belongs to."""
    arch: str = X86_64.name
    """Its architecture."""
    release: str
    """Its `uname -r`; empty if it did not come up."""
    verdict: Support
    """Whether everything works; unknown if it did not come up, or a case was lost."""
    required: bool
    """Whether its failures count."""
    passed: int
    """The number of cases that passed."""
    failed: int
    """The number of cases that failed, or were lost to infrastructure."""
    gaps: int
    """The number of declared gaps."""
    uncompared: int = 0
    """The number of cases that no other kernel could be compared with."""
    btf: str
    """Whose BTF was used: "its own", or where external BTF came from."""
    image: str
    """The package or file of the kernel."""
    image_sha256: str
    """The SHA-256 of its image."""


class ReleaseProgram(Record):
    """A program, and where its object works."""

    object: str
    """The path of the object, or of its source, in the suite."""
    name: str
    """Its name."""
    section: str
    """Its section: "kprobe/wake_up_new_task"."""
    oldest: str
    """The oldest kernel that its object works on; empty if there is none."""
    works_on: str
    """The kernels that its object works on, in words."""
    helpers: tuple[str, ...]
    """The helpers that it calls: "bpf_map_update_elem"."""


class ReleaseMap(Record):
    """A map of an object."""

    object: str
    """The path of the object, or of its source, in the suite."""
    name: str
    """Its name."""
    type: str
    """Its type: "hash"."""


class ReleaseFinding(Record):
    """A case that fails on some kernels, or has no verdict there for a reason."""

    case: str
    """SUITE::CASE."""
    kernels: tuple[str, ...]
    """The ids of the kernels."""
    failure_class: str = ""
    """The failure class; empty for a gap."""
    meaning: str = ""
    """What that class means, in words."""
    why: str = ""
    """What was seen there, or the reason of the gap."""
    cure: str = ""
    """What can be done about it."""
    source: str = ""
    """The line of source, if it is known."""


class ReleaseChange(Record):
    """What became of a case on some kernels since the last release."""

    kind: Literal[
        "new failure", "fixed", "new case", "new gap", "vanished", "no verdict"
    ]
    """What it is."""
    case: str
    """SUITE::CASE."""
    kernels: tuple[str, ...]
    """The ids of the kernels."""
    meaning: str = ""
    """What its failure class means, in words; only of failures."""


class ReleaseChanges(Record):
    """What changed since the last release."""

    since: str
    """The last release: its date, and its commit if that is known."""
    works_on_before: str
    """The kernels that it worked on."""
    new_kernels: tuple[str, ...] = ()
    """Kernels that it was not run on."""
    dropped_kernels: tuple[str, ...] = ()
    """Kernels that only it was run on."""
    changes: tuple[ReleaseChange, ...] = ()
    """What became of cases, the most important first."""


class ReleaseChecksum(Record):
    """A file and its checksum."""

    name: str
    """What it is."""
    sha256: str
    """Its SHA-256."""


class ReleaseTool(Record):
    """A program that took part."""

    name: str
    """Its name."""
    version: str
    """Its versions, separated by commas."""


class Release(Record):
    """The compatibility report of a release: the content of release.json."""

    schema_version: Literal[1] = RELEASE_VERSION
    """The version of this format."""
    name: str
    """The release, as its project names it: "v1.2"."""
    project: str = ""
    """The project; empty if the run did not record it."""
    date: str
    """The day of the run: YYYY-MM-DD."""
    commit: str = ""
    """The commit of the project; empty if the run did not record it."""
    works_on: str
    """The kernels on which everything works, in words."""
    ranges: tuple[FamilyRange, ...] = ()
    """The same for each family of kernels."""
    kernels: tuple[ReleaseKernel, ...] = ()
    """All kernels that it was run on, the oldest first."""
    since: ReleaseChanges | None = None
    """What changed; null without a baseline."""
    failures: tuple[ReleaseFinding, ...] = ()
    """What fails and was not declared a gap."""
    gaps: tuple[ReleaseFinding, ...] = ()
    """What the suites declare not to work, with reasons."""
    uncompared: tuple[ReleaseFinding, ...] = ()
    """What no other kernel could be compared with, so that nothing is known of it."""
    requirements: tuple[KernelRequirement, ...] = ()
    """What a kernel must have."""
    programs: tuple[ReleaseProgram, ...] = ()
    """The programs of all objects."""
    maps: tuple[ReleaseMap, ...] = ()
    """The maps of all objects."""
    tools: tuple[ReleaseTool, ...] = ()
    """What loaded the objects and ran the kernels."""
    checksums: tuple[ReleaseChecksum, ...] = ()
    """The objects and the kernels' images."""

    @property
    def has_architectures(self) -> bool:
        """Whether kernels are of more than one architecture."""
        return len({it.arch for it in self.kernels}) > 1

    @property
    def title(self) -> str:
        """Return "Kernel compatibility of opensnoop v1.2"."""
        return " ".join(
            filter(None, ("Kernel compatibility of", self.project, self.name))
        )


def facts(
    results: RunResults,
    name: str,
    comparison: Comparison | None = None,
    baseline: RunResults | None = None,
) -> Release:
    """Gather what a release report says."""
    ranges = support.ranges(results)
    made = Release(
        name=name,
        project=results.provenance.project,
        date=results.started[:10],
        commit=_commit(results),
        works_on=ranges.statement,
        ranges=tuple(_families(ranges)),
        kernels=tuple(_kernel(results, it) for it in ranges.tested),
        since=(
            None
            if comparison is None or baseline is None
            else _changes(results, comparison, baseline)
        ),
        failures=tuple(map(_failure, grouped(results.cases, Outcome.FAILED))),
        gaps=tuple(_skipped(it for it in results.cases if not is_uncompared(it))),
        uncompared=tuple(_skipped(filter(is_uncompared, results.cases))),
        requirements=kernelneeds.of(results.objects),
        programs=tuple(_programs(results)),
        maps=tuple(
            ReleaseMap(object=it.path, name=map_.name, type=map_.type)
            for it in results.objects
            for map_ in it.maps
        ),
        tools=tuple(_tools(results)),
        checksums=tuple(_checksums(results)),
    )
    return without_paths(made, _sources(results))


def btf_need(kernel: KernelRun) -> str:
    """Return whether objects need BTF beyond the kernel's own."""
    if not kernel.btf_source.strip():
        return "not known"
    if kernel.btf_source.split()[0] == _OWN_BTF:
        return "its own"
    return f"external: {kernel.btf_source}"


def _sources(results: RunResults) -> frozenset[str]:
    """Return the paths of files in the project, which may be told."""
    found = {case.source_path for case in results.cases}
    found |= {case.source.rpartition(":")[0] for case in results.cases}
    return frozenset(it for it in found if it and not Path(it).is_absolute())


def _families(ranges: support.Ranges) -> Iterator[FamilyRange]:
    for family, group in support.by_family(ranges.tested):
        works_on = support.Ranges(tested=tuple(group)).statement
        # The family is told already.
        words = works_on.removeprefix(f"{family} ")
        yield FamilyRange(family=family, arch=group[0].arch, works_on=words)


def _kernel(results: RunResults, tested: support.Tested) -> ReleaseKernel:
    kernel = tested.kernel
    cases = [case for case in results.cases if case.kernel == kernel.id]
    outcomes = [case.outcome for case in cases]
    alone = sum(map(is_uncompared, cases))
    return ReleaseKernel(
        id=kernel.id,
        family=support.family_of(tested),
        arch=kernel.arch,
        release=kernel.release,
        verdict=tested.support,
        required=kernel.required,
        passed=outcomes.count(Outcome.PASSED),
        failed=outcomes.count(Outcome.FAILED) + outcomes.count(Outcome.ERROR),
        gaps=outcomes.count(Outcome.SKIPPED) - alone,
        uncompared=alone,
        btf=btf_need(kernel),
        image=kernel.image,
        image_sha256=kernel.image_sha256,
    )


def _failure(group: Group) -> ReleaseFinding:
    case = group.first
    return ReleaseFinding(
        case=group.name,
        kernels=group.kernels,
        failure_class=case.failure_class,
        meaning=_meaning(case),
        why=group.why,
        cure=_KNOWN if case.is_excused else flaky.cure_of(case) or _cure(case),
        source=case.source,
    )


def _skipped(cases: Iterable[CaseResult]) -> Iterator[ReleaseFinding]:
    for it in grouped(cases, Outcome.SKIPPED):
        yield ReleaseFinding(case=it.name, kernels=it.kernels, why=it.why)


def _meaning(case: CaseResult) -> str:
    known = CLASSES.get(case.failure_class)
    return known.meaning if known else ""


def _cure(case: CaseResult) -> str:
    known = CLASSES.get(case.failure_class)
    return known.cure if known else ""


def _programs(results: RunResults) -> Iterator[ReleaseProgram]:
    for it in results.objects:
        cases = [case for case in results.cases if case.object_path == it.path]
        ranges = support.ranges(results, cases)
        for program in it.programs:
            yield ReleaseProgram(
                object=it.path,
                name=program.name,
                section=program.section,
                oldest=ranges.minimum,
                works_on=ranges.statement,
                helpers=tuple(map(kernelneeds.helper_name, program.helpers)),
            )


def _changes(
    results: RunResults, comparison: Comparison, baseline: RunResults
) -> ReleaseChanges:
    before = {it.id for it in baseline.kernels}
    new = tuple(it.id for it in results.kernels if it.id not in before)
    # Of a kernel that is new everything is new: its verdict is in the table.
    known = [it for it in comparison.new if it.kernel in before]
    failures = (*comparison.regressions, *comparison.new_failures)
    passes = [it for it in known if it.outcome is not Outcome.FAILED]
    return ReleaseChanges(
        since=_words_of(baseline),
        works_on_before=support.ranges(baseline).statement,
        new_kernels=new,
        dropped_kernels=comparison.not_run,
        changes=(
            *_of_kind("new failure", failures),
            *_of_kind("fixed", comparison.fixes),
            *_of_kind("no verdict", comparison.lost),
            *_of_kind("vanished", comparison.vanished),
            *_of_kind("new gap", comparison.new_gaps),
            *_of_kind("new case", passes),
        ),
    )


def _words_of(run: RunResults) -> str:
    found = run.provenance
    named = found.tag or (f"commit {_commit(run)[:12]}" if found.commit else "")
    return (
        f"{named} ({run.started[:10]})" if named else f"the run of {run.started[:10]}"
    )


def _commit(run: RunResults) -> str:
    found = run.provenance
    return f"{found.commit} with changes" if found.changed else found.commit


_Kind = Literal["new failure", "fixed", "new case", "new gap", "vanished", "no verdict"]


def _of_kind(kind: _Kind, cases: Sequence[CaseResult]) -> Iterator[ReleaseChange]:
    found: dict[tuple[str, str], list[str]] = {}
    for case in cases:
        meaning = _meaning(case) if kind == "new failure" else ""
        key = f"{case.suite}::{case.case}", meaning
        found.setdefault(key, []).append(case.kernel)
    for (name, meaning), kernels in found.items():
        yield ReleaseChange(
            kind=kind, case=name, kernels=tuple(kernels), meaning=meaning
        )


def _tools(results: RunResults) -> Iterator[ReleaseTool]:
    yield ReleaseTool(name="bpf-kernel-matrix", version=results.runner)
    for name in ("libbpf", "bpftool", "qemu", "accelerator"):
        versions = _distinct(getattr(it, name) for it in results.kernels)
        if versions:
            yield ReleaseTool(name=name, version=versions)
    others = _distinct(case.loader for case in results.cases)
    if others:
        yield ReleaseTool(name="other loaders", version=others)


def _distinct(texts: Iterable[str]) -> str:
    return ", ".join(filter(None, dict.fromkeys(texts)))


def _checksums(results: RunResults) -> Iterator[ReleaseChecksum]:
    for it in results.objects:
        yield ReleaseChecksum(name=it.path, sha256=it.sha256)
    for kernel in results.kernels:
        if kernel.image_sha256:
            name = f"kernel {kernel.id}, {kernel.release or 'did not come up'}"
            yield ReleaseChecksum(name=name, sha256=kernel.image_sha256)
