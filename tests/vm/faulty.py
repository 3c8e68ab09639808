"""`python -m tests.vm.faulty FAULT -- ARGUMENT…`: the runner with a fault in it.

FAULT is MODULE:NAME@CALL=ERROR: from that call on the function raises the error.
"""

import errno
import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

from runner.__main__ import main

ERRORS: dict[str, Callable[[], BaseException]] = {
    "runtime": lambda: RuntimeError("a fault that a test made"),
    "memory": MemoryError,
    "full": lambda: OSError(errno.ENOSPC, "No space left on device"),
    "pipe": lambda: BrokenPipeError(errno.EPIPE, "Broken pipe"),
}

# Hooks of the plugin and of the live display, what they call, and every report writer.
PLACES = (
    "runner.cli.progress:Live.pytest_runtest_logreport",
    "runner.cli.progress:Live.pytest_runtest_logstart",
    "runner.cli.progress:Live.pytest_runtest_logfinish",
    "runner.cli.progress:Live.pytest_collection_finish",
    "runner.cli.progress:Live.pytest_sessionfinish",
    "runner.cli.progress:Live.pytest_kernel_matrix_case_begins",
    "runner.cli.progress:Live.pytest_kernel_matrix_step",
    "runner.plugin.recorder:Recorder.pytest_runtestloop",
    "runner.plugin.recorder:Recorder.pytest_runtest_logreport",
    "runner.plugin.recorder:Recorder.pytest_sessionfinish",
    "runner.plugin:attach",
    "runner.plugin.items:SuiteFile.collect",
    "runner.plugin.items:CaseItem.runtest",
    "runner.plugin.items:CaseItem.perform",
    "runner.run.ledger:Ledger.begin",
    "runner.run.ledger:Ledger.add",
    "runner.run.ledger:Ledger.finish",
    "runner.case.run:run",
    "runner.run.lease:GuestLease.lease",
    "runner.run.run:Run.prepare",
    "runner.run.run:Run.remember",
    "runner.run.run:Run.close",
    "runner.reports.journal:Journal._write",
    "runner.reports.atomic:write_text",
    "runner.reports:clear",
    "runner.reports:write",
    "runner.reports.junit:documents",
    "runner.reports.markdown:render",
    "runner.reports.page:render",
    "runner.reports.pictures:badge",
    "runner.reports.pictures:matrix",
    "runner.reports.sarif:document",
    "runner.reports.resultsfile:dump",
    "runner.reports.resultsfile:dump_with",
    "runner.reports.summary:render",
    "runner.reports.criteria:Criteria.report",
)


def put(fault: str) -> None:
    """Make a function fail."""
    place, _, error = fault.partition("=")
    name, _, call = place.partition("@")
    module, _, path = name.partition(":")
    holder: Any = importlib.import_module(module)
    *outer, last = path.split(".")
    for part in outer:
        holder = getattr(holder, part)
    right = getattr(holder, last)
    left = [int(call)]

    @functools.wraps(right)
    def wrong(*words: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] <= 0:
            raise ERRORS[error]()
        return right(*words, **more)

    setattr(holder, last, wrong)


if __name__ == "__main__":
    put(sys.argv[1])
    del sys.argv[1:3]
    sys.exit(main())
