"""One run again of the parts that several machines did."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runner.errors import UsageError
from runner.matrix.matrix import REPORTED_ID
from runner.reports import agreement, otherkernels
from runner.results import KernelRun, ObjectUse, PlannedCase, RunResults

_ANEW = "run all parts again, with the same selection and on the same commit"


@dataclass(frozen=True, kw_only=True)
class FoundRun:
    """The results of a part, and the folder that they were read from."""

    folder: Path
    results: RunResults

    def __str__(self) -> str:
        shard = self.results.shard
        return str(self.folder) if shard is None else f"{self.folder} ({shard})"


class MixedPartsError(UsageError):
    """The parts are not those of one run."""


class MissingPartsError(UsageError):
    """Parts are missing."""


# What is the same in all parts of a run: how messages call it, and where it is.
_SAME: tuple[tuple[str, Callable[[RunResults], object]], ...] = (
    ("the runner's version", lambda it: it.runner),
    ("the number of shards", lambda it: it.shard and it.shard.count),
    ("the selected kernels", lambda it: it.shard and it.shard.planned),
    ("the matrix, its lock or --kernel", lambda it: it.selection.matrix_sha256),
    ("the suites", lambda it: it.selection.suites_sha256),
    ("-k", lambda it: it.selection.expression),
    ("--guest", lambda it: " ".join(it.selection.guest)),
)


def merge(
    parts: Sequence[FoundRun], *, allow_missing: bool = False, allow_mixed: bool = False
) -> RunResults:
    """Return the whole run.

    With `allow_missing` the kernels of missing parts are there, with an error, and the
    run is not complete. With `allow_mixed` runs are put together that were asked for
    different things, if no kernel is in two of them.
    Raises MixedPartsError, MissingPartsError, and UsageError when nothing is given, a
    kernel or part is given twice, or a part was stopped and has no plan.
    """
    if not parts:
        raise UsageError("there is nothing to merge")
    for part in parts:
        refuse_names(part)
        _refuse_unknown_rest(part)
    if not allow_mixed:
        _refuse_mixed(parts)
    _refuse_twice(parts)
    planned = _planned(parts)
    found = {kernel.id for part in parts for kernel in part.results.kernels}
    lost = [id_ for id_ in planned if id_ not in found]
    missing = _missing(parts)
    if not allow_missing and missing:
        raise MissingPartsError(
            f"{_shards(missing)} of {_count(parts)} missing; given are "
            f"{', '.join(map(str, parts))}",
            hint="find out why its machine wrote no results.json; --allow-missing "
            "merges what there is, as an incomplete run",
        )
    if not allow_missing and lost:
        raise MixedPartsError(
            f"no shard ran {', '.join(lost)}, although none is missing",
            hint="give all shards the same --timings; one shard may have been stopped",
        )
    return otherkernels.told(agreement.judged(_merged(parts, planned, lost)))


def refuse_names(part: FoundRun) -> None:
    """Refuse ids that no matrix can have: they become names of folders."""
    shard = part.results.shard
    ids = [kernel.id for kernel in part.results.kernels]
    for id_ in (*ids, *(shard.planned if shard else ())):
        if re.fullmatch(REPORTED_ID, id_) is None:
            raise UsageError(f"{part}: {id_!r} is not a kernel's id")
    strange = {case.kernel for case in part.results.cases} - {*ids}
    if strange:
        raise UsageError(
            f"{part}: there are cases of {', '.join(sorted(strange))}, but no kernel",
            hint="the file may have been edited by hand",
        )


def _refuse_unknown_rest(part: FoundRun) -> None:
    """Refuse a stopped part of which nobody knows what it left undone."""
    if part.results.planned is None and not part.results.complete:
        raise UsageError(
            f"{part}: the run was stopped, and the file does not say which cases are "
            "left",
            hint="it was written by a version before 0.2: run that part again",
        )


def _refuse_mixed(parts: Sequence[FoundRun]) -> None:
    first = parts[0]
    for part in parts:
        if part.results.shard is None and len(parts) > 1:
            raise MixedPartsError(
                f"{part} is not a part of a run: it was run without --shard",
                hint="--allow-mixed merges runs of different kernels",
            )
        differ = [
            name for name, value in _SAME if value(part.results) != value(first.results)
        ]
        if differ:
            raise MixedPartsError(
                f"{first} and {part} are not from the same run; they differ in "
                f"{', '.join(differ)}",
                hint=f"{_ANEW}, or give --allow-mixed",
            )


def _refuse_twice(parts: Sequence[FoundRun]) -> None:
    kernels: dict[str, FoundRun] = {}
    shards: dict[tuple[int, int], FoundRun] = {}
    for part in parts:
        shard = part.results.shard
        if shard is not None:
            other = shards.setdefault((shard.index, shard.count), part)
            if other is not part:
                raise UsageError(
                    f"shard {shard} is given twice: {other} and {part}",
                    hint="leave one of them out",
                )
        for kernel in part.results.kernels:
            other = kernels.setdefault(kernel.id, part)
            if other is not part:
                raise MixedPartsError(
                    f"kernel {kernel.id} is in two parts: {other} and {part}",
                    hint="give all shards the same --timings",
                )


def _planned(parts: Sequence[FoundRun]) -> tuple[str, ...]:
    """Return the ids of all kernels that should be there, in their order."""
    ids: dict[str, None] = {}
    for part in parts:
        shard = part.results.shard
        own = [kernel.id for kernel in part.results.kernels]
        ids |= dict.fromkeys(own if shard is None else (*shard.planned, *own))
    return tuple(ids)


def _missing(parts: Sequence[FoundRun]) -> list[int]:
    given = [it.results.shard for it in parts if it.results.shard is not None]
    indexes = {shard.index for shard in given}
    count = max((shard.count for shard in given), default=0)
    return [index for index in range(1, count + 1) if index not in indexes]


def _shards(indexes: Sequence[int]) -> str:
    numbers = ", ".join(map(str, indexes))
    return f"shard {numbers}" if len(indexes) == 1 else f"shards {numbers}"


def _count(parts: Sequence[FoundRun]) -> str:
    count = max(it.results.shard.count for it in parts if it.results.shard is not None)
    return f"{count} {'is' if len(_missing(parts)) == 1 else 'are'}"


def _merged(
    parts: Sequence[FoundRun], planned: Sequence[str], lost: Sequence[str]
) -> RunResults:
    whole = [part.results for part in parts]
    kernels = {kernel.id: kernel for it in whole for kernel in it.kernels}
    for id_ in lost:
        kernels[id_] = KernelRun(
            id=id_,
            error="its part of the run is missing",
            cure="find out why its machine wrote no results.json",
        )
    order = {id_: number for number, id_ in enumerate(planned)}
    cases = [case for it in whole for case in it.cases]
    # Stable: the cases of a kernel are in their order already.
    cases.sort(key=lambda case: order[case.kernel])
    began, ended = _times(parts)
    # Made without validation: it was done when the parts were read.
    return whole[0].model_copy(
        update={
            "started": began.isoformat(timespec="seconds"),
            "duration": (ended - began).total_seconds(),
            "planned": _plan(whole, lost),
            "kernels": tuple(kernels[id_] for id_ in planned),
            "cases": tuple(cases),
            "objects": _objects(whole),
            "failed_tests": tuple(
                {test.nodeid: test for it in whole for test in it.failed_tests}.values()
            ),
            "shard": None,
            "complete": all(it.complete for it in whole),
        }
    )


def _plan(
    whole: Sequence[RunResults], lost: Sequence[str]
) -> tuple[PlannedCase, ...] | None:
    """Return what all parts set out to do; lost kernels, what the others did."""
    if not lost and all(part.planned is None for part in whole):
        return None
    return PlannedCase.of((key for part in whole for key in part.plan), lost)


def _objects(whole: Sequence[RunResults]) -> tuple[ObjectUse, ...]:
    """Return the objects of all parts, each once, in the order of a run."""
    found = {(use.path, use.sha256): use for it in whole for use in it.objects}
    return tuple(found[key] for key in sorted(found))


def _times(parts: Sequence[FoundRun]) -> tuple[datetime, datetime]:
    """Return when the first part began and the last one ended."""
    spans = [_span(part) for part in parts]
    return min(began for began, _ in spans), max(ended for _, ended in spans)


def _span(part: FoundRun) -> tuple[datetime, datetime]:
    try:
        began = datetime.fromisoformat(part.results.started)
        if began.tzinfo is None:
            began = began.replace(tzinfo=UTC)
        return began, began + timedelta(seconds=part.results.duration)
    # A text that is no time, or one beyond all calendars.
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{part}: started and duration: {error}",
            hint="the file may have been edited by hand",
        ) from error
