"""Guests that are lent: a clean one for each tenant, the next one started meanwhile."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from runner.errors import RunnerError
from runner.matrix import Kernel
from runner.session import logfile
from runner.session.bringups import Bringups, Running
from runner.session.guest import Guest
from runner.session.host import available_memory

log = logging.getLogger(__name__)

# MiB: what QEMU takes beside the guest's memory, and what the host keeps for others.
_OVERHEAD = 256


class Guests:
    """Lends guests, one at a time, to one thread. `close` ends what is left of them."""

    def __init__(self, bringups: Bringups) -> None:
        self._bringups = bringups
        self._current: Running | None = None
        self._spare: tuple[Kernel, Future[Running]] | None = None
        self._expected: tuple[Kernel, str] | None = None
        # One thread, which lives as long as the guests that it starts: Linux ends them
        # with it.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="spare-guest")

    def lease(self, kernel: Kernel, tenant: str) -> Guest:
        """Return a guest that no other tenant used: the tenant's own, or a new one.

        Where guests are not restored from snapshots, all tenants of a kernel share one.
        Raises what kept the kernel from coming up, again at every call.
        """
        logfile.turn_to(kernel.id)
        current = self._current
        if current is None or not self._serves(current, kernel, tenant):
            current = self._replace_current(kernel)
        current.tenant = tenant
        self._prepare_expected()
        return current.guest

    def _replace_current(self, kernel: Kernel) -> Running:
        self._end_current()
        self._bringups.check(kernel)
        try:
            self._current = self._take_spare(kernel) or self._bringups.start(kernel)
        except RunnerError as error:
            self._bringups.give_up(kernel, error)
            raise
        self._bringups.keep_evidence(self._current.guest)
        return self._current

    def expect(self, kernel: Kernel | None, tenant: str) -> None:
        """Tell who leases a guest next, so that it is started meanwhile."""
        self._expected = None if kernel is None else (kernel, tenant)

    def _prepare_expected(self) -> None:
        if self._expected is None:
            return
        kernel, tenant = self._expected
        if self._current is None or not self._serves(self._current, kernel, tenant):
            self.prepare(kernel)

    def prepare(self, kernel: Kernel) -> None:
        """Start a guest of a kernel, to be leased later, if one can be had quickly.

        Never raises: what is wrong is found again by the lease.
        """
        if self._spare is not None:
            return
        if not _has_room(kernel):
            log.info("not enough memory for a second guest")
            return
        with suppress(RunnerError):
            if self._bringups.has_snapshot(kernel):
                started = self._executor.submit(self._bringups.start, kernel)
                self._spare = (kernel, started)

    def _serves(self, running: Running, kernel: Kernel, tenant: str) -> bool:
        if running.guest.kernel != kernel or not running.guest.usable:
            return False
        if running.tenant in ("", tenant):
            return True
        return not self._bringups.uses_snapshots(kernel)

    def _take_spare(self, kernel: Kernel) -> Running | None:
        """Return the guest that was prepared, if it is of this kernel and well."""
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
        running.stack.close()
        return None

    def _end_current(self) -> None:
        current, self._current = self._current, None
        if current is not None:
            current.stack.close()

    def close(self) -> None:
        """End all guests."""
        self._end_current()
        if self._spare is not None:
            # None is of this kernel, so that it is ended.
            spare, self._spare = self._spare, None
            with suppress(RunnerError):
                spare[1].result().stack.close()
        self._executor.shutdown()


def _has_room(kernel: Kernel) -> bool:
    """Whether another guest of the kernel fits into the host's memory."""
    available = available_memory()
    return available is None or available > kernel.memory + _OVERHEAD
