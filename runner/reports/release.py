"""What a project can say of its objects at a release."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runner.reports import support
from runner.reports.groups import Group, grouped
from runner.reports.support import Ranges
from runner.results import KernelRun, MapUse, Outcome, ProgramUse, RunResults

# What results say of a kernel whose own BTF was used.
_OWN_BTF = "kernel"


@dataclass(frozen=True, kw_only=True)
class ProgramSupport:
    """A program, and where its object works."""

    object_path: str
    program: ProgramUse
    ranges: Ranges


@dataclass(frozen=True, kw_only=True)
class Release:
    """The facts of a release report."""

    # As the user names it: "v1.2".
    name: str
    ranges: Ranges
    programs: tuple[ProgramSupport, ...]
    # Object → its maps.
    maps: tuple[tuple[str, MapUse], ...]
    helpers: tuple[str, ...]
    # What stands in sections before the first "/": "kprobe", "tp_btf".
    program_types: tuple[str, ...]
    map_types: tuple[str, ...]
    gaps: tuple[Group, ...]
    # What fails, and is no declared gap.
    failures: tuple[Group, ...]
    # Object → SHA-256.
    objects: tuple[tuple[str, str], ...]
    # "libbpf" → versions.
    tools: tuple[tuple[str, str], ...]


def facts(results: RunResults, name: str) -> Release:
    """Gather what a release report says."""
    return Release(
        name=name,
        ranges=support.ranges(results),
        programs=tuple(_programs(results)),
        maps=tuple((it.path, map_) for it in results.objects for map_ in it.maps),
        helpers=_sorted(
            helper
            for it in results.objects
            for program in it.programs
            for helper in program.helpers
        ),
        program_types=_sorted(
            program.section.lstrip("?").partition("/")[0]
            for it in results.objects
            for program in it.programs
        ),
        map_types=_sorted(map_.type for it in results.objects for map_ in it.maps),
        gaps=tuple(grouped(results.cases, Outcome.SKIPPED)),
        failures=tuple(grouped(results.cases, Outcome.FAILED)),
        objects=tuple((it.path, it.sha256) for it in results.objects),
        tools=tuple(_tools(results)),
    )


def btf_need(kernel: KernelRun) -> str:
    """Return whether objects need BTF beyond the kernel's own."""
    if not kernel.btf_source.strip():
        return "not known"
    if kernel.btf_source.split()[0] == _OWN_BTF:
        return "its own"
    return f"external: {kernel.btf_source}"


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


def _programs(results: RunResults) -> Iterator[ProgramSupport]:
    for it in results.objects:
        cases = [case for case in results.cases if case.object_path == it.path]
        ranges = support.ranges(results, cases)
        for program in it.programs:
            yield ProgramSupport(object_path=it.path, program=program, ranges=ranges)


def _tools(results: RunResults) -> Iterator[tuple[str, str]]:
    yield "bpf-kernel-matrix", results.runner
    for name in ("libbpf", "bpftool", "qemu", "accelerator"):
        versions = dict.fromkeys(getattr(it, name) for it in results.kernels)
        text = ", ".join(filter(None, versions))
        if text:
            yield name, text
