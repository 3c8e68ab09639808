"""results.json while a run goes on: its plan first, then each result as it comes.

What ends the run can be anything: a signal, a full disk, a fault of this program. So
results.json is never older than a moment, always whole, and says `complete` only when
every planned case has its result.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from runner.reports import RESULTS, resultsfile
from runner.reports.atomic import write_text
from runner.results import CaseResult, RunResults

log = logging.getLogger(__name__)

# Seconds between two writings, at the least; and at the least this many times what
# writing takes, so that it never takes more than that share of a run's time.
_PAUSE = 0.05
_SHARE = 30


class Journal:
    """Writes what is known of a run to its results.json, in a thread of its own."""

    def __init__(self, folder: Path, head: Callable[[], RunResults]) -> None:
        """`head` gives the run as it is now, its plan included, without its cases."""
        self._path = folder / RESULTS
        self._head = head
        # The cases as JSON.
        self._cases: list[str] = []
        # What kept the last writing from succeeding.
        self.failure: Exception | None = None
        self._stopped = threading.Event()
        self._changed = threading.Event()
        self._thread = threading.Thread(
            target=self._work, name="results.json", daemon=True
        )

    def begin(self) -> None:
        """Write the plan, and from now on what `add` is given.

        Raises InfrastructureError when it can't be written.
        """
        self._write()
        if self._thread.ident is None:
            self._thread.start()

    def add(self, case: CaseResult) -> None:
        """Have a result written soon."""
        self._cases.append(resultsfile.dump_case(case))
        self._changed.set()

    def close(self) -> None:
        """Write nothing any more; what comes to the file next is the caller's."""
        self._stopped.set()
        self._changed.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _work(self) -> None:
        while True:
            self._changed.wait()
            self._changed.clear()
            if self._stopped.is_set():
                return
            started = time.monotonic()
            try:
                self._write()
                self.failure = None
            except Exception as error:
                # A full disk, no memory, a fault of this program. There may be room
                # again at the next try; the run's last writing reports what stays.
                log.debug("%s: not written", self._path, exc_info=True)
                self.failure = error
            self._stopped.wait(max(_PAUSE, _SHARE * (time.monotonic() - started)))

    def _write(self) -> None:
        write_text(self._path, resultsfile.dump_with(self._head(), self._cases))
