"""Kernels that boot while others still download."""

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from runner.errors import RunnerError
from runner.guest.host import Host
from runner.kernels.artifact import Artifact
from runner.matrix.matrix import Kernel
from runner.run.guestfactory import GuestFactory

log = logging.getLogger(__name__)

Boot = Callable[[Kernel], None]


@contextmanager
def boots(
    inspect: Callable[[], Host],
    artifacts: Mapping[str, Artifact | RunnerError],
    workers: int,
) -> Iterator[Boot]:
    """Yield what has a kernel boot in the background, so that its snapshot is there.

    Nothing is said of what fails: who needs a guest of that kernel finds it again. At
    the end, boots that have begun are waited for, as others would need them at once;
    after an error they are killed.
    """
    if not workers:
        yield lambda kernel: None
        return
    with ExitStack() as stack:
        # Not the run's: these say nothing of its cases, and the reports of the run
        # before are still there.
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        factory = GuestFactory(inspect, artifacts, logs, reuses=lambda: False)
        stack.callback(factory.close)
        pool = ThreadPoolExecutor(workers, thread_name_prefix="early-guest")
        stack.callback(pool.shutdown, cancel_futures=True)

        def boot(kernel: Kernel) -> None:
            with suppress(RunnerError):
                if not factory.uses_snapshots(kernel) or factory.has_snapshot(kernel):
                    return
                log.info("%s: boots while others download", kernel.id)
                factory.start(kernel).end()

        try:
            yield lambda kernel: _begin(pool, boot, kernel)
        except BaseException:
            factory.stop()
            raise


def _begin(pool: ThreadPoolExecutor, boot: Boot, kernel: Kernel) -> None:
    pool.submit(boot, kernel)
