"""A suite's folder: suite.yaml, and what no schema can check of it."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue, ValidationError

from runner import modelfile
from runner.classes import CLASSES
from runner.errors import UsageError
from runner.references import references
from runner.suite import (
    Case,
    CodeExpectation,
    Command,
    Drain,
    Iterate,
    MapExpectation,
    Matcher,
    RowsExpectation,
    ShowExpectation,
    Suite,
    TestRun,
)
from runner.versions import VersionRange
from runner.yamlfile import Source

SUITE_FILE = "suite.yaml"

# Names that every case has, beside those that it saves.
BUILT_IN = ("kernel", "agent", "files", "maps", "programs", "truth")
# Those that there are before the object is loaded.
BEFORE = ("kernel", "agent", "files")
MATCHERS = ("equals", "between", "one_of", "matches")
OBJECTS = (".bpf.c", ".o")

_FIELD = re.compile(r"[A-Za-z_]\w*(\[\d+\])*(\.[A-Za-z_]\w*(\[\d+\])*)*|(\[\d+\])+")


@dataclass(frozen=True, kw_only=True)
class LoadedSuite:
    """A suite with where it stands."""

    path: Path
    # The folder's name.
    name: str
    suite: Suite
    # Case → line in the file.
    lines: Mapping[str, int]
    # To tell mistakes that are found later by their lines, too.
    source: Source

    @property
    def folder(self) -> Path:
        """The folder that holds the suite's objects."""
        return self.path.parent


def require_distinct(suites: Iterable[LoadedSuite]) -> None:
    """Refuse two suites of one name, which no report could tell apart.

    Raises UsageError. The same suite may be there twice.
    """
    paths: dict[str, Path] = {}
    for suite in suites:
        folder = suite.folder.resolve()
        known = paths.setdefault(suite.name, folder)
        if known != folder:
            raise UsageError(
                f"two suites have the name {suite.name}: {known} and {folder}",
                hint="reports and baselines go by the folder's name: rename one of "
                "them, or test them in two runs",
            )


@dataclass(frozen=True)
class _Mistake:
    where: tuple[int | str, ...]
    what: str


def load(path: Path) -> LoadedSuite:
    """Read a suite.yaml and check it as far as that goes without a kernel.

    Raises UsageError that tells every mistake, up to 10, by file and line.
    """
    suite, source = modelfile.load(path, Suite)
    mistakes = [
        source.mistake(mistake.where, mistake.what)
        for mistake in _mistakes(suite, path.parent, source)
    ]
    if mistakes:
        raise modelfile.refused(source, mistakes)
    return LoadedSuite(
        path=path,
        name=path.resolve().parent.name,
        suite=suite,
        lines={
            case.name: source.line(("cases", number))
            for number, case in enumerate(suite.cases)
        },
        source=source,
    )


def parse_case(keys: dict[str, JsonValue], folder: Path) -> Case:
    """Read one case that a test in Python has written; its files are in `folder`.

    Raises UsageError that tells every mistake.
    """
    try:
        # As JSON, so that lists become tuples while all else stays strict.
        case = Case.model_validate_json(json.dumps(keys))
    except ValidationError as error:
        raise UsageError(
            modelfile.sentences(Case, error, keys),
            hint="docs/suite.md explains every key",
        ) from error
    mistakes = [
        f"{'.'.join(map(str, it.where))}: {it.what}" for it in _case(case, folder)
    ]
    if mistakes:
        raise UsageError("; ".join(mistakes), hint="docs/suite.md explains every key")
    return case


def _mistakes(suite: Suite, folder: Path, source: Source) -> Iterator[_Mistake]:
    seen: dict[str, int] = {}
    for number, case in enumerate(suite.cases):
        at = ("cases", number)
        if case.name in seen:
            yield _Mistake(
                (*at, "name"),
                f"{case.name!r} again; the case of line {seen[case.name]} has it",
            )
        seen[case.name] = source.line(at)
        for mistake in _case(case, folder):
            yield _Mistake((*at, *mistake.where), mistake.what)


def _case(case: Case, folder: Path) -> Iterator[_Mistake]:
    if case.object:
        yield from _object(case.object, folder)
    else:
        yield from _without_object(case)
    yield from _files(case, folder)
    yield from _commands(case)
    yield from _drains(case)
    yield from _range(case.kernels, ("kernels",))
    for key in ("kernels", "config"):
        if getattr(case, key) and not case.reason:
            yield _Mistake(
                (key,), "needs a `reason` that tells why other kernels are left out"
            )
    yield from _tables(case)
    if case.expect_failure is not None:
        yield from _range(case.expect_failure.kernels, ("expect_failure", "kernels"))
        for name in case.expect_failure.classes:
            yield from _class(name)
    elif not case.expect:
        yield _Mistake((), f"{case.name!r} checks nothing; give it an `expect`")
    yield from _names(case)
    for number, expectation in enumerate(case.expect):
        at = ("expect", number)
        if isinstance(expectation, Matcher):
            yield from _matcher(expectation, at)
        if isinstance(expectation, MapExpectation):
            yield from _field(expectation, at)
        if isinstance(expectation, ShowExpectation):
            yield from _show(expectation, at)
        if isinstance(expectation, RowsExpectation):
            yield from _rows(expectation, at)
        if isinstance(expectation, CodeExpectation):
            yield from _code(expectation, at)


def _class(name: str) -> Iterator[_Mistake]:
    names = [it.name for it in CLASSES.values() if it.declarable]
    if name not in names:
        yield _Mistake(
            ("expect_failure", "class"),
            f"no failure class {name!r}{modelfile.near(name, names)}",
        )


def _without_object(case: Case) -> Iterator[_Mistake]:
    """Find what the agent can't do of what a command has loaded."""
    if not case.files:
        yield _Mistake((), "key 'object' is missing, or 'files' with a loader")
    for key in (
        *("vmlinux", "loader", "programs", "alternatives", "maps"),
        *("variables", "attach", "must_attach"),
    ):
        if key in case.model_fields_set:
            yield _Mistake((key,), "needs an `object`, which the runner loads")
    for number, trigger in enumerate(case.trigger):
        if isinstance(trigger, TestRun | Drain | Iterate):
            yield _Mistake(("trigger", number), "needs an `object`")
    for number, expectation in enumerate(case.expect):
        if isinstance(expectation, CodeExpectation) and expectation.relocated:
            yield _Mistake(("expect", number, "relocated"), "needs an `object`")


def _files(case: Case, folder: Path) -> Iterator[_Mistake]:
    for number, name in enumerate(case.files):
        if not (folder / name).is_file():
            there = sorted(it.name for it in folder.iterdir() if it.is_file())
            near = modelfile.near(name, there)
            yield _Mistake(("files", number), f"no file {name!r}{near}")


def _commands(case: Case) -> Iterator[_Mistake]:
    for number, trigger in enumerate(case.trigger):
        if isinstance(trigger, Command) and not trigger.background:
            for key in ("until", "stop"):
                if key in trigger.model_fields_set:
                    what = "is for a command with `background: true`"
                    yield _Mistake(("trigger", number, key), what)


def _drains(case: Case) -> Iterator[_Mistake]:
    for number, trigger in enumerate(case.trigger):
        if isinstance(trigger, Drain) and (trigger.struct is None) is not bool(
            trigger.fields
        ):
            what = (
                "needs `struct`, or `fields` of a struct that the object does not say"
            )
            yield _Mistake(("trigger", number), what)


def _object(name: str, folder: Path) -> Iterator[_Mistake]:
    try:
        yield from _file(name, folder)
    except (OSError, ValueError, RuntimeError) as error:
        # Too long a name, a NUL in it, a symlink to itself.
        words = getattr(error, "strerror", None) or str(error)
        yield _Mistake(("object",), f"{_start(name)} can't be opened: {words}")


def _file(name: str, folder: Path) -> Iterator[_Mistake]:
    at = ("object",)
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        yield _Mistake(at, f"{name!r} is outside of the suite's folder")
    elif not name.endswith(OBJECTS):
        yield _Mistake(at, f"{name!r} is neither a NAME.bpf.c nor an object file, .o")
    elif not path.is_file():
        there = sorted(it.name for it in folder.iterdir() if it.name.endswith(OBJECTS))
        yield _Mistake(at, f"no file {name!r}{modelfile.near(name, there)}")


def _start(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:59]}…")


def _range(text: str, at: tuple[str, ...]) -> Iterator[_Mistake]:
    if not text:
        return
    try:
        VersionRange.parse(text)
    except ValueError as error:
        yield _Mistake(at, str(error))


def _tables(case: Case) -> Iterator[_Mistake]:
    """Check the ranges of what differs by version."""
    tables: dict[tuple[str, ...], object] = {("loader",): case.loader}
    for name, program in case.programs.items():
        tables["programs", name, "load"] = program.load
        tables["programs", name, "attach"] = program.attach
    for name, map_ in case.maps.items():
        tables["maps", name, "create"] = map_.create
    for at, table in tables.items():
        for text in table if isinstance(table, dict) else ():
            yield from _range(text, (*at, text))


def _names(case: Case) -> Iterator[_Mistake]:
    """Check that what is referred to is saved by then."""
    yield from _references(case.variables, {*BEFORE}, ("variables",))
    for name, program in case.programs.items():
        attach = program.model_dump()["attach"]
        yield from _references(attach, {*BEFORE}, ("programs", name, "attach"))
    known = set(BUILT_IN)
    for number, trigger in enumerate(case.trigger):
        at = ("trigger", number)
        yield from _references(trigger.model_dump(), known, at)
        if trigger.save in known:
            yield _Mistake(at, f"saves {trigger.save!r}, which is taken; set `save`")
        known.add(trigger.save)
    for name, truth in case.truth.items():
        yield from _references(truth.model_dump(), known, ("truth", name))
    for number, expectation in enumerate(case.expect):
        at = ("expect", number)
        values = expectation.model_dump()
        yield from _references(values, known, at)
        for used in _used(values):
            if used.startswith("truth.") and used[6:].split(".")[0] not in case.truth:
                yield _Mistake(
                    at, f"no {used!r}{modelfile.near(used[6:], list(case.truth))}"
                )


def _references(
    value: JsonValue, known: set[str], at: tuple[int | str, ...]
) -> Iterator[_Mistake]:
    for used in _used(value):
        if used.split(".")[0] not in known:
            near = modelfile.near(used.split(".")[0], sorted(known))
            yield _Mistake(at, f"${{{used}}}: nothing by this name yet{near}")


def _used(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield from references(value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _used(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _used(item)


def _matcher(matcher: Matcher, at: tuple[int | str, ...]) -> Iterator[_Mistake]:
    # By what was written, so that `equals: null` counts.
    given = [name for name in MATCHERS if name in matcher.model_fields_set]
    if len(given) != 1:
        yield _Mistake(at, f"needs one of {', '.join(MATCHERS)}; {len(given)} given")
    if matcher.within is not None and "equals" not in given:
        yield _Mistake((*at, "within"), "needs `equals`, which it is a part of")
    if matcher.matches is not None:
        try:
            re.compile(matcher.matches)
        except (re.error, OverflowError, RecursionError) as error:
            yield _Mistake((*at, "matches"), f"no regular expression: {error}")


def _field(
    expectation: MapExpectation, at: tuple[int | str, ...]
) -> Iterator[_Mistake]:
    if expectation.field is not None and not _FIELD.fullmatch(expectation.field):
        yield _Mistake(
            (*at, "field"), f"{expectation.field!r} is no path like pos.x or sizes[2]"
        )
    if expectation.field is not None and expectation.raw:
        yield _Mistake((*at, "field"), "bytes have no fields; leave out field or raw")


def _show(
    expectation: ShowExpectation, at: tuple[int | str, ...]
) -> Iterator[_Mistake]:
    if (expectation.program is None) == (expectation.map is None):
        yield _Mistake(at, "needs either `program` or `map`")


def _rows(
    expectation: RowsExpectation, at: tuple[int | str, ...]
) -> Iterator[_Mistake]:
    for number, row in enumerate(expectation.rows):
        if not row:
            yield _Mistake((*at, "rows", number), "a row needs `key`, `value` or both")


def _code(
    expectation: CodeExpectation, at: tuple[int | str, ...]
) -> Iterator[_Mistake]:
    if expectation.xlated is not None and expectation.relocated is not None:
        yield _Mistake(at, "`xlated` and `relocated` are two expectations")
    for kind, wanted, other in (
        ("xlated", expectation.xlated, "poison"),
        ("relocated", expectation.relocated, "map"),
    ):
        for number, instruction in enumerate(wanted or ()):
            given = instruction.model_fields_set
            if len(given) != 1:
                keys = ", ".join(type(instruction).model_fields)
                yield _Mistake((*at, kind, number), f"needs one of {keys}")
            elif other in given:
                yield _Mistake((*at, kind, number, other), f"not in `{kind}`")


def files_below(path: Path, name: str = "suite.yaml") -> list[Path]:
    """Return the suite files that a path stands for: itself, or all below it.

    Raises UsageError when there is no such path.
    """
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    if path.is_dir():
        return sorted(path.rglob(name))
    return [path] if path.name == name else []
