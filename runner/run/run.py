"""A run: the kernels that were asked for, their artifacts and their guests."""

import logging
import math
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from pydantic import JsonValue

from runner import libbpf, loaders
from runner.arch import X86_64, Architecture
from runner.bpf.build import PLAIN, Build
from runner.bpf.compile import compile_object, vmlinux_h
from runner.case import namecheck
from runner.errors import (
    ArtifactError,
    InfrastructureError,
    RunnerError,
    UsageError,
)
from runner.files.cache import Cache
from runner.guest import host
from runner.guest.host import Host
from runner.guest.life import Observe, ignore
from runner.guest.roots import image, origin
from runner.guest.roots.headersimage import HeadersImage
from runner.guest.roots.image import RootImage
from runner.kernels import facts, fetch, rows, together
from runner.kernels.artifact import Artifact, known_kernel
from runner.kernels.typerows import TypeRows
from runner.libbpf import Programs
from runner.loaders import LoaderProgram
from runner.matrix.matrix import Kernel
from runner.reports import resultsfile
from runner.results import KernelRun, Shard
from runner.run import configoptions, early, listing, provenance, sharding
from runner.run.guestfactory import GuestFactory
from runner.run.lease import GuestLease
from runner.run.ledger import Ledger
from runner.run.once import Once
from runner.run.settings import Settings
from runner.suites import suitefile
from runner.suites.known import KnownKernel
from runner.suites.model import Case
from runner.suites.suitefile import LoadedSuite
from runner.text.progress import Progress, progress

log = logging.getLogger(__name__)

# What the cache remembers them as.
_DURATIONS = "durations"


class Run:
    """The kernels of a run. Raises UsageError when matrix or selection is wrong."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.cache = Cache()
        chosen = rows.choose(settings.kernels, self.cache)
        self.matrix = chosen.matrix
        # Whose types sources may include.
        self.types = TypeRows(chosen.matrix, settings.kernels)
        self.shard = _shard(settings, chosen.kernels)
        own = None if self.shard is None else self.shard.own
        self.kernels: tuple[Kernel, ...] = tuple(
            kernel for kernel in chosen.kernels if own is None or kernel.id in own
        )
        self._artifacts: dict[str, Artifact | RunnerError] = {}
        self._objects: Once[tuple[Path, str | None, Build], Path] = Once()
        self._loaders: Once[str, LoaderProgram] = Once()
        self._listed: Once[tuple[Path, str], tuple[str, ...] | None] = Once()
        self._headers: Once[str, HeadersImage] = Once()
        self._roots: Once[tuple[Path, str, str], RootImage] = Once()
        # Is shown what the guests do from now on.
        self.observe: Observe = ignore
        # Is shown what programs print: a kernel's id, "stdout" or "stderr", and bytes.
        # Called in any thread.
        self.show_output: Callable[[str, str, bytes], None] = lambda *_: None
        self._factory = GuestFactory(
            self._inspect,
            self._artifacts,
            settings.reports,
            lambda step: self.observe(step),
            rows=self.kernels,
            reuses=self._reuses,
        )
        # The guests of each worker; of the main thread, under None.
        self._leases: dict[int | None, GuestLease] = {}
        self._programs: Once[None, Programs] = Once()
        # Workers are threads; this guards the table of their guests.
        self._lock = threading.Lock()
        self.ledger = Ledger(
            settings.reports,
            self.kernels,
            kernel_run=self._factory.run_of,
            shard=self.shard,
            provenance=lambda: provenance.of(Path.cwd(), os.environ),
        )
        # Several rows at a time, each once.
        self._obtained: Once[str, Artifact | RunnerError] = Once()
        # As they come: pytest reads one after the other.
        self._suites: list[LoadedSuite] = []
        self._tests: list[Path] = []
        # Cases, and what is said of their options: suites are read twice.
        self._warned: set[tuple[str, str]] = set()
        # Seconds that each kernel's cases took last time.
        self.durations: dict[str, float] = _durations(self.cache.recall(_DURATIONS))

    @property
    def has_all_kernels(self) -> bool:
        """Whether the run, with its other parts, has all kernels of the matrix."""
        planned = len(self.kernels) if self.shard is None else len(self.shard.planned)
        return planned == len(self.matrix.kernels)

    def obtain(self, progress: Progress, boots: int = 0) -> None:
        """Get every kernel's artifact; what is unavailable is that kernel's trouble.

        So many kernels boot at once while others still download.
        Raises UsageError for a kernel that no source of this version provides, and for
        a library that can't be used; InfrastructureError where one can't be built.
        """
        # First: it is soon told, and nothing runs without.
        self.programs(progress)
        for name in self.settings.loaders:
            self.loader_program(name)
        with ExitStack() as stack:
            boot = stack.enter_context(
                early.boots(self._inspect, self._artifacts, boots)
            )
            outcomes = stack.enter_context(
                closing(together.each(self.kernels, self.artifact, progress))
            )
            for number, outcome in enumerate(outcomes, 1):
                outcome.result()
                # Who comes last waits for nobody.
                if number < len(self.kernels):
                    boot(outcome.kernel)

    def programs(self, progress: Progress) -> Programs:
        """Return the guest agent and preflight's engine, built once a run.

        Raises as `runner.libbpf.programs` does.
        """
        folder = self.settings.libbpf
        return self._programs.get(
            None, lambda: libbpf.programs(folder, self.cache, progress)
        )

    def artifact(self, kernel: Kernel, progress: Progress) -> Artifact | RunnerError:
        """Return a kernel's artifact, or why it is unavailable."""

        def obtain() -> Artifact | RunnerError:
            # What another process found out is known.
            if kernel.id not in self._artifacts:
                try:
                    found = fetch.obtain(kernel, self.cache, progress)
                    self._artifacts[kernel.id] = found
                except InfrastructureError as error:
                    self._artifacts[kernel.id] = error
            return self._artifacts[kernel.id]

        return self._obtained.get(kernel.id, obtain)

    def compiled(
        self, source: Path, vmlinux: str | None = None, build: Build = PLAIN
    ) -> Path:
        """Return an object, compiled once a run.

        A build that names no architecture is for that of the run's first kernel.
        Threads compile different objects at once. `vmlinux` is the kernel whose types
        it includes. Raises as compile_object does, and UsageError for a kernel that
        there is not.
        """

        def compile_it() -> Path:
            if self.settings.precompiled is not None:
                return self._precompiled(source, vmlinux, own)
            headers = None if vmlinux is None else self._vmlinux_h(vmlinux)
            return compile_object(source, self.cache, headers, own)

        first = (it.architecture for it in self.kernels)
        own = build.on(build.architecture or next(first, X86_64))
        return self._objects.get((source, vmlinux, own), compile_it)

    def _precompiled(self, source: Path, vmlinux: str | None, build: Build) -> Path:
        known = self.settings.precompiled or {}
        found = known.get(f"{source}|{vmlinux or ''}|{build.words}")
        if found is None:
            raise UsageError(
                f"{source.name} was not kept, and nothing is compiled here"
            )
        # Refuses what is no object.
        return compile_object(found, self.cache)

    def loader_program(self, name: str) -> LoaderProgram:
        """Return a loader with another library than libbpf, built once a run.

        Raises as `runner.loaders.program` does.
        """
        wanted = self.settings.loaders.get(name)
        return self._loaders.get(
            name, lambda: loaders.program(name, wanted, self.cache, progress())
        )

    def tests_of(self, loaded: LoadedSuite, case: Case) -> tuple[str, ...]:
        """Return the tests of a case's program, asked for once a run.

        Empty where they can't be known before the program runs in a guest.
        """
        if self.settings.precompiled is not None:
            # Its program is a stranger's.
            return ()
        found = self._listed.get(
            (loaded.path, case.name),
            lambda: listing.tests_of(case, loaded.file),
        )
        return found or ()

    def root_of(
        self, loaded: LoadedSuite, case: Case, architecture: Architecture
    ) -> RootImage | None:
        """Return the root that a case's command runs in; None for the guest's own.

        It is made once a run for the guests of an architecture. Raises RootError for
        one that can't be used, and InfrastructureError where it can't be made.
        """
        if case.root is None:
            return None
        word = case.root
        return self._roots.get(
            (loaded.path, word, architecture.name),
            lambda: image.obtain(
                origin.of(word, loaded.file), self.cache, progress(), architecture
            ),
        )

    def headers_of(
        self, kernel: Kernel, case: Case, root: RootImage | None
    ) -> HeadersImage | None:
        """Return a kernel's headers if a case wants them and its root lacks them.

        Raises UsageError for a kernel whose source has none, and ArtifactError.
        """
        found = self._artifacts.get(kernel.id)
        if root is None or not case.headers or not isinstance(found, Artifact):
            return None
        release = found.release
        if root.contents.has(f"/lib/modules/{release}/build"):
            return None

        def obtain() -> HeadersImage:
            # Only now: they take long to import, and few runs need headers.
            from runner.guest.roots import headers as rootheaders
            from runner.kernels import headers

            packages = headers.of(kernel, release, self.cache)
            return rootheaders.obtain(packages, self.cache, progress())

        return self._headers.get(release, obtain)

    def load_suite(self, path: Path) -> LoadedSuite:
        """Read a suite file. Raises UsageError that lists its mistakes."""
        return suitefile.load(
            path, matrix=self.settings.kernels.matrix, named=self.settings.objects
        )

    def _reuses(self) -> bool:
        """Whether a guest may serve several objects, so that a census is worth it."""
        wanted = any(it.suite.reuse == "proven" for it in self._suites)
        return wanted and not self.settings.fresh

    def check_names(self, suites: Iterable[LoadedSuite]) -> None:
        """Hold what suites name against their objects, as far as these can be had.

        Raises UsageError that lists a suite's mistakes by file and line, or of two
        suites of one name.
        """
        given = list(suites)
        self._suites += given
        suitefile.require_distinct(self._suites, self._tests)
        suitefile.require_kernels(given, self.types.why_not)
        namecheck.check(given, self.compiled, self.cache)
        self._warn_of_options(given)

    def _warn_of_options(self, suites: Iterable[LoadedSuite]) -> None:
        """Warn of options that look mistyped: their cases may run nowhere."""
        known = [self.known(it) for it in self.kernels]
        for loaded in suites:
            for case in loaded.suite.cases:
                name = f"{loaded.name}::{case.name}"
                for said in configoptions.mistyped(case, known):
                    if (name, said) not in self._warned:
                        log.warning("%s: %s", name, said)
                    self._warned.add((name, said))

    def check_test(self, path: Path) -> None:
        """Refuse a Python test file that has the name of another one, or of a suite.

        Raises UsageError.
        """
        if path not in self._tests:
            self._tests.append(path)
            suitefile.require_distinct(self._suites, self._tests)

    def _vmlinux_h(self, kernel_id: str) -> Path:
        row = self.types.get(kernel_id)
        if row is None:
            raise UsageError(f"vmlinux: {self.types.why_not(kernel_id)}")
        found = self.artifact(row.kernel, progress())
        if isinstance(found, RunnerError):
            raise found
        if found.btf is None:
            raise UsageError(f"vmlinux: {kernel_id} has no BTF: {found.btf_detail}")
        return vmlinux_h(found.btf, found.btf_sha256, self.cache)

    def config(self, kernel: Kernel) -> str | None:
        """Return a kernel's configuration, or None when it is not known."""
        found = self._artifacts.get(kernel.id)
        return found.config_text() if isinstance(found, Artifact) else None

    def failures(self) -> dict[str, tuple[str, str]]:
        """Return message and hint of the kernels whose artifact is unavailable."""
        return {
            id_: (found.message, found.hint)
            for id_, found in self._artifacts.items()
            if isinstance(found, RunnerError)
        }

    def give_up(self, failures: dict[str, tuple[str, str]]) -> None:
        """Take over what another process found out, so as not to try again."""
        for id_, (message, hint) in failures.items():
            self._artifacts[id_] = ArtifactError(message, hint=hint)

    def known(self, kernel: Kernel) -> KnownKernel:
        """Return what is known of a kernel: more once its artifact is there."""
        found = self._artifacts.get(kernel.id)
        if not isinstance(found, Artifact):
            return KnownKernel(version=kernel.version)
        return known_kernel(found, facts.known(self.cache, found.image_sha256))

    def kernel_run(self, kernel: Kernel) -> KernelRun:
        """Return what is known of a kernel so far, for the reports."""
        return self._factory.run_of(kernel)

    def guests(self, worker: int | None = None) -> GuestLease:
        """Return the guests of a worker, or of the main thread."""
        with self._lock:
            if worker not in self._leases:
                self._leases[worker] = GuestLease(self._factory)
            return self._leases[worker]

    def leave(self, worker: int | None) -> None:
        """End a worker's guests."""
        with self._lock:
            guests = self._leases.pop(worker, None)
        if guests is not None:
            guests.close()

    def stop(self) -> None:
        """Kill all guests, and start none any more."""
        self._factory.stop()

    def _inspect(self) -> Host:
        """Raise InfrastructureError when the host can't run guests."""
        return host.inspect(
            self.cache,
            accelerator=self.settings.accelerator,
            boot_timeout=self.settings.boot_timeout,
            timeout_scale=self.settings.timeout_scale,
            cold=self.settings.cold,
            programs=self.programs(progress()),
        )

    def in_order(self) -> tuple[Kernel, ...]:
        """Return the kernels, longest first: what takes long must not begin last.

        Those that never ran stand before all others.
        """
        known = self.durations
        return tuple(
            sorted(
                self.kernels, key=lambda it: known.get(it.id, math.inf), reverse=True
            )
        )

    def remember(self, durations: Mapping[str, float]) -> None:
        """Keep how many seconds each kernel's cases took."""
        with suppress(InfrastructureError):
            self.cache.remember(_DURATIONS, {**self.durations, **durations})

    def prepare(self, workers: int) -> None:
        """Start the first guest of each worker, of those that come up soon.

        Never raises.
        """
        order = self.in_order()
        for number in range(workers):
            if number < len(order) or not self.settings.cold:
                worker = number if workers > 1 else None
                self.guests(worker).prepare(order[number % len(order)])

    def wait_for_spares(self) -> None:
        """Wait until the guests that `prepare` started are up, or failed."""
        with self._lock:
            leases = list(self._leases.values())
        for lease in leases:
            lease.wait_for_spare()

    def kernel(self, kernel_id: str) -> Kernel:
        """Return the run's kernel of an id."""
        return next(it for it in self.kernels if it.id == kernel_id)

    def close(self) -> None:
        """End the guests, if there ever were any, and let others write reports."""
        with ExitStack() as stack:
            stack.callback(self.ledger.close)
            stack.callback(self._factory.close)
            for worker in tuple(self._leases):
                stack.callback(self.leave, worker)


def seconds_of(timings: Path | None) -> dict[str, float]:
    """Return how long the kernels of an earlier run took; nothing without one.

    Raises UsageError for a file that holds no run.
    """
    return {} if timings is None else sharding.seconds_of(resultsfile.read(timings))


def _shard(settings: Settings, kernels: Sequence[Kernel]) -> Shard | None:
    part = settings.part
    if part is None:
        return None
    planned = tuple(it.id for it in kernels)
    parts = sharding.partition(
        planned,
        part.count,
        seconds_of(settings.timings),
        {it.id: it.arch for it in kernels},
    )
    return Shard(
        index=part.index,
        count=part.count,
        planned=planned,
        own=parts[part.index - 1],
    )


def _durations(known: JsonValue) -> dict[str, float]:
    if not isinstance(known, dict):
        return {}
    return {
        id_: float(value)
        for id_, value in known.items()
        if isinstance(value, int | float)
    }
