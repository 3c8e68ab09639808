"""Guests that are lent: a clean one for each tenant, the next one started meanwhile."""

import logging
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from runner.errors import RunnerError
from runner.guest import logfile
from runner.guest.guest import Guest
from runner.guest.host import available_memory
from runner.guest.life import State
from runner.matrix.matrix import Kernel
from runner.run.guestfactory import GuestFactory, Running

log = logging.getLogger(__name__)

# MiB: what QEMU takes on top of the guest's memory, and what the host keeps for others.
_OVERHEAD = 256


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a case needs: a guest of a kernel that nobody but its tenant used."""

    kernel: Kernel
    tenant: str


class GuestLease:
    """Lends guests, one at a time, to one thread. `close` ends what is left of them."""

    def __init__(self, factory: GuestFactory) -> None:
        self._factory = factory
        self._current: Running | None = None
        self._spare: tuple[Kernel, Future[Running]] | None = None
        # One thread, which lives as long as the guests that it starts: Linux ends them
        # with it.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="spare-guest")

    @contextmanager
    def lease(self, need: Need, following: Need | None = None) -> Iterator[Guest]:
        """Lend a guest that no other tenant used: the tenant's own, or a new one.

        Where guests are not restored from snapshots, all tenants of a kernel share one.
        One whose kernel reported a fault of its own serves nobody any more: WARN_ONCE,
        lockdep and UBSAN report what follows to no one.
        The guest of the `following` need is started meanwhile.
        Raises what kept the kernel from coming up, again at every call.
        """
        logfile.turn_to(need.kernel.id)
        current = self._current
        if current is None or not self._serves(current, need):
            current = self._replace_current(need.kernel)
        current.tenant = need.tenant
        up = current.guest
        up.life.to(State.LEASED)
        up.vm.turn_page()
        if following is not None and not self._serves(current, following):
            self.prepare(following.kernel)
        try:
            yield up
        finally:
            up.life.to(State.DIRTY if up.usable else State.LOST)

    def _replace_current(self, kernel: Kernel) -> Running:
        self._end_current()
        self._factory.check(kernel)
        self._current = self._take_spare(kernel) or self._factory.start(kernel)
        self._factory.keep_evidence(self._current.guest)
        return self._current

    def prepare(self, kernel: Kernel) -> None:
        """Start a guest of a kernel, to be leased later, if that does not take long.

        Never raises: what is wrong is found again by the lease.
        """
        if self._spare is not None:
            return
        if not _has_room(kernel):
            log.info("not enough memory for a second guest")
            return
        with suppress(RunnerError):
            if self._factory.has_snapshot(kernel):
                started = self._executor.submit(self._factory.start_spare, kernel)
                self._spare = (kernel, started)

    def wait_for_spare(self) -> None:
        """Wait until the guest that `prepare` started is up, or failed."""
        if self._spare is not None:
            wait([self._spare[1]])

    def _serves(self, running: Running, need: Need) -> bool:
        guest = running.guest
        if guest.kernel != need.kernel or not guest.usable or guest.has_reported:
            return False
        if running.tenant in ("", need.tenant):
            return True
        return not self._factory.uses_snapshots(need.kernel)

    def _take_spare(self, kernel: Kernel | None) -> Running | None:
        """Return the guest that was prepared, if it is of this kernel and usable."""
        if self._spare is None:
            return None
        spare, self._spare = self._spare, None
        try:
            running = spare[1].result()
        except RunnerError as error:
            log.warning("%s: the next guest did not come up: %s", spare[0].id, error)
            return None
        if spare[0] == kernel and running.guest.usable:
            return running
        running.end()
        return None

    def _end_current(self) -> None:
        current, self._current = self._current, None
        if current is not None:
            current.end()

    def close(self) -> None:
        """End all guests."""
        self._end_current()
        self._take_spare(None)
        self._executor.shutdown()


def _has_room(kernel: Kernel) -> bool:
    """Whether another guest of the kernel fits into the host's memory."""
    available = available_memory()
    return available is None or available > (kernel.environment.memory or 0) + _OVERHEAD
