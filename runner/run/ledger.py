"""A run's plan and what came of it so far: what its reports are made of."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from runner import __version__, reports
from runner.errors import InfrastructureError
from runner.matrix.matrix import Kernel
from runner.reports import agreement, otherkernels
from runner.reports.claim import claimed
from runner.reports.journal import Journal
from runner.results import (
    CaseKey,
    CaseResult,
    FailedTest,
    KernelRun,
    ObjectUse,
    Outcome,
    PlannedCase,
    Provenance,
    RunResults,
    Selection,
    Shard,
)

# Of two results of one case, such as of a test and of its teardown, the first counts.
_WEIGHT = (Outcome.FAILED, Outcome.ERROR, Outcome.PASSED, Outcome.SKIPPED)


class Ledger:
    """Claims the folder of reports, writes the plan, and gathers results."""

    def __init__(
        self,
        folder: Path,
        kernels: Sequence[Kernel],
        *,
        kernel_run: Callable[[Kernel], KernelRun],
        shard: Shard | None = None,
        provenance: Callable[[], Provenance] = Provenance,
    ) -> None:
        """`kernel_run` gives what is known of a kernel that has no result yet.

        `provenance` is asked once, when there is a plan.
        """
        self._folder = folder
        self._kernels = kernels
        self._kernel_run = kernel_run
        self._shard = shard
        self._find_provenance = provenance
        self._began = time.monotonic()
        self._started = datetime.now(UTC)
        self._claim: ExitStack | None = None
        self._planned: tuple[PlannedCase, ...] | None = None
        # What is planned, and what was found while programs ran.
        self._keys: tuple[CaseKey, ...] = ()
        self._found: dict[CaseKey, None] = {}
        self._selection = Selection()
        self._provenance = Provenance()
        self._cases: dict[CaseKey, tuple[int, CaseResult]] = {}
        self._runs: dict[str, KernelRun] = {}
        self._objects: dict[tuple[str, str], ObjectUse] = {}
        self._failed_tests: list[FailedTest] = []
        self._journal = Journal(folder, self._head)

    @property
    def has_plan(self) -> bool:
        """Whether the run got as far as a plan: there is something to report."""
        return self._planned is not None

    def restart_clock(self) -> None:
        """Let the run begin now: it was made ready long before."""
        self._began = time.monotonic()
        self._started = datetime.now(UTC)

    def claim(self, note: Callable[[str], None]) -> None:
        """Keep other runs out of the folder of reports, until `close`.

        Raises UsageError while another run writes there, and InfrastructureError when
        the folder can't be written.
        """
        if self._claim is None:
            stack = ExitStack()
            stack.enter_context(claimed(self._folder, note))
            self._claim = stack

    def begin(self, planned: Iterable[CaseKey], selection: Selection) -> None:
        """Write the plan, which replaces the reports of the run before.

        A later call replaces the plan. Raises InfrastructureError when it can't be
        written.
        """
        first = not self.has_plan
        self._keys = tuple(planned)
        self._planned = PlannedCase.of(self._keys)
        self._selection = selection
        if first:
            self._provenance = self._find_provenance()
        try:
            self._journal.begin()
            if first:
                reports.clear(self._folder)
        except InfrastructureError:
            self._planned = None if first else self._planned
            raise

    def correct(self, planned: Iterable[CaseKey]) -> None:
        """Put other names into the plan, which are written with the next result."""
        self._keys = tuple(planned)
        self._planned = PlannedCase.of(self._keys)

    def add(
        self,
        case: CaseResult,
        *,
        order: int,
        kernel: KernelRun | None = None,
        use: ObjectUse | None = None,
        found: bool = False,
    ) -> None:
        """Take a result; `order` is its place in the reports.

        One that is `found` while a program runs, such as a subtest, enters the plan
        with its result. What could still be found is in the plan with the program's own
        case, whose result comes last.
        """
        if found:
            self._found[case.key] = None
        if kernel is not None:
            self._runs[kernel.id] = kernel
        if use is not None:
            self._objects[use.path, use.sha256] = use
        known = self._cases.get(case.key)
        if known is not None and _weight(known[1]) <= _weight(case):
            return
        self._cases[case.key] = order, case
        self._journal.add(case)

    def add_failed_test(self, test: FailedTest) -> None:
        """Take a Python test that runs on no kernel, and failed."""
        self._failed_tests.append(test)

    def finish(self) -> RunResults:
        """Return the run as it ended; nothing is written any more but by the caller."""
        self._journal.close()
        ordered = sorted(self._cases.values(), key=lambda pair: pair[0])
        found = self._head().model_copy(
            update={"cases": tuple(case for _, case in ordered), "complete": True}
        )
        return otherkernels.told(agreement.judged(found))

    def close(self) -> None:
        """Let other runs into the folder."""
        self._journal.close()
        if self._claim is not None:
            self._claim.close()
        self._claim = None

    def _plan(self) -> tuple[PlannedCase, ...]:
        """Return the plan with what was found."""
        # Copied, because the thread that writes calls this, too.
        found = tuple(self._found)
        return PlannedCase.of((*self._keys, *found)) if found else self._planned or ()

    def _head(self) -> RunResults:
        """Return all but the cases."""
        runs, objects = dict(self._runs), dict(self._objects)
        return RunResults(
            runner=__version__,
            started=self._started.isoformat(timespec="seconds"),
            duration=time.monotonic() - self._began,
            planned=self._plan(),
            kernels=tuple(
                runs.get(kernel.id) or self._kernel_run(kernel)
                for kernel in self._kernels
            ),
            objects=tuple(objects[key] for key in sorted(objects)),
            failed_tests=tuple(self._failed_tests),
            shard=self._shard,
            selection=self._selection,
            provenance=self._provenance,
        )


def _weight(case: CaseResult) -> tuple[int, bool]:
    # What is only known at the end of a test in Python comes with a second result.
    is_more = case.log_incomplete or case.console
    return _WEIGHT.index(case.outcome), not is_more
