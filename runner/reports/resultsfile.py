"""results.json: a whole run, for other programs and for later."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, from_json

from runner.errors import UsageError
from runner.reports.atomic import write_text
from runner.reports.text import one_line
from runner.results import SCHEMA_VERSION, CaseResult, Record, RunResults

# Bytes that are read: several times what a thousand kernels leave.
_MOST = 1 << 30

_NEWER = "it was written by a newer version: use that version, or update this one"
_OTHER = "use the version that wrote it"
_WRITTEN = "use the file that a run writes: reports/latest/results.json"


class ResultsFileError(UsageError):
    """A results.json can't be read, or is of another version."""


def write(results: RunResults, path: Path) -> None:
    """Write a run, whole or not at all. Raises InfrastructureError."""
    write_text(path, dump(results))


def dump(results: RunResults) -> str:
    """Return a run as JSON text."""
    return _as_json(results, indent=1) + "\n"


def _as_json(record: Record, *, indent: int | None) -> str:
    try:
        return record.model_dump_json(indent=indent)
    except PydanticSerializationError:
        # Lone surrogates, of bytes that were no UTF-8. Ten times slower.
        separators = (",", ":") if indent is None else None
        values = record.model_dump(mode="json")
        return json.dumps(values, indent=indent, separators=separators)


def dump_case(case: CaseResult) -> str:
    """Return a case as JSON text."""
    return _as_json(case, indent=None)


def dump_with(head: RunResults, cases: Sequence[str]) -> str:
    """Return a run as JSON text, with cases that are JSON already."""
    # A result that is known by its text only must not be missing from the reckoning.
    whole = _as_json(head.model_copy(update={"cases": ()}), indent=None)
    empty = '"cases":[]'
    before, _, after = whole.partition(empty)
    return f'{before}"cases":[{",".join(cases)}]{after}\n'


def read(path: Path, kind: type[RunResults] = RunResults) -> RunResults:
    """Read what `write` wrote. Raises ResultsFileError that names what is wrong.

    `kind` may be one that passes over some of it.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST + 1)
    except OSError as error:
        raise ResultsFileError(
            f"{path} can't be read: {error.strerror or error}",
            hint=_WRITTEN,
        ) from error
    if len(text) > _MOST:
        raise ResultsFileError(
            f"{path} is larger than {_MOST >> 20} MiB, which no run is",
            hint=_WRITTEN,
        )
    return parse(text, path, kind)


def parse(text: bytes, path: Path, kind: type[RunResults] = RunResults) -> RunResults:
    """Read the text of such a file. Raises as `read` does."""
    results = _parsed(text, kind) or _explained(text, path)
    _require_consistent(path, results)
    return results


def _parsed(text: bytes, kind: type[RunResults]) -> RunResults | None:
    """Return what a sound file holds, in a third less time; None for any other."""
    try:
        results = kind.model_validate_json(text)
    except ValidationError:
        return None
    said = results.model_fields_set
    return results if {"schema_version", "complete"} <= said else None


def _explained(text: bytes, path: Path) -> RunResults:
    """Read a text, and say what is wrong with it. Raises as `read` does."""
    try:
        data = _data(text)
    # ValueError covers JSON and UTF-8 that are broken.
    except (ValueError, RecursionError) as error:
        raise ResultsFileError(
            f"{path} is not JSON: {error}", hint="it was cut short or edited"
        ) from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version is None:
        raise ResultsFileError(
            f"{path} is not a run: it has no schema_version",
            hint=_WRITTEN,
        )
    if version != SCHEMA_VERSION:
        raise ResultsFileError(
            f"{path} has schema version {repr(version)[:20]}; this program reads "
            f"{SCHEMA_VERSION}",
            hint=_NEWER if _is_newer(version) else _OTHER,
        )
    # One that lacks the word is not complete.
    data.setdefault("complete", False)
    try:
        return RunResults.model_validate(data)
    except ValidationError as error:
        raise ResultsFileError(
            f"{path}: {_first_fault(error)}",
            hint="the file may have been edited by hand",
        ) from error


def _data(text: bytes) -> Any:
    """Return what JSON says; pydantic's reader takes half of the time."""
    try:
        return from_json(text)
    except ValueError:
        # It does not read lone surrogates, and says less of what is wrong.
        return json.loads(text)


def _require_consistent(path: Path, results: RunResults) -> None:
    """Refuse what no run writes: it would be judged by what somebody left out."""
    kernels = {kernel.id for kernel in results.kernels}
    strange = {case.kernel for case in results.cases} - kernels
    planned = {
        (kernel, it.suite, it.case)
        for it in results.planned or ()
        for kernel in it.kernels
    }
    extra = [
        it.key for it in results.cases if (it.kernel, it.suite, it.case) not in planned
    ]
    if strange:
        what = f"there are cases of {', '.join(sorted(strange))}, but no kernel"
    elif results.planned is None and not _is_old(results.runner):
        what = "it has no plan"
    elif results.planned is not None and extra:
        what = f"the plan lacks {extra[0]}, which has a result"
    else:
        return
    raise ResultsFileError(
        f"{path}: {what}", hint="the file may have been edited by hand"
    )


def _is_old(runner: str) -> bool:
    """Whether a version of the runner wrote no plan yet: 0.1 did not."""
    return runner.startswith("0.1.")


def _is_newer(version: object) -> bool:
    return isinstance(version, int) and version > SCHEMA_VERSION


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    return one_line(f"{where}: {fault['msg']}")
