"""A suite's folder: suite.yaml, and what no schema can check of it."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from runner.bpf import skb
from runner.errors import UsageError
from runner.files import modelfile, yamlfile
from runner.files.modelfile import FileEntry, Mistake, Where
from runner.files.plainpath import plain
from runner.files.yamlfile import YamlSource
from runner.suites import (
    attachplaces,
    builds,
    commandcase,
    comparable,
    conditionnames,
    namedfiles,
    naming,
    ranges,
    search,
    tautology,
    variants,
)
from runner.suites.comparable import AgreeExpectation, Compared, RecordExpectation
from runner.suites.model import (
    FILE_NAME,
    Case,
    CodeExpectation,
    Command,
    Drain,
    Iterate,
    LoadedExpectation,
    MapExpectation,
    Matcher,
    RowsExpectation,
    ShowExpectation,
    Suite,
    TestRun,
)
from runner.suites.reach import Reach
from runner.suites.references import used
from runner.suites.search import SUITE_FILE
from runner.text.nearest import near

# Names that every case has, in addition to those that it saves.
BUILT_IN = ("kernel", "agent", "files", "maps", "programs", "truth")
# Those that there are before the object is loaded.
BEFORE = ("kernel", "agent", "files")
# Between a suite and its case, in reports.
_WHOLE = "::"
MATCHERS = ("equals", "between", "one_of", "matches")
OBJECTS = (".bpf.c", ".o")
_UNOBSERVED = (
    "checks nothing that the object or a trigger gives: its `expect` refers only to "
    "what is known before; expect something of a map or a program, or say `must_run: "
    "false` in a case that is about loading alone"
)

_FIELD = re.compile(r"[A-Za-z_]\w*(\[\d+\])*(\.[A-Za-z_]\w*(\[\d+\])*)*|(\[\d+\])+")


@dataclass(frozen=True, kw_only=True)
class LoadedSuite:
    """A suite with where it stands."""

    path: Path
    # In reports and baselines.
    name: str
    suite: Suite
    # Case → its place in the file's list, which several variants share.
    numbers: Mapping[str, int]
    # To tell mistakes that are found later by their lines, too.
    source: YamlSource
    # Where its objects and files may lie.
    reach: Reach
    # Objects that the command line names, by where they are: as it names them.
    named: Mapping[Path, Path]

    @property
    def folder(self) -> Path:
        """The folder that paths in the suite are relative to."""
        return self.path.parent

    def place(self, case: Case) -> Where:
        """Return where a case stands in the file."""
        return ("cases", self.numbers[case.name])

    @property
    def lines(self) -> Mapping[str, int]:
        """Each case's line in the file."""
        return {it.name: self.source.line(self.place(it)) for it in self.suite.cases}

    def file(self, name: str) -> Path:
        """Return the path of an object or a file, as a user would name it."""
        path = plain(self.folder / name)
        return self.named.get(path.resolve(), path)

    def shown(self, name: str) -> str:
        """Return an object or a file as reports show it."""
        given = self.named.get((self.folder / name).resolve())
        return self.reach.shown(name, self.name) if given is None else str(given)

    def former_names(self, case: Case) -> tuple[str, ...]:
        """Return what reports called a case before: SUITE::CASE, without its name."""
        whole = tuple(name for name in case.was if _WHOLE in name)
        names = (case.name, *(name for name in case.was if _WHOLE not in name))
        suites = (self.name, *self.suite.was)
        here = [f"{suite}{_WHOLE}{name}" for suite in suites for name in names]
        return (*here[1:], *whole)


def require_distinct(suites: Iterable[LoadedSuite], tests: Iterable[Path] = ()) -> None:
    """Refuse two suites of one name, which no report could tell apart.

    `tests` are Python test files, which are suites, too; a file's name without .py is
    the suite's. Raises UsageError, also for a suite whose former name is that of
    another one. The same suite may be there twice.
    """
    given = list(suites)
    paths: dict[str, Path] = {}
    for name, path in (
        *((suite.name, suite.folder.resolve()) for suite in given),
        *((path.stem, path.resolve()) for path in tests),
    ):
        known = paths.setdefault(name, path)
        if known != path:
            raise UsageError(
                f"two suites have the name {name}: {known} and {path}",
                hint="give one of them another `name:` in its suite.yaml, rename its "
                "file if it is a Python test, or test them in two runs",
            )
    mistakes = [mistake for suite in given for mistake in _in_use(suite, paths, given)]
    if mistakes:
        raise UsageError("\n".join(dict.fromkeys(mistakes)))


def _in_use(
    suite: LoadedSuite, paths: Mapping[str, Path], all_: Sequence[LoadedSuite]
) -> Iterator[str]:
    """Find former names of a suite and its cases that others have now."""
    for number, name in enumerate(suite.suite.was):
        if name in paths:
            what = f"{name!r} is the name of another suite: {paths[name]}"
            yield suite.source.mistake(("was", number), what)
    places = {
        f"{it.name}{_WHOLE}{name}": f"{it.path}:{line}"
        for it in all_
        for name, line in it.lines.items()
    }
    for case in suite.suite.cases:
        # Variants have their case's own names before those that it lists.
        for number, name in enumerate(case.was, -case.name.count("[")):
            if name in places:
                what = f"{name!r} is the name of another case: {places[name]}"
                at = (*suite.place(case), "was", number)
                yield suite.source.mistake(at, what)


def require_kernels(
    suites: Iterable[LoadedSuite], why_not: Callable[[str], str]
) -> None:
    """Refuse kernels that suites name and that there are not.

    `why_not` says of an id what is wrong with it; empty if nothing is. Raises
    UsageError that lists every mistake of a suite, up to 10, by file and line.
    """
    for suite in suites:
        mistakes = [
            suite.source.mistake((*suite.place(case), "vmlinux"), why)
            for case in suite.suite.cases
            if case.vmlinux is not None and (why := why_not(case.vmlinux))
        ]
        if mistakes:
            raise modelfile.refused(suite.source, mistakes)


def load(
    path: Path, *, matrix: Path | None = None, named: Sequence[Path] = ()
) -> LoadedSuite:
    """Read a suite.yaml and check it as far as that goes without a kernel.

    `matrix` is the run's matrix file, which helps to name a suite without `name:`. Its
    objects and files lie in its repository, below the folder of `matrix`, or are
    `named` on the command line. Raises UsageError that lists every mistake, up to 10,
    by file and line.
    """
    suite, source = modelfile.load(path, Suite)
    name = suite.name or naming.of_folder(path.resolve().parent, matrix)
    more = [*([] if matrix is None else [matrix.parent]), *named]
    reach = Reach.of(path.parent, more)
    mistakes = [
        source.mistake(mistake.where, mistake.what)
        for mistake in _mistakes(suite, reach, name, source)
    ]
    if mistakes:
        raise modelfile.refused(source, mistakes)
    numbers = {
        each.name: number
        for number, case in enumerate(suite.cases)
        for each in variants.each(suite, [case])
    }
    return LoadedSuite(
        path=path,
        name=name,
        suite=variants.of_suite(suite),
        numbers=numbers,
        source=source,
        reach=reach,
        named={it.resolve(): it for it in named},
    )


def referenced(path: Path) -> list[Path]:
    """Return the objects and files that a suite file names and that are there.

    A file that can't be read names none; others report it.
    """
    try:
        data, _ = yamlfile.read(path)
    except UsageError:
        return []
    cases = data.get("cases") if isinstance(data, dict) else None
    found: dict[Path, Path] = {}
    for case in cases if isinstance(cases, list) else ():
        keys = case if isinstance(case, dict) else {}
        given: list[object] = [keys.get(it) for it in ("object", "stdin", "btf")]
        if isinstance(extended := keys.get("extends"), dict):
            given.append(extended.get("object"))
        for key in ("files", "command"):
            words = keys.get(key)
            given += words if isinstance(words, list) else []
        for name in given:
            with suppress(OSError, ValueError, RuntimeError):
                if isinstance(name, str) and (path.parent / name).is_file():
                    whole = path.parent / name
                    found.setdefault(whole.resolve(), whole)
    return list(found.values())


def parse_case(keys: dict[str, JsonValue], folder: Path) -> Case:
    """Read one case that a test in Python has written; its files are in `folder`.

    Raises UsageError that lists every mistake.
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
        f"{yamlfile.shown(it.where)}: {it.what}" if it.where else it.what
        for it in _case(case, Reach.of(folder))
    ]
    if variants.loaders_of(case):
        mistakes.append("loader: name one; only suite.yaml takes a list")
    if len(builds.listed(case.variants)) > 1:
        mistakes.append("variants: give one; only suite.yaml takes several")
    mistakes += [
        f"expect[{number}]: {_key_of(it)} works in a suite.yaml only: a test in Python "
        "runs on one kernel, and asserts what it wants to see"
        for number, it in enumerate(case.expect)
        if isinstance(it, Compared)
    ]
    if mistakes:
        raise UsageError("; ".join(mistakes), hint="docs/suite.md explains every key")
    return case


def _mistakes(
    suite: Suite, reach: Reach, name: str, source: YamlSource
) -> Iterator[Mistake]:
    if name in suite.was:
        what = f"{name!r} is the suite's name now; list only former names"
        yield Mistake(("was", suite.was.index(name)), what)
    yield from _former_names(suite, source)
    yield from builds.mistakes(suite.variants, is_source=True)
    seen: dict[str, int] = {}
    for number, case in enumerate(suite.cases):
        at = ("cases", number)
        if case.name in seen:
            yield Mistake(
                (*at, "name"),
                f"{case.name!r} is used twice; the case of line {seen[case.name]} has "
                "it, too",
            )
        seen[case.name] = source.line(at)
        for mistake in (*_case(case, reach), *_variants(suite, case)):
            yield Mistake((*at, *mistake.where), mistake.what)
    yield from _records(suite, source)


def _records(suite: Suite, source: YamlSource) -> Iterator[Mistake]:
    """Find two records in one file, which would overwrite each other."""
    taken: dict[str, int] = {}
    for number, case in enumerate(suite.cases):
        for place, expectation in enumerate(case.expect):
            if not isinstance(expectation, RecordExpectation):
                continue
            at = ("cases", number, "expect", place, "record")
            file = expectation.file(case.name)
            if file in taken:
                what = f"line {taken[file]} records into {file}, too"
                yield Mistake(at, f"{what}; give each its own file")
            taken[file] = source.line(at)


def _former_names(suite: Suite, source: YamlSource) -> Iterator[Mistake]:
    """Find names that cases had before, and that do not tell which case is meant."""
    lines = {
        case.name: source.line(("cases", number))
        for number, case in enumerate(suite.cases)
    }
    claimed: dict[str, int] = {}
    for number, case in enumerate(suite.cases):
        for place, name in enumerate(case.was):
            at = ("cases", number, "was", place)
            if name in lines:
                what = f"the case of line {lines[name]} has the name {name!r} now"
                yield Mistake(at, f"{what}; list only names that no longer exist")
            elif name in claimed:
                what = f"the case of line {claimed[name]} lists {name!r}, too"
                yield Mistake(at, f"{what}; a case can have only one successor")
            claimed.setdefault(name, lines[case.name])


def _case(case: Case, reach: Reach) -> Iterator[Mistake]:
    if case.command:
        yield from commandcase.mistakes(case, reach)
        yield from _expectations(case)
        return
    yield from commandcase.needing(case)
    if case.object:
        yield from namedfiles.check(case.object, reach, ("object",), _is_object)
    else:
        yield from _without_object(case)
    if case.extends is not None:
        other = case.extends.object
        yield from namedfiles.check(other, reach, ("extends", "object"), _is_object)
    if case.btf is not None:
        yield from namedfiles.check_btf(case.btf, reach, ("btf",))
    yield from attachplaces.mistakes(case)
    yield from _only(case)
    yield from _files(case, reach)
    yield from _commands(case)
    yield from _drains(case)
    yield from _packets(case)
    yield from ranges.check(case.kernels, ("kernels",))
    for key in ("kernels", "config"):
        if getattr(case, key) and not case.reason:
            yield Mistake(
                (key,),
                "needs a `reason` that explains why it is skipped on other kernels",
            )
    yield from _tables(case)
    if case.needs is not None:
        yield from conditionnames.mistakes(case.needs, ("needs",))
    if case.expect_failure is not None:
        yield from ranges.check(
            case.expect_failure.kernels, ("expect_failure", "kernels")
        )
        if case.expect_failure.needs is not None:
            failing = ("expect_failure", "needs")
            yield from conditionnames.mistakes(case.expect_failure.needs, failing)
        for name in case.expect_failure.classes:
            yield from ranges.check_class(name)
    elif not case.expect:
        yield Mistake((), f"{case.name!r} checks nothing; give it an `expect`")
    if case.expect and case.must_run and not tautology.observes(case.expect, BEFORE):
        yield Mistake((), f"{case.name!r} {_UNOBSERVED}")
    yield from _names(case)
    yield from _expectations(case)
    for number, expectation in enumerate(case.expect):
        if isinstance(expectation, LoadedExpectation):
            what = (
                "needs a `command`; use `show` for what the runner or a trigger loads"
            )
            yield Mistake(("expect", number, "loaded"), what)


def _variants(suite: Suite, case: Case) -> Iterator[Mistake]:
    yield from builds.mistakes(case.variants, is_source=case.object.endswith(".c"))
    failure = case.expect_failure
    if failure is None or failure.variants is None:
        return
    known = [it.label for it in variants.of_case(suite, case)]
    at = ("expect_failure", "variants")
    for name in failure.variants:
        if name not in known:
            meant = near(name, known) or f"; there are {', '.join(known) or 'none'}"
            yield Mistake(at, f"no variant {name!r}{meant}")
    if not case.expect and not {*known} <= {*failure.variants}:
        yield Mistake(at, "the other variants check nothing; give the case an `expect`")


def _only(case: Case) -> Iterator[Mistake]:
    """Find settings of programs that `only` leaves out."""
    if "only" not in case.model_fields_set:
        return
    if not case.only:
        yield Mistake(("only",), "names no program; leave it out to load all")
        return
    for name in case.programs:
        patterns = any(mark in name for mark in "*?[")
        if not patterns and not any(fnmatchcase(name, it) for it in case.only):
            what = f"{name} is not loaded: `only` does not name it"
            yield Mistake(("programs", name), what)


def _key_of(expectation: Compared) -> str:
    return "agree" if isinstance(expectation, AgreeExpectation) else "record"


def _expectations(case: Case) -> Iterator[Mistake]:
    for number, expectation in enumerate(case.expect):
        at = ("expect", number)
        for where, what in tautology.mistakes(expectation):
            yield Mistake((*at, *where), what)
        for kind, check in _CHECKS:
            if isinstance(expectation, kind):
                yield from check(expectation, at)


def _without_object(case: Case) -> Iterator[Mistake]:
    """Find what the agent can't do of what a command has loaded."""
    if not case.files:
        what = "key 'object' is missing, or 'files' with a loader, or 'command'"
        yield Mistake((), what)
    for key in (
        *(
            "vmlinux",
            "loader",
            "btf",
            "extends",
            "variants",
            "programs",
            "alternatives",
            "maps",
        ),
        *("variables", "attach", "each_program", "must_attach"),
    ):
        if key in case.model_fields_set:
            yield Mistake((key,), "needs an `object` that the runner loads")
    for number, trigger in enumerate(case.trigger):
        if isinstance(trigger, TestRun | Drain | Iterate):
            yield Mistake(("trigger", number), "needs an `object`")
    for number, expectation in enumerate(case.expect):
        if isinstance(expectation, CodeExpectation) and expectation.relocated:
            yield Mistake(("expect", number, "relocated"), "needs an `object`")


def _files(case: Case, reach: Reach) -> Iterator[Mistake]:
    known: dict[str, str] = {}
    for number, name in enumerate(case.files):
        at = ("files", number)
        base = Path(name).name
        yield from namedfiles.check(name, reach, at, lambda _: "")
        if not re.fullmatch(FILE_NAME, base):
            what = "a file's name may only have letters, digits, '.', '_' and '-'"
            yield Mistake(at, f"{namedfiles.shown(name)}: {what}")
        elif known.setdefault(base, name) != name:
            what = f"{known[base]!r} is {base} in the guest, too; rename one of them"
            yield Mistake(at, f"{name!r}: {what}")


def _commands(case: Case) -> Iterator[Mistake]:
    for number, trigger in enumerate(case.trigger):
        if isinstance(trigger, Command):
            for mistake in commandcase.variables(trigger.env):
                where = ("trigger", number, *mistake.where)
                yield Mistake(where, mistake.what)
        if isinstance(trigger, Command) and not trigger.background:
            for key in ("until", "stop"):
                if key in trigger.model_fields_set:
                    what = "only works for a command with `background: true`"
                    yield Mistake(("trigger", number, key), what)


def _drains(case: Case) -> Iterator[Mistake]:
    for number, trigger in enumerate(case.trigger):
        if isinstance(trigger, Drain) and (trigger.struct is None) is not bool(
            trigger.fields
        ):
            what = "needs `struct`, or `fields` if the object does not have the struct"
            yield Mistake(("trigger", number), what)


def _packets(case: Case) -> Iterator[Mistake]:
    """Find what no packet has that a program is run with."""
    for number, trigger in enumerate(case.trigger):
        for name, value in trigger.skb.items() if isinstance(trigger, TestRun) else ():
            try:
                skb.pack({name: value})
            except UsageError as error:
                what = f"{error.message}; {error.hint}"
                yield Mistake(("trigger", number, "skb", name), what)


def _is_object(name: str) -> str:
    if name.endswith(OBJECTS):
        return ""
    return "is neither a NAME.bpf.c nor an object file (.o)"


def _tables(case: Case) -> Iterator[Mistake]:
    """Check the ranges and conditions of what differs from kernel to kernel."""
    tables: dict[tuple[str, ...], object] = {("loader",): case.loader}
    for name, program in case.programs.items():
        tables["programs", name, "load"] = program.load
        tables["programs", name, "attach"] = program.attach
    for name, map_ in case.maps.items():
        tables["maps", name, "create"] = map_.create
    for at, table in tables.items():
        for text in table if isinstance(table, dict) else ():
            yield from ranges.check(text, (*at, text))
        for number, choice in enumerate(table if isinstance(table, tuple) else ()):
            if isinstance(choice, str):
                continue
            inside: Where = (*at, number, "needs")
            yield from conditionnames.mistakes(choice.needs, inside)
    listed = variants.loaders_of(case)
    for number, name in enumerate(listed):
        if name in listed[:number]:
            yield Mistake(("loader", number), f"{name} is listed twice")


def _names(case: Case) -> Iterator[Mistake]:
    """Check that what is referred to is saved by then."""
    yield from _references(case.variables, {*BEFORE}, ("variables",))
    for name, map_ in case.maps.items():
        yield from _references(
            [{str(k): v for k, v in it.items()} for it in map_.rows],
            {*BEFORE},
            ("maps", name, "rows"),
        )
    for name, program in case.programs.items():
        attach = program.model_dump()["attach"]
        yield from _references(attach, {*BEFORE}, ("programs", name, "attach"))
    known = set(BUILT_IN)
    for number, trigger in enumerate(case.trigger):
        at = ("trigger", number)
        yield from _references(trigger.model_dump(), known, at)
        if trigger.save in known:
            yield Mistake(
                at, f"`save: {trigger.save}` is already used; set another `save`"
            )
        known.add(trigger.save)
    for name, truth in case.truth.items():
        yield from _references(truth.model_dump(), known, ("truth", name))
    for number, expectation in enumerate(case.expect):
        at = ("expect", number)
        values = expectation.model_dump()
        yield from _references(values, known, at)
        for name in used(values):
            if name.startswith("truth.") and name[6:].split(".")[0] not in case.truth:
                yield Mistake(at, f"no {name!r}{near(name[6:], list(case.truth))}")


def _references(value: JsonValue, known: set[str], at: Where) -> Iterator[Mistake]:
    for name in used(value):
        if name.split(".")[0] not in known:
            meant = near(name.split(".")[0], sorted(known))
            yield Mistake(at, f"${{{name}}}: no value has this name yet{meant}")


def _matcher(matcher: Matcher, at: Where) -> Iterator[Mistake]:
    # By what was written, so that `equals: null` counts.
    given = [name for name in MATCHERS if name in matcher.model_fields_set]
    if len(given) != 1:
        yield Mistake(at, f"needs one of {', '.join(MATCHERS)}; {len(given)} given")
    if matcher.within is not None and "equals" not in given:
        yield Mistake((*at, "within"), "needs `equals`")
    if matcher.matches is not None:
        try:
            re.compile(matcher.matches)
        except (re.error, OverflowError, RecursionError) as error:
            yield Mistake((*at, "matches"), f"not a regular expression: {error}")


# What a map never holds, and what that may mean.
_NULLS = {
    "inner": "null is not a key of a map in it; write one, or leave out `inner`",
    "key": "null is not a key; write one, or leave out `key`",
    "equals": "null is not a value that a map can hold",
}


def _null(
    expectation: MapExpectation | RowsExpectation | ShowExpectation | Compared,
    at: Where,
) -> Iterator[Mistake]:
    """Find keys without a value, which would read as if they were not there."""
    for key, what in _NULLS.items():
        given = key in expectation.model_fields_set
        if given and getattr(expectation, key) is None:
            yield Mistake((*at, key), what)


def _field(expectation: MapExpectation, at: Where) -> Iterator[Mistake]:
    if expectation.field is not None and not _FIELD.fullmatch(expectation.field):
        yield Mistake(
            (*at, "field"),
            f"{expectation.field!r} is not a path like pos.x or sizes[2]",
        )
    if expectation.field is not None and expectation.raw:
        yield Mistake((*at, "field"), "bytes have no fields; leave out field or raw")


def _show(expectation: ShowExpectation, at: Where) -> Iterator[Mistake]:
    if (expectation.program is None) == (expectation.map is None):
        yield Mistake(at, "needs either `program` or `map`")
    elif expectation.inner is not None and expectation.map is None:
        yield Mistake((*at, "inner"), "only works with `map`")


def _rows(expectation: RowsExpectation, at: Where) -> Iterator[Mistake]:
    if not expectation.rows and expectation.match == "includes":
        yield Mistake((*at, "rows"), "has no rows, so it is true for every map")
    for number, row in enumerate(expectation.rows):
        if not row:
            yield Mistake((*at, "rows", number), "a row needs `key`, `value` or both")
        for part, value in row.items():
            if value is None:
                yield Mistake((*at, "rows", number, part), f"null is not a {part}")


def _code(expectation: CodeExpectation, at: Where) -> Iterator[Mistake]:
    if expectation.xlated is not None and expectation.relocated is not None:
        yield Mistake(at, "use two expectations for `xlated` and `relocated`")
    for kind, wanted, other in (
        ("xlated", expectation.xlated, "poison"),
        ("relocated", expectation.relocated, "map"),
    ):
        for number, instruction in enumerate(wanted or ()):
            given = instruction.model_fields_set
            if len(given) != 1:
                keys = ", ".join(type(instruction).model_fields)
                yield Mistake((*at, kind, number), f"needs one of {keys}")
            elif other in given:
                yield Mistake((*at, kind, number, other), f"not allowed in `{kind}`")


_CHECKS: tuple[
    tuple[type[FileEntry], Callable[[Any, Where], Iterator[Mistake]]], ...
] = (
    (Matcher, _matcher),
    (MapExpectation, _null),
    (RowsExpectation, _null),
    (ShowExpectation, _null),
    (Compared, _null),
    (MapExpectation, _field),
    (ShowExpectation, _show),
    (RowsExpectation, _rows),
    (CodeExpectation, _code),
    (Compared, comparable.mistakes),
)


def files_below(path: Path, name: str = SUITE_FILE) -> list[Path]:
    """Return the suite files that a path means: itself, or all below it.

    Raises UsageError when there is no such path.
    """
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    if path.is_dir():
        return search.below(path, name)
    return [path] if path.name == name else []
