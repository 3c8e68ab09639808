"""The case that `bisect` is about, and how it is run on each version."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.bisect.boots import RunOfCase
from runner.bisect.caseprobe import BisectedCase
from runner.bisect.foresight import objects_of
from runner.cli import objects
from runner.cli import suites as suites_
from runner.errors import UsageError
from runner.files.cache import Cache
from runner.kernels.rows import KernelChoice
from runner.matrix import matrix as matrix_
from runner.run import options, selection
from runner.suites import project, suitefile
from runner.suites.model import Case
from runner.suites.suitefile import LoadedSuite
from runner.text.nearest import nearest

# What says where the case is.
_PLACE = ("--matrix", "--suite", "--object", "--loader", "--variants", "--load-only")
# How its guests run.
_GUESTS = ("--accel", *options.TIMEOUTS, "--cold", "--libbpf")
OPTIONS = (*_PLACE, *_GUESTS)
_BETWEEN = "::"


def words(given: Sequence[str]) -> list[str]:
    """Return the words of an option that takes several with commas."""
    return [word for it in given for word in it.split(",") if word.strip()]


@dataclass(frozen=True, kw_only=True)
class GivenSuites:
    """The suites that a command line means."""

    # Of suites, and of Python tests.
    paths: tuple[Path, ...]
    suites: tuple[LoadedSuite, ...]

    @property
    def has_python_tests(self) -> bool:
        """Whether there are also Python tests, of which nothing is known."""
        return any(map(suites_.has_python_tests, self.paths))


def suites(arguments: argparse.Namespace) -> GivenSuites:
    """Return those of --suite and --object, or the project's. Raises UsageError."""
    found = project.find(arguments.matrix)
    given = list(arguments.suite)
    if arguments.object:
        given.append(objects.of_arguments(arguments))
    paths = suites_.paths(given, found, matrix_.load(found.matrix))
    loaded = (
        suitefile.load(file, matrix=found.matrix, named=tuple(arguments.object))
        for path in paths
        for file in suitefile.files_below(path)
    )
    return GivenSuites(paths=tuple(paths), suites=tuple(loaded))


def find(arguments: argparse.Namespace, name: str, cache: Cache) -> BisectedCase:
    """Return the case that a name means.

    Raises UsageError for one that no suite has, and RunnerError for an object that
    can't be compiled.
    """
    suite, between, case = name.partition(_BETWEEN)
    found = project.find(arguments.matrix)
    given = suites(arguments)
    if not (suite and between and case):
        raise UsageError(
            f"{name!r} is not SUITE::CASE",
            hint=f"write it as reports print it{_meant(name, given)}",
        )
    place, own = _case(given, suite, case)
    source = place.file(own.object) if place and own and own.object else None
    objects_ = None
    if place and own and own.object and own.vmlinux is None:
        objects_ = objects_of(place, own, cache)
    tests = [str(it) for it in given.paths]
    choice = KernelChoice(matrix=found.matrix, selectors=())
    run = RunOfCase(
        suite=suite,
        case=case,
        options=options.as_words(arguments, *OPTIONS),
        folder=arguments.reports,
    )
    return BisectedCase(
        run=run,
        case=own,
        objects=objects_,
        source_path=source,
        shown_object=place.shown(own.object) if place and own and own.object else "",
        sha256=selection.describe(choice, tests, "").suites_sha256,
    )


def _meant(name: str, given: GivenSuites) -> str:
    """Return ", such as seq::watches" for words that are nearly those of a case."""
    named = [(place, own) for place in given.suites for own in place.suite.cases]
    near = nearest(name.strip(":"), [own.name for _, own in named], 3)
    cases = [
        f"{place.name}{_BETWEEN}{own.name}" for place, own in named if own.name in near
    ]
    return f", such as {', '.join(cases[:3])}" if cases else ""


def _case(
    given: GivenSuites, suite: str, case: str
) -> tuple[LoadedSuite | None, Case | None]:
    """Return the case of a suite; nothing for a Python test. Raises UsageError."""
    known: list[str] = []
    for place in given.suites:
        for own in place.suite.cases:
            known.append(f"{place.name}{_BETWEEN}{own.name}")
            # A test of a program is CASE::TEST.
            is_own = case == own.name or case.startswith(f"{own.name}{_BETWEEN}")
            if place.name == suite and is_own:
                return place, own
    if given.has_python_tests and suite not in (it.name for it in given.suites):
        return None, None
    near = nearest(f"{suite}{_BETWEEN}{case}", known, 3, cutoff=0.4) or known[:5]
    raise UsageError(
        f"there is no case {suite}{_BETWEEN}{case}",
        hint=f"there are {', '.join(near)}" if near else "no suite has a case",
    )
