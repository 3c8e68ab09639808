"""Which worker runs which case next, so that none waits while another has work."""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Generic, Protocol, TypeVar

from runner.matrix.matrix import Kernel
from runner.run.lease import Need


class Task(Protocol):
    """Something to be done in a guest."""

    @property
    def need(self) -> Need:
        """Which guest it needs."""


_Task = TypeVar("_Task", bound=Task)

# Cases left with a tenant from which on another guest of its own is worth its start,
# which takes as long as two or three cases.
_WORTH_A_GUEST = 4


@dataclass
class _Share(Generic[_Task]):
    """Tasks of one tenant that are left to one worker, or to nobody yet."""

    tasks: deque[_Task] = field(default_factory=deque)
    begun: bool = False

    @property
    def kernel(self) -> str:
        return self.tasks[0].need.kernel.id

    @property
    def guest(self) -> Kernel:
        """The kernel with what its guest is to be like."""
        return self.tasks[0].need.kernel


class Schedule(Generic[_Task]):
    """Hands out tasks to workers, which are numbered from 0; safe for several threads.

    A worker stays with a tenant, then with guests of one kind, then with a kernel, then
    begins a kernel that no worker is at, then helps another worker: it takes tenants of
    its kernel, and at last half of a tenant's tasks. With `exclusive` no worker helps
    another: a kernel's guest serves all of its tenants then, and a second one would
    have to boot.
    """

    def __init__(self, tasks: Iterable[_Task], *, exclusive: bool = False) -> None:
        self._exclusive = exclusive
        self._lock = threading.Lock()
        grouped = groupby(tasks, key=lambda it: it.need)
        self._left = [_Share(deque(group)) for _, group in grouped]
        # What each worker is at.
        self._own: dict[int, _Share[_Task]] = {}
        self._kernels: dict[int, str] = {}
        self._guests: dict[int, Kernel] = {}

    def take(self, worker: int) -> tuple[_Task, _Task | None] | None:
        """Return a worker's next task, or None when nothing is left for it.

        With it comes the one that follows, which becomes the worker's own. It may
        still be taken by another worker that has nothing to do.
        """
        with self._lock:
            own = self._share_of(worker)
            own = own or self._own_now(worker, self._not_begun(worker))
            if own is None:
                return None
            own.begun = True
            task = own.tasks.popleft()
            following = self._share_of(worker)
            return task, following.tasks[0] if following is not None else None

    def _share_of(self, worker: int) -> _Share[_Task] | None:
        """Return what a worker is at, with a task in it, if there is any for it."""
        own = self._own.pop(worker, None)
        if own is None or not own.tasks:
            own = self._unowned(worker) or self._half()
        return self._own_now(worker, own)

    def _own_now(
        self, worker: int, share: _Share[_Task] | None
    ) -> _Share[_Task] | None:
        if share is not None:
            self._own[worker] = share
            self._kernels[worker] = share.kernel
            self._guests[worker] = share.guest
        return share

    def _unowned(self, worker: int) -> _Share[_Task] | None:
        present = self._kernels.get(worker)
        others = {id_ for it, id_ in self._kernels.items() if it != worker}
        if not (self._exclusive and present in others):
            same = [it for it in self._left if it.kernel == present]
            # One that has served may serve them, too.
            alike = (it for it in same if it.guest == self._guests[worker])
            nearest = next(alike, next(iter(same), None))
            if nearest is not None:
                return self._claimed(nearest)
        for share in self._left:
            if share.kernel not in others:
                return self._claimed(share)
        if self._exclusive or not self._left:
            return None
        kernels = [share.kernel for share in self._left]
        most = max(kernels, key=kernels.count)
        return self._claimed(next(it for it in self._left if it.kernel == most))

    def _claimed(self, share: _Share[_Task]) -> _Share[_Task]:
        self._left.remove(share)
        return share

    def _not_begun(self, worker: int) -> _Share[_Task] | None:
        """Take from another worker what it is to be at next."""
        if self._exclusive:
            return None
        for other, share in self._own.items():
            if other != worker and share.tasks and not share.begun:
                return self._own.pop(other)
        return None

    def _half(self) -> _Share[_Task] | None:
        if self._exclusive or not self._own:
            return None
        longest = max(self._own.values(), key=lambda it: len(it.tasks))
        if len(longest.tasks) < _WORTH_A_GUEST:
            return None
        half: deque[_Task] = deque()
        for _ in range(len(longest.tasks) // 2):
            half.appendleft(longest.tasks.pop())
        return _Share(half)
