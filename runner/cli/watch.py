"""`watch`: a verdict on one kernel about a second after each save."""

import argparse
import os
import select
import shutil
import sys
import termios
import time
import tty
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from runner.cli import objects
from runner.cli import suites as suites_
from runner.cli.called import as_called
from runner.cli.watchworker import WaitingRun, WatchOrder, WatchVerdict
from runner.errors import ExitStatus, RunnerError, UsageError
from runner.files.cache import Cache
from runner.kernels import fetch, lock, rows
from runner.kernels.rows import ChosenKernels
from runner.matrix.matrix import Kernel
from runner.reports.place import require_writable
from runner.run import options
from runner.run.options import RunOption
from runner.suites import project, search, suitefile
from runner.suites.search import PYTHON_TESTS
from runner.watching.changes import ChangedFiles
from runner.watching.touched import CaseName, WatchedSuites, touched

_REPORTS = Path("reports/watch")
# Of a run, but not of one that goes on and on.
_WITHOUT = (
    *("--reports", "--reports-unique", "--shard", "--timings", "--json", "--quiet"),
    *("--lf", "-x", "-n", "--cold", *options.CRITERIA),
)
# Below the folder of the reports: those of the last verdict, and of the run that waits.
_LAST, _NEXT = "last", "next"
_PYPROJECT = Path("pyproject.toml")
# Seconds between two searches for new suites, at least.
_SEARCH = 1.0
# Seconds after which a file's time says nothing of when it was saved.
_OLD = 10.0
_KEYS = "Enter: run all, q: quit"

EPILOG = """\
A save of a source, a header that it includes, an object, a file or a suite.yaml runs
the cases that it touches, and no others. A process with a restored guest waits for it.
A suite with a mistake is shown, and waited for. On a terminal, Enter runs all cases,
and q quits.

examples:
  python -m runner watch                              # all of your suites
  python -m runner watch --kernels 6.12 --suite tests/bpf/execsnoop
  python -m runner watch --object build/probe.bpf.o
  python -m runner watch --once                       # end after the first save
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `watch` takes."""
    flags = [it.flag for it in options.of("cli") if it.flag not in _WITHOUT]
    options.add(
        parser,
        *flags,
        kernels="the only row, or the newest one with the tag `default`, or else the "
        "newest that is in the cache",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="end after the verdict on the first save, with its exit status",
    )
    parser.add_argument(
        "--reports",
        type=Path,
        default=_REPORTS,
        metavar="DIR",
        help=f"folder for the reports; those of the last verdict are in DIR/{_LAST} "
        f"(default: {_REPORTS})",
    )
    for option in options.of("cli"):
        if option.flag in _WITHOUT and option.flag != "--reports":
            parser.set_defaults(**{option.dest: _default(option)})


def _default(option: RunOption) -> object:
    return False if option.action == "store_true" else option.default


def main(arguments: argparse.Namespace) -> int:
    """Watch until the user ends it, and return the last verdict's status.

    Raises UsageError for a wrong selection of kernels, and without any suite.
    """
    require_writable(arguments.reports)
    # Failures, and a line with the verdict.
    arguments.quiet = True
    with ExitStack() as stack:
        keys = stack.enter_context(_keyboard())
        watch = _Watch(arguments, keys)
        stack.callback(watch.close)
        return watch.run()


class _Keys:
    """What the user types, as far as there is a terminal."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self.pressed = ""

    @property
    def is_there(self) -> bool:
        """Whether somebody can type."""
        return self._descriptor is not None

    def wait(self, seconds: float) -> bool:
        """Wait for a key, at most some seconds; return whether there was one."""
        found = [] if self._descriptor is None else [self._descriptor]
        if not select.select(found, [], [], seconds)[0]:
            return False
        assert self._descriptor is not None
        # At its end, nobody types any more.
        self.pressed = os.read(self._descriptor, 1).decode(errors="replace") or "q"
        return True


@contextmanager
def _keyboard() -> Iterator[_Keys]:
    """Read single keys of a terminal, and put it back as it was."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        yield _Keys(None)
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        # Ctrl-C stays a signal.
        tty.setcbreak(descriptor)
        yield _Keys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


class _Watch:
    """The loop: a save, what it touches, a verdict."""

    def __init__(self, arguments: argparse.Namespace, keys: _Keys) -> None:
        self._arguments = arguments
        self._keys = keys
        self._cache = Cache()
        self._files = ChangedFiles()
        self._waiting: WaitingRun | None = None
        self._suites = WatchedSuites(suites=())
        # What a save touched that no verdict is about yet.
        self._pending: frozenset[CaseName] = frozenset()
        # Files that were saved since the suites could be read.
        self._unread: frozenset[Path] = frozenset()
        # How all cases ended last time, by the names that reports have.
        self._outcomes: dict[str, str] = {}
        self._searched = 0.0
        self._search_took = 0.0
        self._kernel = self._choose()

    def close(self) -> None:
        """End the run that waits."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.close()
        shutil.rmtree(self._arguments.reports / _NEXT, ignore_errors=True)

    def run(self) -> int:
        """Run all cases, and then what each save touches."""
        self._suites = self._read()
        self._files.watch(self._suites.files())
        print(f"watching {len(self._suites.files())} files on {self._kernel.id}")
        self._start()
        self._pending = self._suites.all
        status = self._verdict()
        while True:
            self._tell_waiting()
            changed = self._files.wait(self._wake)
            if self._keys.pressed == "q":
                return status
            began = _saved_at(changed) if changed else None
            if not self._take(changed):
                continue
            status = self._verdict(began)
            if self._arguments.once:
                return status

    # ------------------------------------------------------------- one kernel

    def _choose(self) -> Kernel:
        """Return the kernel, and keep its id as the selection."""
        chosen = self._chosen()
        kernels = chosen.kernels
        if len(kernels) > 1 and self._arguments.kernels:
            names = ", ".join(it.id for it in kernels)
            raise UsageError(
                f"watch uses one kernel; {names} are selected",
                hint="give one id: --kernels " + kernels[-1].id,
            )
        if not kernels:
            raise UsageError("the selection has no kernel", hint="give one id")
        at_hand = [it for it in kernels if fetch.cached(it, self._cache)]
        ordered = sorted(
            at_hand or kernels, key=lambda it: (it.version is not None, it.version or 0)
        )
        self._arguments.kernels = [ordered[-1].id]
        return ordered[-1]

    def _chosen(self) -> ChosenKernels:
        return rows.choose(options.choice_of(self._arguments), self._cache)

    # ----------------------------------------------------------------- suites

    def _paths(self) -> list[Path]:
        given = list(self._arguments.suite)
        if self._arguments.object:
            given.append(objects.of_arguments(self._arguments))
        found = project.find(self._arguments.matrix)
        return suites_.paths(given, found, self._chosen().matrix)

    def _read(self) -> WatchedSuites:
        """Read all suites. Raises UsageError for a mistake in one of them."""
        choice = options.choice_of(self._arguments)
        began = time.monotonic()
        paths = self._paths()
        self._searched = time.monotonic()
        self._search_took = self._searched - began
        files = [file for path in paths for file in suitefile.files_below(path)]
        suites = tuple(
            suitefile.load(it, matrix=choice.matrix, named=self._arguments.object)
            for it in files
        )
        suitefile.require_distinct(suites)
        settings = (choice.matrix, lock.path_of(choice.matrix), _PYPROJECT)
        return WatchedSuites(
            suites=suites, tests=tuple(_tests(paths)), settings=settings
        )

    def _has_new_suites(self) -> bool:
        """Whether there is a suite that was not there; looks now and then."""
        now = time.monotonic()
        if now - self._searched < max(_SEARCH, 20 * self._search_took):
            return False
        self._searched = now
        known = {*(it.path for it in self._suites.suites), *self._suites.tests}
        with suppress(RunnerError):
            paths = self._paths()
            found = [it for path in paths for it in suitefile.files_below(path)]
            return bool({*found, *_tests(paths)} - known)
        return False

    # ------------------------------------------------------------------- saves

    def _wake(self, seconds: float) -> bool:
        return self._keys.wait(seconds) or self._has_new_suites()

    def _take(self, changed: Sequence[Path]) -> bool:
        """Find out what a save touches; return whether there is something to run."""
        key, self._keys.pressed = self._keys.pressed, ""
        before = self._suites
        self._unread |= frozenset(changed)
        try:
            self._suites = self._read()
        except RunnerError as error:
            _show_saved(changed, "")
            print(as_called(error.told), file=sys.stderr)
            return False
        saved, self._unread = self._unread, frozenset()
        self._files.watch(self._suites.files())
        found = touched(saved, before, self._suites)
        self._pending = (self._pending | found) & self._suites.all
        if saved & set(self._suites.settings):
            self._renew()
        if key in ("\n", "\r"):
            self._pending = self._suites.all
        elif not self._pending:
            _show_saved(changed, "no case is made of it")
        else:
            _show_saved(changed, _cases(len(self._pending)))
        return bool(self._pending)

    def _renew(self) -> None:
        """Begin anew after a change of the matrix."""
        self.close()
        self._kernel = self._choose()
        self._start()

    # ---------------------------------------------------------------- verdicts

    def _start(self) -> None:
        folder = self._arguments.reports / _NEXT
        given = argparse.Namespace(
            **{
                name: value
                for name, value in vars(self._arguments).items()
                # Functions of the command line are of no use there.
                if not callable(value)
            }
        )
        given.reports = self._arguments.reports / _LAST
        self._waiting = WaitingRun(given, folder.absolute())

    def _verdict(self, began: float | None = None) -> int:
        """Run what is pending, print what came of it, and return its exit status."""
        assert self._waiting is not None
        only = self._pending
        order = WatchOrder(paths=tuple(self._paths_of(only)), only=only)
        found = self._waiting.perform(order)
        # Those that could not run have to: after a mistake that was saved meanwhile.
        self._pending = only - found.settled
        self._keep(found, only)
        self._tell(found, began)
        self._waiting.close()
        self._keep_reports()
        self._start()
        return found.status

    def _paths_of(self, only: Iterable[CaseName]) -> Iterator[Path]:
        wanted = {it.suite for it in only}
        yield from (it.path for it in self._suites.suites if it.name in wanted)
        yield from (it for it in self._suites.tests if it.stem in wanted)

    def _keep(self, found: WatchVerdict, only: Iterable[CaseName]) -> None:
        kept = {
            name: outcome
            for name, outcome in self._outcomes.items()
            if not _is_of(name, only) and _is_of(name, self._suites.all)
        }
        self._outcomes = {**kept, **found.outcomes}

    def _keep_reports(self) -> None:
        folder = self._arguments.reports
        if (folder / _NEXT).is_dir():
            shutil.rmtree(folder / _LAST, ignore_errors=True)
            with suppress(OSError):
                (folder / _NEXT).rename(folder / _LAST)

    # ------------------------------------------------------------------- words

    def _tell(self, found: WatchVerdict, began: float | None) -> None:
        """Say how things stand; `began` is when files were saved, if they were."""
        counts = Counter(self._outcomes.values())
        # Without a verdict.
        counts["pending"] += len(self._pending)
        counts += Counter()
        words = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        verdict = {
            int(ExitStatus.COMPATIBLE): "compatible",
            int(ExitStatus.INCOMPATIBLE): "incompatible",
        }.get(found.status, "no verdict")
        after = ""
        if began is not None:
            after = f", {time.time() - began:.2f} s after the save"
        print(
            f"{self._kernel.id}: {verdict}{after}; all cases: "
            f"{words or 'none has run'}",
            flush=True,
        )

    def _tell_waiting(self) -> None:
        """Say that the next guest waits, once it does."""
        assert self._waiting is not None
        self._waiting.wait_until_ready()
        keys = f" ({_KEYS}, Ctrl-C)" if self._keys.is_there else ""
        print(f"waiting for a save{keys}", flush=True)


def _is_of(name: str, cases: Iterable[CaseName]) -> bool:
    """Whether a result is one of these cases, or of a test in them."""
    return any(it.covers(name) for it in cases)


def _tests(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from search.below(path, PYTHON_TESTS)
        elif suites_.has_python_tests(path):
            yield path


def _cases(count: int) -> str:
    return "1 case" if count == 1 else f"{count} cases"


def _show_saved(changed: Sequence[Path], words: str) -> None:
    if sys.stdout.isatty():
        # The last verdict alone is on the screen.
        print("\x1b[2J\x1b[H", end="")
    names = ", ".join(str(it) for it in changed[:3])
    more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    what = f"saved {names}{more}" if changed else "a new suite"
    print(f"{what}: {words}" if words else what, flush=True)


def _saved_at(changed: Sequence[Path]) -> float:
    """Return when files were saved: their own time, unless it is an old one."""
    now = time.time()
    times = [_time_of(it) for it in changed]
    last = max((it for it in times if it is not None), default=now)
    return last if 0 <= now - last < _OLD else now


def _time_of(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
