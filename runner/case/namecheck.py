"""What a suite names and its objects lack: told before anything boots."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from pydantic import JsonValue

from runner.bpf import records, shapes
from runner.bpf.build import Build
from runner.bpf.compile import CompileError
from runner.bpf.forms import Form, MembersForm, NumberForm, TextForm
from runner.bpf.shapes import Shape, Shapes
from runner.case import mapfit, maprows, variables
from runner.errors import (
    ArtifactError,
    InfrastructureError,
    RunnerError,
    UsageError,
)
from runner.files import modelfile
from runner.files.modelfile import Mistake, Where
from runner.memo import Notes
from runner.preflight.model import no_warning
from runner.suites import programpatterns
from runner.suites.attachplaces import map_of, misfit
from runner.suites.checks import normal
from runner.suites.checks.fitting import Fitted, misfits
from runner.suites.checks.paths import NoSuchPathError, follow
from runner.suites.checks.text import no_such
from runner.suites.comparable import Compared
from runner.suites.model import (
    Case,
    CodeExpectation,
    Drain,
    Iterate,
    MapExpectation,
    Program,
    RowsExpectation,
    ShowExpectation,
    TestRun,
)
from runner.suites.suitefile import LoadedSuite

# What the cache remembers them as: suites that were found right, by their content.
_CHECKED = "suites-checked"
_MOST_REMEMBERED = 200
_SOURCES = ("*.c", "*.h", "*.o", "*.yaml")
# One clang keeps one processor busy, and waits for the disk at its end.
_COMPILERS = 2 * len(os.sched_getaffinity(0))
# Raised when this module finds more than before.
_VERSION = "9"

Compile = Callable[[Path, str | None, Build], Path]


def check(suites: Iterable[LoadedSuite], compiled: Compile, memory: Notes) -> None:
    """Hold the names that suites use against the BTF of their objects.

    Objects that are unavailable are left to the cases that need them. Raises UsageError
    that reports every mistake of a suite, up to 10, by file and line.
    """
    known = memory.recall(_CHECKED)
    right = [str(it) for it in known] if isinstance(known, list) else []
    unchecked = {
        digest: suite for suite in suites if (digest := _digest(suite)) not in right
    }
    read = _read(unchecked.values(), compiled)
    new: list[str] = []
    for digest, suite in unchecked.items():
        if mistakes := _mistakes(suite, read):
            raise modelfile.refused(suite.source, mistakes)
        if all(isinstance(read[wanted], Shapes) for wanted in _objects_of(suite)):
            new.append(digest)
    if new:
        kept: list[JsonValue] = [*new, *right]
        with suppress(InfrastructureError):
            memory.remember(_CHECKED, kept[:_MOST_REMEMBERED])


def _digest(suite: LoadedSuite) -> str:
    digest = hashlib.sha256(f"{_VERSION}\0{suite.path.absolute()}\0".encode())
    paths = {path for pattern in _SOURCES for path in suite.folder.glob(pattern)}
    paths |= {suite.file(it.object) for it in suite.suite.cases if it.object}
    for path in sorted(paths):
        with suppress(OSError):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.name}\0{content}\0".encode())
    return digest.hexdigest()


# A source or an object, the kernel whose types it includes, and how it is compiled.
_Wanted = tuple[Path, str | None, Build]


def _objects_of(suite: LoadedSuite) -> list[_Wanted]:
    cases = [it for it in suite.suite.cases if it.object]
    extended = [_extended(suite, it) for it in cases if it.extends is not None]
    return list(dict.fromkeys([*(_wanted(suite, it) for it in cases), *extended]))


def _extended(suite: LoadedSuite, case: Case) -> _Wanted:
    assert case.extends is not None
    return suite.file(case.extends.object), case.vmlinux, case.build


def _wanted(suite: LoadedSuite, case: Case) -> _Wanted:
    return suite.file(case.object), case.vmlinux, case.build


def _read(
    suites: Iterable[LoadedSuite], compiled: Compile
) -> dict[_Wanted, Shapes | UsageError | None]:
    """Return what the objects of all suites hold.

    None for one that is unavailable, an error for a `vmlinux` that has no BTF.
    """

    def read(wanted: _Wanted) -> Shapes | UsageError | None:
        path = wanted[0]
        try:
            data = compiled(*wanted).read_bytes()
            return shapes.of_object(data, path.name.partition(".")[0])
        except CompileError:
            return None
        except UsageError as error:
            return error
        except (RunnerError, OSError):
            return None

    wanted = list(dict.fromkeys(it for suite in suites for it in _objects_of(suite)))
    with ThreadPoolExecutor(_COMPILERS) as pool:
        return dict(zip(wanted, pool.map(read, wanted), strict=True))


def _mistakes(
    suite: LoadedSuite, read: Mapping[_Wanted, Shapes | UsageError | None]
) -> list[str]:
    found = (
        suite.source.mistake((*suite.place(case), *mistake.where), mistake.what)
        for case in suite.suite.cases
        if case.object
        if (shape := read[_wanted(suite, case)]) is not None
        for mistake in (*_of_case(case, shape), *_of_extended(suite, case, read))
    )
    # Variants of a case share its mistakes.
    return list(dict.fromkeys(found))


def _of_extended(
    suite: LoadedSuite, case: Case, read: Mapping[_Wanted, Shapes | UsageError | None]
) -> Iterator[Mistake]:
    if case.extends is None:
        return
    shape = read[_extended(suite, case)]
    if isinstance(shape, Shapes):
        at = ("extends", "program")
        yield from _program(case.extends.program, shape, at)


def _of_case(case: Case, shape: Shapes | UsageError) -> Iterator[Mistake]:
    if isinstance(shape, UsageError):
        yield Mistake(("vmlinux",), shape.message.removeprefix("vmlinux: "))
        return
    for name, program in case.programs.items():
        yield from _pattern(name, shape, ("programs", name))
        for meant in programpatterns.matching(name, shape.programs):
            yield from _aim(name, meant, program, shape)
    for number, name in enumerate(case.only):
        yield from _pattern(name, shape, ("only", number))
    for number, group in enumerate(case.alternatives):
        for place, name in enumerate(group):
            yield from _program(name, shape, ("alternatives", number, place))
    for name, wanted in case.maps.items():
        yield from _map(name, shape, ("maps", name))
        if wanted.inner_map is not None:
            yield from _map(wanted.inner_map, shape, ("maps", name, "inner_map"))
    for number, name in enumerate(case.accept):
        if wrong := no_warning(name):
            yield Mistake(("accept", number), wrong)
    for name, rows in maprows.of_case(case):
        yield from _filled(name, rows, shape)
    for name, value in case.variables.items():
        yield from _variable(name, value, shape)
    for number, trigger in enumerate(case.trigger):
        at = ("trigger", number)
        match trigger:
            case TestRun() if not case.runs_extended(trigger):
                yield from _program(trigger.test_run, shape, (*at, "test_run"))
            case Iterate():
                yield from _program(trigger.iterate, shape, (*at, "iterate"))
            case Drain():
                yield from _map(trigger.drain, shape, (*at, "drain"))
                yield from _drain(trigger, shape, at)
    for number, expectation in enumerate(case.expect):
        at = ("expect", number)
        match expectation:
            case MapExpectation():
                yield from _map(expectation.map, shape, (*at, "map"))
                yield from mapfit.of_value(case, expectation, shape, at)
            case RowsExpectation():
                yield from _map(expectation.map, shape, (*at, "map"))
                yield from mapfit.of_rows(case, expectation, shape, at)
            case ShowExpectation():
                kind, shown = expectation.subject
                known = _map if kind == "map" else _program
                yield from known(shown, shape, (*at, kind))
                yield from mapfit.meant_by(case, expectation, shape, at)
            case CodeExpectation():
                yield from _program(expectation.program, shape, (*at, "program"))
            case Compared():
                yield from _compared(case, expectation, shape, at)


def _program(name: str, shape: Shapes, at: Where) -> Iterator[Mistake]:
    yield from _known("program", name, shape.programs, at)


def _known(kind: str, name: str, names: Iterable[str], at: Where) -> Iterator[Mistake]:
    known = sorted(names)
    if name not in known:
        yield Mistake(at, f"{name!r}: {no_such(kind, name, known)}")


def _pattern(name: str, shape: Shapes, at: Where) -> Iterator[Mistake]:
    if not programpatterns.is_pattern(name):
        yield from _program(name, shape, at)
    elif not any(programpatterns.matching(name, shape.programs)):
        names = ", ".join(sorted(shape.programs))
        yield Mistake(at, f"{name!r} matches no program; there are {names}")


def _aim(name: str, meant: str, program: Program, shape: Shapes) -> Iterator[Mistake]:
    """Find places that programs of another kind go to, or whose map is not there.

    `name` is what the suite writes for the program that is `meant`.
    """
    section = shape.programs[meant]
    for where, place in program.places:
        at = ("programs", name, "attach", *where)
        # A type that the case sets is of a section that says nothing.
        if program.type is None and (why := misfit(place, section)):
            yield Mistake(at, f"{place!r}: {why}")
        if (named := map_of(place)) is not None:
            yield from _map(named, shape, at)


def _variable(name: str, value: JsonValue, shape: Shapes) -> Iterator[Mistake]:
    at = ("variables", name)
    unknown = list(_known("variable", name, variables.of_object(shape.btf), at))
    if unknown:
        yield from unknown
        return
    try:
        variables.encoded(shape.btf, {name: value}, early=True)
    except RunnerError as error:
        yield Mistake(at, error.message.removeprefix("variables."))


def _filled(
    name: str, rows: list[dict[str, JsonValue]], shape: Shapes
) -> Iterator[Mistake]:
    for number, row in enumerate(rows):
        try:
            maprows.encoded(shape.btf, name, [row], early=True)
        except RunnerError as error:
            words = error.message.removeprefix(f"maps.{name}.rows[0]").lstrip(".: ")
            yield Mistake(("maps", name, "rows", number), words)


def _map(name: str, shape: Shapes, at: Where) -> Iterator[Mistake]:
    if not shape.has_untyped_maps:
        yield from _known("map", name, shape.maps, at)


def _compared(
    case: Case, expectation: Compared, shape: Shapes, at: Where
) -> Iterator[Mistake]:
    if expectation.program is not None:
        yield from _program(expectation.program, shape, (*at, "program"))
    if expectation.map is not None:
        yield from _map(expectation.map, shape, (*at, "map"))
    meant = yield from mapfit.meant_by(case, expectation, shape, at)
    found = Shape() if expectation.dumped is None else meant.shape
    sample = found.value
    if expectation.field is not None and sample is not None:
        try:
            sample = follow(sample, expectation.field)
        except NoSuchPathError as nothing:
            yield Mistake((*at, "field"), f"{meant.words}: {nothing}")
            return
    samples: dict[str, JsonValue] = {"key": found.key, "value": sample}
    paths: list[tuple[Where, str]] = [
        *((("ignore", number), it) for number, it in enumerate(expectation.ignore)),
        *((("normalise", it), it) for it in expectation.normalise),
    ]
    for where, path in paths:
        part = "value" if path.startswith("value") else "key"
        rest = path.removeprefix(part).removeprefix(".").replace("[]", "[0]")
        try:
            if rest and isinstance(samples[part], dict):
                follow(samples[part], rest)
        except NoSuchPathError as nothing:
            yield Mistake((*at, *where), f"{meant.words}: {nothing}")
            return
    name = expectation.dumped
    if name is not None and name in shape.maps:
        # Global data has one row, without a key.
        row = {"value": sample} if "." in name else samples
        if why := normal.silenced(expectation, row):
            key = "ignore" if expectation.ignore else "normalise"
            yield Mistake((*at, key), f"{meant.words}: {why}")


def _drain(trigger: Drain, shape: Shapes, at: Where) -> Iterator[Mistake]:
    if trigger.struct is None:
        known = {name: _form(it) for name, it in trigger.fields.items()}
    else:
        try:
            record = shape.struct(trigger.struct)
        except ArtifactError as error:
            yield Mistake((*at, "struct"), error.message)
            return
        if not isinstance(record, MembersForm):
            return
        known = dict(record.members)
    for name, value in trigger.where.items():
        place = (*at, "where", name)
        if name not in known:
            yield Mistake(place, f"{name!r}: {no_such('field', name, known)}")
        # A field behind the end of a record is null.
        elif value is not None:
            yield from misfits(
                value, Fitted(owner="a record", path=name, form=known[name]), place
            )


def _form(place: str) -> Form:
    """Return what a field such as s32@8 is."""
    field = records.parse(place)
    if field.is_text:
        return TextForm(size=field.size)
    return NumberForm(size=field.size, is_signed=field.is_signed)
