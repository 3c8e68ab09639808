"""Guests that are lent: a clean one for each tenant, the next one started meanwhile.

Clean is a guest that nobody used, or one that is proven to be as it was at its start.
"""

import logging
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from runner.errors import RunnerError
from runner.files.patternlist import NO_LINES, ConsoleLines
from runner.guest import aftermath, census, firstwords, logfile
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
    """What a case needs: a guest of a kernel that is clean but for what its tenant did.

    Two needs are one, and get one guest, if they have kernel and tenant in common.
    """

    kernel: Kernel
    tenant: str
    # Whether a guest will do that other tenants used, if it is proven to be as at its
    # start; else nobody may have used it.
    takes_used: bool = field(default=False, compare=False)
    # Whether a census shows all that the case may leave behind; if not, no other tenant
    # gets its guest.
    is_seen: bool = field(default=False, compare=False)
    # Whether it runs commands, which may set sysctls.
    runs_commands: bool = field(default=False, compare=False)
    # Of its suite: what kernels report counts, or not, also before the first case.
    splats: ConsoleLines = field(default=NO_LINES, compare=False)


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
    def lease(
        self, need: Need, following: Need | None = None, *, untouched: bool = False
    ) -> Iterator[Guest]:
        """Lend a clean guest: the tenant's own, one as at its start, or a new one.

        With `untouched` it is a new one. Where guests are not restored from snapshots,
        all tenants of a kernel share one.
        One whose kernel reported a fault of its own serves nobody any more: WARN_ONCE,
        lockdep and UBSAN report what follows to no one.
        The guest of the `following` need is started meanwhile.
        Raises what kept the kernel from coming up, again at every call.
        """
        logfile.turn_to(need.kernel.id)
        current = self._current
        is_unfit = untouched and current is not None and current.tenant
        if current is None or is_unfit or not self._serves(current, need):
            current = self._replace_current(need.kernel)
        _settle(current, need)
        up = current.guest
        up.life.to(State.LEASED)
        _count_sysctls(current, need)
        aftermath.begin(up)
        if following is not None and not self._may_serve(current, following):
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

    def has_untouched(self, kernel: Kernel) -> bool:
        """Whether a guest that nobody used is at hand without a boot."""
        return self._factory.uses_snapshots(kernel)

    def _may_serve(self, running: Running, need: Need) -> bool:
        """Whether a guest serves a need, if it turns out to be clean."""
        guest = running.guest
        if guest.kernel != need.kernel or not guest.usable or guest.has_reported:
            return False
        if self._is_shared(running, need):
            return True
        is_known = running.start is not None and running.is_seen
        return need.takes_used and is_known and not guest.is_suspect

    def _is_shared(self, running: Running, need: Need) -> bool:
        """Whether nobody but those used a guest who may find what others left."""
        is_own = running.tenant in ("", need.tenant)
        return is_own or not self._factory.uses_snapshots(need.kernel)

    def _serves(self, running: Running, need: Need) -> bool:
        if not self._may_serve(running, need):
            return False
        return self._is_shared(running, need) or _is_as_at_start(running)

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


def _settle(running: Running, need: Need) -> None:
    """Note who uses a guest from now on, what becomes of it, and what it said."""
    guest = running.guest
    if running.tenant and running.tenant != need.tenant:
        guest.served += 1
    if running.tenant != need.tenant:
        own = (need.kernel.splats, need.splats)
        firstwords.note(guest.first_words, own, guest.life.starts)
    running.tenant = need.tenant
    running.is_seen &= need.is_seen


def _count_sysctls(running: Running, need: Need) -> None:
    """Count what the commands of a case may set, before the first of them does."""
    is_first = need.runs_commands and not running.ran_commands
    running.ran_commands |= need.runs_commands
    if not is_first or not running.is_seen or running.start is None:
        return
    try:
        running.start = census.with_sysctls(running.guest, running.start)
    except RunnerError as error:
        # Its case finds that again.
        running.start = None
        log.warning("%s: no census: %s", running.guest.kernel.id, error)


def _is_as_at_start(running: Running) -> bool:
    """Whether a census proves that a guest is as it was before anybody used it."""
    assert running.start is not None
    guest = running.guest
    try:
        found = census.changes(guest, running.start)
    except RunnerError as error:
        log.warning("%s: lost after its case: %s", guest.kernel.id, error)
        return False
    for it in found:
        log.info("%s: the guest is not used again: %s", guest.kernel.id, it)
    return not found


def _has_room(kernel: Kernel) -> bool:
    """Whether another guest of the kernel fits into the host's memory."""
    available = available_memory()
    return available is None or available > (kernel.environment.memory or 0) + _OVERHEAD
