"""Cases with a `command`: programs of the user's own, in place of an object."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from runner.files.modelfile import Mistake, Where
from runner.programs import prepare
from runner.suites import conditionnames, loadednames, namedfiles, ranges
from runner.suites.comparable import Compared
from runner.suites.model import (
    Case,
    CodeExpectation,
    LoadedExpectation,
    LoadedThing,
    ShowExpectation,
    ValueExpectation,
)
from runner.suites.reach import Reach
from runner.suites.references import used

# Keys that need a command.
_OF_COMMANDS = (
    "results",
    "isolate",
    "env",
    "stdin",
    "timeout",
    "run_as",
    "cwd",
    "record",
    "root",
    "headers",
)
# Keys of cases in which the runner loads, triggers and looks.
_OF_OTHERS = (
    *("object", "vmlinux", "loader", "programs", "alternatives", "maps", "variables"),
    *("attach", "each_program", "must_attach", "must_run", "trigger", "truth"),
    *("variants", "only", "accept", "btf", "extends"),
)
_SHOWN = {"run_as": "as"}
# Of bpftool's `prog show` and `map show`, what a record has.
RECORDED_KEYS = frozenset(
    ("name", "type", "tag", "bytes_key", "bytes_value", "max_entries")
)
# Returns the path of a file that a suite names, as a user would name it.
Find = Callable[[str], Path]

# A root of REGISTRY/NAME[:TAG][@sha256:DIGEST]; a registry has a dot or a port, or is
# localhost.
IMAGE = re.compile(
    r"(?P<name>(?:localhost|[\w-]+(?:\.[\w-]+)+|[\w.-]+(?=:\d+/))(?::\d+)?"
    r"(?:/[a-z0-9._-]+)+)(?::(?P<tag>[\w][\w.-]*))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
# What an argument may refer to; a shell's own ${NAME} has no dot.
REFERENCE = re.compile(r"\$\{(kernel|files)\.\w+\}")


def needing(case: Case) -> Iterator[Mistake]:
    """Find keys of a case without a command that only a command has."""
    for key in _OF_COMMANDS:
        if key in case.model_fields_set:
            yield Mistake((_SHOWN.get(key, key),), "needs a `command`")


def mistakes(case: Case, reach: Reach) -> Iterator[Mistake]:
    """Find what is wrong with a case that has a command."""
    for key in _OF_OTHERS:
        if key in case.model_fields_set:
            what = "does not work with `command`; make it a case of its own"
            yield Mistake((key,), what)
    if case.guest.user is not None:
        what = "says who loads an `object`; for a command, write `as`"
        yield Mistake(("guest", "user"), what)
    yield from _command(case, reach)
    taken = {_default(case.command[0]): case.command[0]}
    for number, word in enumerate(case.files):
        name, target = split(word)
        at = ("files", number)
        there = target or _default(name)
        if taken.setdefault(there, name) != name:
            what = f"{name!r} would be {there} in the guest, like {taken[there]!r}"
            yield Mistake(at, f"{what}; write {name}:GUESTPATH")
        yield from namedfiles.check(name, reach, at, folders=True)
        if target and not is_plain(target):
            what = f"{target!r} must be an absolute path without .. in the guest"
            yield Mistake(at, what)
    if case.stdin is not None:
        yield from namedfiles.check(case.stdin, reach, ("stdin",))
    if case.root is not None:
        yield from _root(case.root, reach)
    elif case.headers:
        yield Mistake(("headers",), "needs a `root`")
    yield from variables(case.env)
    yield from _selection(case)
    yield from _expectations(case)


def _expectations(case: Case) -> Iterator[Mistake]:
    for number, expectation in enumerate(case.expect):
        at = ("expect", number)
        if isinstance(expectation, CodeExpectation | ValueExpectation | Compared):
            what = "does not work with `command`; only `loaded`, `show` and maps do"
            yield Mistake(at, what)
        elif not case.record:
            yield Mistake(at, "needs what is recorded; remove `record: false`")
        elif [*used(expectation.model_dump())]:
            yield Mistake(at, "references are not replaced here")
        elif isinstance(expectation, LoadedExpectation):
            yield from _thing(expectation.loaded, (*at, "loaded"))
        elif isinstance(expectation, ShowExpectation):
            if expectation.inner is not None:
                what = "does not work with `show` of a `command`; expect its rows"
                yield Mistake((*at, "inner"), what)
            for key in expectation.show:
                if key not in RECORDED_KEYS:
                    known = ", ".join(sorted(RECORDED_KEYS))
                    what = f"is not recorded; keys are {known}"
                    yield Mistake((*at, "show", key), what)


def _thing(thing: LoadedThing, at: Where) -> Iterator[Mistake]:
    if (thing.program is None) == (thing.map is None):
        yield Mistake(at, "needs either `program` or `map`")
    else:
        yield from loadednames.mistakes(thing, at)
    for key in ("attach", "tag"):
        if thing.map is not None and getattr(thing, key) is not None:
            yield Mistake((*at, key), "maps have none; only programs do")


def _command(case: Case, reach: Reach) -> Iterator[Mistake]:
    program = case.command[0]
    if not program:
        yield Mistake(("command", 0), "the program has no name")
    elif case.root is not None and program.startswith("/"):
        pass
    elif "/" in program or (reach.folder / program).is_file():
        yield from namedfiles.check(program, reach, ("command", 0))
    for number, word in enumerate(case.command):
        if "\0" in word:
            yield Mistake(("command", number), "has a NUL in it")


def _root(word: str, reach: Reach) -> Iterator[Mistake]:
    name, _, _ = word.rpartition(":")
    for it in (word, name):
        if it and (reach.folder / it).exists():
            yield from namedfiles.check(it, reach, ("root",), folders=True)
            return
    if not IMAGE.fullmatch(word):
        what = f"there is no folder, tar or image {word!r}; an image needs its registry"
        yield Mistake(("root",), f"{what}: REGISTRY/NAME:TAG")


def _selection(case: Case) -> Iterator[Mistake]:
    yield from ranges.check(case.kernels, ("kernels",))
    for key in ("kernels", "config"):
        if getattr(case, key) and not case.reason:
            yield Mistake(
                (key,),
                "needs a `reason` that explains why it is skipped on other kernels",
            )
    if case.needs is not None:
        yield from conditionnames.mistakes(case.needs, ("needs",))
    if case.expect_failure is None:
        return
    if case.expect_failure.needs is not None:
        failing = ("expect_failure", "needs")
        yield from conditionnames.mistakes(case.expect_failure.needs, failing)
    if case.results != "exit":
        yield Mistake(("expect_failure",), "only works with `results: exit`")
    yield from ranges.check(case.expect_failure.kernels, ("expect_failure", "kernels"))
    for name in case.expect_failure.classes:
        yield from ranges.check_class(name)


def _default(name: str) -> str:
    """Return where a file goes that has no path of its own."""
    return str(target(name, prepare.FOLDER))


def split(word: str) -> tuple[str, str]:
    """Return a file and its path in the guest, which is empty if it has none.

    "a:b:/c" is the file "a:b".
    """
    name, colon, target = word.rpartition(":/")
    return (name, f"/{target}") if colon and name else (word, "")


def is_plain(path: str) -> bool:
    """Whether an absolute path has no empty, "." or ".." component."""
    return path.startswith("/") and all(
        it not in ("", ".", "..") for it in path[1:].split("/")
    )


def program(case: Case, find: Find) -> Path | None:
    """Return the program's file of this machine; None for one that the guest has.

    In a root, an absolute path is the root's.
    """
    if case.root is not None and case.command[0].startswith("/"):
        return None
    path = find(case.command[0])
    return path if path.is_file() else None


def target(name: str, folder: PurePosixPath) -> PurePosixPath:
    """Return where a file goes that has no path of its own."""
    return folder / (Path(name).name or "_")


def variables(env: Iterable[str]) -> Iterator[Mistake]:
    """Find names in `env` that no variable can have."""
    for name in env:
        if not name or "=" in name or "\0" in name:
            yield Mistake(("env", name), "is not the name of a variable")
