"""The `bpf` fixture: objects that a Python test loads into its guest."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue

from runner import timeouts
from runner.bpf.bpftool import MapDump
from runner.bpf.build import Build
from runner.bpf.compile import compile_object
from runner.case import kernelreport
from runner.case import run as session_case
from runner.case.attempt import Attempt, CaseJob
from runner.case.load import attach as attach_all
from runner.case.load import load
from runner.case.observe import dump
from runner.files.cache import Cache
from runner.files.plainpath import plain
from runner.guest import aftermath
from runner.guest.guest import Guest
from runner.guest.replies import LoadedObject
from runner.loaders import LoaderProgram
from runner.results import CaseResult, Outcome
from runner.suites import suitefile
from runner.suites.model import Case, Loader

Compile = Callable[[Path, str | None, Build], Path]


class Bpf(AbstractContextManager["Bpf"]):
    """Loads objects and reads their maps; closes them with the `with` block."""

    def __init__(
        self,
        guest: Guest,
        *,
        folder: Path,
        cache: Cache,
        compiled: Compile,
        loader_program: Callable[[str], LoaderProgram],
    ) -> None:
        self._guest = guest
        self._folder = folder
        self._cache = cache
        self._compiled = compiled
        self._loader_program = loader_program
        self._loaded: list[LoadedObject] = []
        # Handle → the object.
        self._data: dict[int, bytes] = {}

    def __exit__(self, *_: object) -> None:
        if not self._guest.usable:
            return
        self._guest.agent.release(timeout=timeouts.ANSWER.seconds)
        for loaded in self._loaded:
            self._guest.agent.close_object(
                loaded.handle, timeout=timeouts.ANSWER.seconds
            )

    def load(
        self, source: str, *, attach: bool = True, loader: Loader = "libbpf"
    ) -> LoadedObject:
        """Compile NAME.bpf.c next to the test, load it and attach its programs.

        Raises CompileError, AgentError with libbpf's log, NothingError when no program
        is loaded, and GuestError when the guest dies of it.
        """
        case = Case(name="case", attach=attach, loader=loader)
        build = case.build.on(self._guest.kernel.architecture)
        path = compile_object(self._folder / source, self._cache, build=build)
        attempt = Attempt(job=self._job(case, path, source), guest=self._guest)
        try:
            loaded = load(attempt)
            attach_all(attempt, loaded)
        finally:
            if attempt.loaded is not None:
                self._loaded.append(attempt.loaded)
        self._data[loaded.handle] = attempt.data
        return loaded

    def dump(self, loaded: LoadedObject, name: str) -> MapDump:
        """Return a map's rows as bpftool sees them. Raises KeyError for no such map."""
        maps = {info.name: info for info in loaded.maps}
        with self._guest.doing(f"dumping {name}"):
            return dump(self._guest, loaded, maps[name], self._data[loaded.handle])

    def run(self, **keys: JsonValue) -> CaseResult:
        """Run a case that is written as in suite.yaml, and return how it ended.

        `run(object="a.bpf.c", trigger=[…], expect=[…])`: all that docs/suite.md says
        of a case, but for `kernels` and `config`, which are the test's own affair.
        What the kernel reports of itself meanwhile fails the test, whatever it makes of
        the result, unless `expect_failure` has the class kernel_warned.
        Raises UsageError for keys that are wrong, CompileError and ObjectError.
        """
        case = suitefile.parse_case({"name": "case", **keys}, self._folder)
        object_path = None
        if case.object:
            object_path = self._compiled(
                plain(self._folder / case.object),
                case.vmlinux,
                case.build.on(self._guest.kernel.architecture),
            )
        shown = f"{self._folder.name}/{case.object or case.files[0]}"
        job = self._job(case, object_path, shown)
        if case.extends is not None:
            extended = self._compiled(
                plain(self._folder / case.extends.object),
                case.vmlinux,
                case.build.on(self._guest.kernel.architecture),
            )
            job = replace(job, extended_path=extended)
        guest = self._guest
        if case.expect_failure:
            # Says nothing of what the test did before.
            kernelreport.found(guest, aftermath.of(guest))
        known, before = len(guest.unanswered), guest.before
        result = session_case.run(job, guest)
        # The guest is the test's until it ends.
        guest.before = before
        if result.outcome in (Outcome.SKIPPED, Outcome.PASSED):
            # What was reported, if anything was, is what the test declares.
            del guest.unanswered[known:]
        return result

    def _job(self, case: Case, object_path: Path | None, shown: str) -> CaseJob:
        return CaseJob(
            suite=self._folder.name,
            case=case,
            object_path=object_path,
            shown_path=shown,
            nodeid="",
            folder=self._folder,
            # The test's.
            commands=self._guest.commands,
            loader_program=self._loader_program,
            # A test in Python is not tried again.
            is_last=True,
        )
