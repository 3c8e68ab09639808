"""What objects would cost the verifier on kernels, by what similar booted kernels took.

This is a guess: nothing but the verifier itself knows how many paths it takes. From one
version to the next that rarely changes much, and it may at any of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from runner.preflight.targets import BtfSource
from runner.results import CaseResult, ProgramCost, RunResults
from runner.versions import KernelVersion


@dataclass(frozen=True, kw_only=True)
class CheckedObject:
    """An object that is checked, as far as runs know it."""

    name: str
    # SHA-256 of the compiled object.
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a program cost on a kernel that was booted."""

    kernel: str
    version: KernelVersion
    # Instructions processed, and how many may be.
    insns: int
    limit: int | None
    # Whether it was the very object that is checked, and not an earlier build.
    same_object: bool
    # Whether the verifier refused it, after that many.
    refused: bool


@dataclass(frozen=True, kw_only=True)
class ExpectedCost:
    """What a program costs on a kernel, or may cost."""

    object: str
    program: str
    kernel: str
    # Instructions processed, from the least to the most.
    least: int
    most: int
    limit: int | None
    # The booted kernels that say so.
    booted: tuple[str, ...]
    # Those of them that refused the program, after so many.
    refused: tuple[str, ...]
    # Whether this object was not booted on this kernel.
    guess: bool


def measured(
    checked: CheckedObject, runs: Iterable[RunResults]
) -> dict[str, list[Measured]]:
    """Return what each program of an object cost where it was booted.

    Runs of the same object count before those of one with the same file name; later
    runs before earlier ones.
    """
    found: dict[str, dict[str, Measured]] = {}
    for run in sorted(runs, key=lambda it: it.started):
        releases = {it.id: it.release for it in run.kernels}
        for case in run.cases:
            release = releases.get(case.kernel, "")
            if not release or not _is_about(case, checked):
                continue
            same = case.object_sha256 == checked.sha256
            for cost in case.cost:
                own = found.setdefault(cost.program, {})
                known = own.get(case.kernel)
                if known is None or same or not known.same_object:
                    own |= _measured(case.kernel, release, cost, same_object=same)
    return {program: list(by.values()) for program, by in found.items()}


def _is_about(case: CaseResult, checked: CheckedObject) -> bool:
    if case.object_sha256 == checked.sha256:
        return True
    return _stem(case.object_path) == _stem(checked.name)


def _stem(path: str) -> str:
    """Return "probe" of "build/probe.bpf.o" and of "probe.bpf.c"."""
    return path.rpartition("/")[2].partition(".")[0]


def _measured(
    kernel: str, release: str, cost: ProgramCost, *, same_object: bool
) -> dict[str, Measured]:
    if cost.verified_insns is None:
        return {}
    version = KernelVersion.parse(release).of_release(release)
    return {
        kernel: Measured(
            kernel=kernel,
            version=version,
            insns=cost.verified_insns,
            limit=cost.insns_limit,
            same_object=same_object,
            # A program in the kernel has a size there, from 4.13 on.
            refused=cost.bytes_xlated is None,
        )
    }


def expected(
    objects: Sequence[CheckedObject],
    sources: Sequence[BtfSource],
    runs: Sequence[RunResults],
) -> Iterator[ExpectedCost]:
    """Yield what each program of each object costs on each kernel, where one can say.

    Of a kernel without a version, only what was booted there is known.
    """
    for checked in objects:
        for program, known in measured(checked, runs).items():
            for source in sources:
                similar = _similar(source, known)
                if similar:
                    yield _expected(checked, program, source, similar)


def _similar(source: BtfSource, known: Sequence[Measured]) -> list[Measured]:
    """Return the kernel itself, or the nearest before it and after it."""
    own = [it for it in known if it.kernel == source.name]
    if own or source.version is None:
        return own
    version = source.version
    before = [it for it in known if it.version <= version]
    after = [it for it in known if it.version > version]
    return [
        *([max(before, key=lambda it: it.version)] if before else []),
        *([min(after, key=lambda it: it.version)] if after else []),
    ]


def _expected(
    checked: CheckedObject,
    program: str,
    source: BtfSource,
    similar: Sequence[Measured],
) -> ExpectedCost:
    insns = [it.insns for it in similar]
    booted = all(it.kernel == source.name and it.same_object for it in similar)
    return ExpectedCost(
        object=checked.name,
        program=program,
        kernel=source.name,
        least=min(insns),
        most=max(insns),
        limit=next((it.limit for it in similar if it.limit), None),
        booted=tuple(it.kernel for it in similar),
        refused=tuple(it.kernel for it in similar if it.refused),
        guess=not booted,
    )
