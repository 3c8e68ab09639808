"""What a history keeps of a run: every verdict, and no log.

A digest is small, a hundredth of a results.json, so that the store of a site has all of
its runs.
"""

import gzip
import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from operator import attrgetter
from typing import Annotated, Literal

from pydantic import Field, model_validator

from runner.arch import X86_64
from runner.reports import support
from runner.reports.text import clean, one_line
from runner.results import (
    CaseResult,
    KernelRun,
    KnownFlaky,
    Outcome,
    ProgramCost,
    Record,
    RunResults,
    Seconds,
)

DIGEST_VERSION: Literal[1] = 1

# Characters of a message that are kept.
_MOST_MESSAGE = 300

# How far ahead of this machine's clock that of another may be.
_MOST_AHEAD = timedelta(days=1)

_Place = Annotated[int, Field(ge=0)]


class DigestedCost(Record):
    """What a program cost a kernel, as far as it is the same on each machine."""

    program: str
    verified_insns: int | None = None
    peak_states: int | None = None
    stack_depth: int | None = None
    bytes_xlated: int | None = None


class DigestedKernel(Record):
    """A kernel of a run, and what objects were loaded with."""

    id: str
    required: bool = True
    # Runs of before were on x86_64 only.
    arch: str = X86_64.name
    release: str = ""
    image: str = ""
    image_sha256: str = ""
    btf_sha256: str = ""
    libbpf: str = ""
    libbpf_sha256: str = ""
    accelerator: str = ""
    error: str = ""
    # Seconds of its first boot; None if it was restored from a snapshot.
    boot: Seconds | None = None


class DigestedState(Record):
    """How a case ended, and with which object. Most cases of a run share one."""

    # None for a planned case without a result.
    outcome: Outcome | None = None
    failure_class: str = ""
    message: str = ""
    object_sha256: str = ""
    loader: str = ""
    # Why there was a second try.
    flaky: str = ""
    known_flaky: KnownFlaky | None = None
    cost: tuple[DigestedCost, ...] = ()

    @property
    def is_excused(self) -> bool:
        """Whether it is a failure of a known flaky case, which does not count."""
        return self.known_flaky is not None and not self.known_flaky.ended


class DigestedCase(Record):
    """A case on all kernels of a run: three lists of the same length."""

    suite: str
    case: str
    was: tuple[str, ...] = ()
    object_path: str = ""
    # Places among the run's kernels, and among its states.
    kernels: tuple[_Place, ...]
    states: tuple[_Place, ...]
    # Milliseconds, without the boot.
    took: tuple[_Place, ...]


class RunDigest(Record):
    """A run, as the store of a site has it."""

    version: Literal[1] = DIGEST_VERSION
    runner: str
    # RFC 3339, UTC.
    started: datetime
    duration: Seconds
    complete: bool
    # Who ran what: as results.json has it.
    project: str = ""
    commit: str = ""
    changed: bool = False
    branch: str = ""
    ci_run: str = ""
    # The name of a release, if it is a run of one.
    release: str = ""
    suites_sha256: str = ""
    # "5.4 to 6.12", with a dash: the kernels on which everything worked.
    statement: str = ""
    kernels: tuple[DigestedKernel, ...]
    states: tuple[DigestedState, ...]
    cases: tuple[DigestedCase, ...]
    # SHA-256 of the files that it was read from.
    sources: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _refuse_wrong_places(self) -> "RunDigest":
        for it in self.cases:
            if not len(it.kernels) == len(it.states) == len(it.took):
                raise ValueError(f"{it.suite}::{it.case}: lists of different lengths")
            if max(it.kernels, default=-1) >= len(self.kernels):
                raise ValueError(f"{it.suite}::{it.case}: there is no such kernel")
            if max(it.states, default=-1) >= len(self.states):
                raise ValueError(f"{it.suite}::{it.case}: there is no such state")
        return self

    @cached_property
    def id(self) -> str:
        """Return what the run is known by: the same for each copy of its file."""
        text = self.model_dump_json(exclude={"sources"})
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]

    @cached_property
    def packed(self) -> bytes:
        """Return it as a store keeps it: the same bytes for the same run."""
        text = self.model_dump_json().encode("utf-8", "replace")
        return gzip.compress(text, 6, mtime=0)


def begin(started: str) -> datetime:
    """Return when a run was started, from what it says.

    Raises ValueError if that is no time, or is ahead of this machine's clock.
    """
    began = datetime.fromisoformat(started)
    began = began if began.tzinfo else began.replace(tzinfo=UTC)
    refuse_ahead(began)
    return began


def refuse_ahead(began: datetime) -> None:
    """Refuse a run of the future: it would be the newest one until then.

    Raises ValueError.
    """
    if began > datetime.now(UTC) + _MOST_AHEAD:
        raise ValueError(
            f"{began:%Y-%m-%d} is in the future: the clock was wrong there, or is here"
        )


def of(results: RunResults, sources: Sequence[str]) -> RunDigest:
    """Return the digest of a run.

    `sources` are the SHA-256 of the files that it was read from.
    Raises ValueError if the run does not say when it started, or names a time in the
    future.
    """
    began = begin(results.started)
    kernels = {it.id: number for number, it in enumerate(results.kernels)}
    states: dict[DigestedState, int] = {}
    # What a state is made of → its number: that is compared sooner than states are.
    made: dict[tuple[object, ...], int] = {}
    cases: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    first: dict[tuple[str, str], CaseResult] = {}

    def number_of(state: DigestedState) -> int:
        return states.setdefault(state, len(states))

    for case in results.cases:
        name = case.suite, case.case
        if name not in first:
            first[name] = case
            cases[name] = []
        parts = _parts(case)
        number = made.get(parts)
        if number is None:
            number = made[parts] = number_of(_state(case))
        cell = kernels[case.kernel], number, round(case.duration * 1000)
        cases[name].append(cell)
    for kernel, suite, name_ in results.undone:
        if kernel in kernels:
            cell = kernels[kernel], number_of(DigestedState()), 0
            cases.setdefault((suite, name_), []).append(cell)
    tested = results.provenance
    return RunDigest(
        runner=results.runner,
        started=began,
        duration=results.duration,
        complete=results.complete and results.shard is None,
        project=tested.project,
        commit=tested.commit,
        changed=tested.changed,
        branch=tested.branch,
        ci_run=tested.ci_run,
        release=results.release or tested.tag,
        suites_sha256=results.selection.suites_sha256,
        statement=support.ranges(results).statement,
        kernels=tuple(map(_kernel, results.kernels)),
        states=tuple(states),
        cases=tuple(
            _case(name, first.get(name), cells) for name, cells in cases.items()
        ),
        sources=tuple(sources),
    )


def _kernel(kernel: KernelRun) -> DigestedKernel:
    return DigestedKernel(
        id=kernel.id,
        required=kernel.required,
        arch=kernel.arch,
        release=kernel.release,
        image=kernel.image,
        image_sha256=kernel.image_sha256,
        btf_sha256=kernel.btf_sha256,
        libbpf=kernel.libbpf,
        libbpf_sha256=kernel.libbpf_sha256,
        accelerator=kernel.accelerator,
        error=_short(kernel.error),
        boot=kernel.boots[0] if kernel.boots else None,
    )


def _parts(case: CaseResult) -> tuple[object, ...]:
    """Return all that `_state` reads."""
    return (
        case.outcome,
        case.failure_class,
        case.message,
        case.object_sha256,
        case.loader,
        case.flaky,
        case.known_flaky,
        tuple(map(_COST, case.cost)),
    )


def _state(case: CaseResult) -> DigestedState:
    passed = case.outcome is Outcome.PASSED
    return DigestedState(
        outcome=case.outcome,
        failure_class=case.failure_class,
        # What passed may say what was not attached, which is not what broke.
        message="" if passed else _short(case.message),
        object_sha256=case.object_sha256,
        loader=case.loader,
        flaky=_short(case.flaky),
        known_flaky=case.known_flaky,
        cost=tuple(_costs(case.cost)),
    )


# What of a cost is kept.
_COST_FIELDS = tuple(DigestedCost.model_fields)
_COST = attrgetter(*_COST_FIELDS)


def _costs(costs: Iterable[ProgramCost]) -> Iterable[DigestedCost]:
    for it in costs:
        yield DigestedCost(**dict(zip(_COST_FIELDS, _COST(it), strict=True)))


def _case(
    name: tuple[str, str],
    first: CaseResult | None,
    cells: Sequence[tuple[int, int, int]],
) -> DigestedCase:
    return DigestedCase(
        suite=name[0],
        case=name[1],
        was=first.was if first else (),
        object_path=first.object_path if first else "",
        kernels=tuple(it[0] for it in cells),
        states=tuple(it[1] for it in cells),
        took=tuple(it[2] for it in cells),
    )


def _short(text: str) -> str:
    line = one_line(clean(text))
    return line if len(line) <= _MOST_MESSAGE else f"{line[:_MOST_MESSAGE]}…"
