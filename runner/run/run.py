"""A run: the kernels that were asked for, their artifacts and their guests."""

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import JsonValue

from runner import libbpf, timeouts
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
from runner.guest.qemu.accelerator import AcceleratorChoice
from runner.kernels import fetch, rows
from runner.kernels.artifact import Artifact
from runner.libbpf import Programs
from runner.matrix.matrix import Kernel
from runner.reports import resultsfile
from runner.results import KernelRun, Shard
from runner.run import sharding
from runner.run.guestfactory import Bringups
from runner.run.lease import Guests
from runner.run.ledger import Ledger
from runner.run.once import Once
from runner.run.sharding import Part
from runner.suites import suitefile
from runner.suites.suitefile import LoadedSuite
from runner.text.progress import Progress, progress
from runner.versions import KernelVersion, VersionRange

# What the cache remembers them as.
_DURATIONS = "durations"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the command line chose."""

    kernels: rows.KernelChoice
    reports: Path
    accelerator: AcceleratorChoice = "auto"
    # Seconds.
    boot_timeout: float = timeouts.BOOT.seconds
    # What all timeouts are multiplied by; None is what the machine's speed asks for.
    timeout_scale: float | None = None
    # Whether every guest boots, without snapshots.
    cold: bool = False
    # Which part of the kernels; None is all of them.
    part: Part | None = None
    # An earlier results.json, by whose seconds parts are made equal.
    timings: Path | None = None
    # Where the libbpf is that loads objects; None is the machine's.
    libbpf: Path | None = None
    # Objects that the command line names; they may lie anywhere.
    objects: tuple[Path, ...] = ()


class Run:
    """The kernels of a run. Raises UsageError when matrix or selection is wrong."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.cache = Cache()
        chosen = rows.choose(settings.kernels, self.cache)
        self.matrix = chosen.matrix
        self.shard = _shard(settings, ids_of(chosen.kernels))
        own = None if self.shard is None else self.shard.own
        self.kernels: tuple[Kernel, ...] = tuple(
            kernel for kernel in chosen.kernels if own is None or kernel.id in own
        )
        self._artifacts: dict[str, Artifact | RunnerError] = {}
        self._objects: Once[tuple[Path, str | None], Path] = Once()
        self._lanes: dict[int, Guests] = {}
        self._programs = Programs()
        # Lanes are threads; this guards the table of their guests.
        self._lock = threading.RLock()
        self.ledger = Ledger(
            settings.reports,
            self.kernels,
            kernel_run=self.kernel_run,
            shard=self.shard,
        )
        # One thread at a time gets artifacts.
        self._obtaining = threading.Lock()
        # As they come: pytest reads one after the other.
        self._suites: list[LoadedSuite] = []
        self._tests: list[Path] = []
        # Seconds that each kernel's cases took last time.
        self.durations: dict[str, float] = _durations(self.cache.recall(_DURATIONS))

    def obtain(self, progress: Progress) -> None:
        """Get every kernel's artifact; what can't be had is that kernel's trouble.

        Raises UsageError for a kernel that no source of this version provides, and for
        a libbpf that can't be used; InfrastructureError where one can't be built.
        """
        # First: it is soon told, and nothing runs without.
        self._programs = libbpf.programs(self.settings.libbpf, self.cache, progress)
        for kernel in self.kernels:
            self.artifact(kernel, progress)

    def artifact(self, kernel: Kernel, progress: Progress) -> Artifact | RunnerError:
        """Return a kernel's artifact, or why it can't be had."""
        with self._obtaining:
            if kernel.id not in self._artifacts:
                try:
                    found = fetch.obtain(kernel, self.cache, progress)
                    self._artifacts[kernel.id] = found
                except InfrastructureError as error:
                    self._artifacts[kernel.id] = error
            return self._artifacts[kernel.id]

    def compiled(self, source: Path, vmlinux: str | None = None) -> Path:
        """Return an object, compiled once a run.

        Threads compile different objects at once. `vmlinux` is the kernel whose types
        it includes. Raises as compile_object does, and UsageError for a kernel that
        there is not.
        """

        def compile_it() -> Path:
            headers = None if vmlinux is None else self._vmlinux_h(vmlinux)
            return compile_object(source, self.cache, headers)

        return self._objects.get((source, vmlinux), compile_it)

    def load_suite(self, path: Path) -> LoadedSuite:
        """Read a suite file. Raises UsageError that tells its mistakes."""
        return suitefile.load(
            path, matrix=self.settings.kernels.matrix, named=self.settings.objects
        )

    def check_names(self, suites: Iterable[LoadedSuite]) -> None:
        """Hold what suites name against their objects, as far as these can be had.

        Raises UsageError that tells a suite's mistakes by file and line, or of two
        suites of one name.
        """
        given = list(suites)
        self._suites += given
        suitefile.require_distinct(self._suites, self._tests)
        suitefile.require_kernels(given, self.matrix)
        namecheck.check(given, self.compiled, self.cache)

    def check_test(self, path: Path) -> None:
        """Refuse a Python test file that has the name of another one, or of a suite.

        Raises UsageError.
        """
        if path not in self._tests:
            self._tests.append(path)
            suitefile.require_distinct(self._suites, self._tests)

    def _vmlinux_h(self, kernel_id: str) -> Path:
        rows = [row for row in self.matrix.kernels if row.id == kernel_id]
        if not rows:
            raise UsageError(
                f"vmlinux: the matrix has no kernel {kernel_id!r}",
                hint="`python -m runner kernels` lists them",
            )
        found = self.artifact(rows[0], progress())
        if isinstance(found, RunnerError):
            raise found
        if found.btf is None:
            raise UsageError(f"vmlinux: {kernel_id} has no BTF: {found.btf_detail}")
        return vmlinux_h(found.btf, found.btf_sha256, self.cache)

    def config(self, kernel: Kernel) -> str | None:
        """Return a kernel's configuration, or None when it is not known."""
        found = self._artifacts.get(kernel.id)
        if isinstance(found, Artifact) and found.config is not None:
            return found.config.read_text(errors="replace")
        return None

    def failures(self) -> dict[str, tuple[str, str]]:
        """Return message and hint of the kernels whose artifact can't be had."""
        return {
            id_: (found.message, found.hint)
            for id_, found in self._artifacts.items()
            if isinstance(found, RunnerError)
        }

    def give_up(self, failures: dict[str, tuple[str, str]]) -> None:
        """Take over what another process found out, so as not to try again."""
        for id_, (message, hint) in failures.items():
            self._artifacts[id_] = ArtifactError(message, hint=hint)

    def version(self, kernel: Kernel) -> KernelVersion | None:
        """Return a kernel's version, or None when only its artifact could tell it."""
        found = self._artifacts.get(kernel.id)
        if isinstance(found, Artifact):
            return found.version
        return kernel.version

    def may_be_in(self, kernel: Kernel, wanted: VersionRange) -> bool:
        """Whether a kernel is in a range, or its version is not known yet."""
        version = self.version(kernel)
        return version is None or version in wanted

    def kernel_run(self, kernel: Kernel) -> KernelRun:
        """Return what is known of a kernel so far, for the reports."""
        if "_bringups" in self.__dict__:
            return self._bringups.run_of(kernel)
        return KernelRun(id=kernel.id, required=kernel.required)

    @cached_property
    def guests(self) -> Guests:
        """The guests of the main thread.

        Raises InfrastructureError when the host can't have any.
        """
        return Guests(self._bringups)

    def lane(self, number: int) -> Guests:
        """Return the guests of a lane. Raises as `guests` does."""
        with self._lock:
            if number not in self._lanes:
                self._lanes[number] = Guests(self._bringups)
            return self._lanes[number]

    def leave(self, number: int) -> None:
        """End a lane's guests."""
        with self._lock:
            guests = self._lanes.pop(number, None)
        if guests is not None:
            guests.close()

    def stop(self) -> None:
        """Kill all guests, and start none any more."""
        if "_bringups" in self.__dict__:
            self._bringups.stop()

    @cached_property
    def _bringups(self) -> Bringups:
        return Bringups(
            host.inspect(
                self.cache,
                accelerator=self.settings.accelerator,
                boot_timeout=self.settings.boot_timeout,
                timeout_scale=self.settings.timeout_scale,
                cold=self.settings.cold,
                programs=self._programs,
            ),
            self._artifacts,
            self.settings.reports,
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

    def prepare(self, lanes: int) -> None:
        """Start the first guest of each lane, of those that can be had quickly.

        Never raises.
        """
        order = self.in_order()
        with suppress(InfrastructureError):
            for number in range(lanes):
                if number < len(order) or not self.settings.cold:
                    self.lane(number).prepare(order[number % len(order)])

    def expect(
        self, kernel_id: str | None, tenant: str, *, lane: int | None = None
    ) -> None:
        """Tell who leases a guest after the present case; None for nobody."""
        if lane is None and kernel_id is None and "guests" not in self.__dict__:
            return
        with suppress(InfrastructureError):
            guests = self.guests if lane is None else self.lane(lane)
            guests.expect(self.kernel(kernel_id), tenant)

    def kernel(self, kernel_id: str | None) -> Kernel | None:
        """Return the run's kernel of an id, if there is one."""
        return next((it for it in self.kernels if it.id == kernel_id), None)

    def close(self) -> None:
        """End the guests, if there ever were any, and let others write reports."""
        with ExitStack() as stack:
            stack.callback(self.ledger.close)
            self._close_guests()

    def _close_guests(self) -> None:
        for number in tuple(self._lanes):
            self.leave(number)
        if "guests" in self.__dict__:
            self.guests.close()
        if "_bringups" in self.__dict__:
            self._bringups.close()


def seconds_of(timings: Path | None) -> dict[str, float]:
    """Return how long the kernels of an earlier run took; nothing without one.

    Raises UsageError for a file that holds no run.
    """
    return {} if timings is None else sharding.seconds_of(resultsfile.read(timings))


def _shard(settings: Settings, planned: tuple[str, ...]) -> Shard | None:
    part = settings.part
    if part is None:
        return None
    parts = sharding.partition(planned, part.count, seconds_of(settings.timings))
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


def ids_of(kernels: Sequence[Kernel]) -> tuple[str, ...]:
    """Return the kernels' ids."""
    return tuple(kernel.id for kernel in kernels)
