"""Which lane runs which case next, so that no lane waits while another has work."""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Generic, TypeVar

_Work = TypeVar("_Work")

# Cases left with a tenant from which on another guest of its own is worth its start,
# which takes as long as two or three cases.
_WORTH_A_GUEST = 4


@dataclass(frozen=True, kw_only=True)
class Task(Generic[_Work]):
    """Something to be done in a guest."""

    # A kernel's id.
    kernel: str
    # Whose guest of the kernel it needs.
    tenant: str
    work: _Work


@dataclass
class _Share(Generic[_Work]):
    """Tasks of one tenant that are left to one lane, or to nobody yet."""

    tasks: deque[Task[_Work]] = field(default_factory=deque)
    begun: bool = False

    @property
    def kernel(self) -> str:
        return self.tasks[0].kernel


class Schedule(Generic[_Work]):
    """Hands out tasks to lanes, which are numbered from 0; safe for several threads.

    A lane stays with a tenant, then with a kernel, then begins a kernel that no lane is
    at, then helps another lane: it takes tenants of its kernel, and at last half of a
    tenant's tasks. With `exclusive` no lane helps another: a kernel's guest serves all
    of its tenants then, and a second one would have to boot.
    """

    def __init__(
        self, tasks: Iterable[Task[_Work]], *, exclusive: bool = False
    ) -> None:
        self._exclusive = exclusive
        self._lock = threading.Lock()
        grouped = groupby(tasks, key=lambda it: (it.kernel, it.tenant))
        self._left = [_Share(deque(group)) for _, group in grouped]
        # What each lane is at.
        self._own: dict[int, _Share[_Work]] = {}
        self._kernels: dict[int, str] = {}

    def take(self, lane: int) -> Task[_Work] | None:
        """Return a lane's next task, or None when nothing is left for it."""
        with self._lock:
            own = self._share_of(lane) or self._own_now(lane, self._not_begun(lane))
            if own is None:
                return None
            own.begun = True
            return own.tasks.popleft()

    def next_of(self, lane: int) -> Task[_Work] | None:
        """Return the task that a lane takes next.

        It is another one when a lane without work took that meanwhile.
        """
        with self._lock:
            own = self._share_of(lane)
            return own.tasks[0] if own is not None else None

    def _share_of(self, lane: int) -> _Share[_Work] | None:
        """Return what a lane is at, with a task in it, if there is any for it."""
        own = self._own.pop(lane, None)
        if own is None or not own.tasks:
            own = self._unowned(lane) or self._half()
        return self._own_now(lane, own)

    def _own_now(self, lane: int, share: _Share[_Work] | None) -> _Share[_Work] | None:
        if share is not None:
            self._own[lane] = share
            self._kernels[lane] = share.kernel
        return share

    def _unowned(self, lane: int) -> _Share[_Work] | None:
        present = self._kernels.get(lane)
        others = {id_ for it, id_ in self._kernels.items() if it != lane}
        for share in self._left:
            if share.kernel == present and not (
                self._exclusive and share.kernel in others
            ):
                return self._claimed(share)
        for share in self._left:
            if share.kernel not in others:
                return self._claimed(share)
        if self._exclusive or not self._left:
            return None
        kernels = [share.kernel for share in self._left]
        most = max(kernels, key=kernels.count)
        return self._claimed(next(it for it in self._left if it.kernel == most))

    def _claimed(self, share: _Share[_Work]) -> _Share[_Work]:
        self._left.remove(share)
        return share

    def _not_begun(self, lane: int) -> _Share[_Work] | None:
        """Return what another lane is to be at next, which is not its own any more."""
        if self._exclusive:
            return None
        for other, share in self._own.items():
            if other != lane and share.tasks and not share.begun:
                return self._own.pop(other)
        return None

    def _half(self) -> _Share[_Work] | None:
        if self._exclusive or not self._own:
            return None
        longest = max(self._own.values(), key=lambda it: len(it.tasks))
        if len(longest.tasks) < _WORTH_A_GUEST:
            return None
        half: deque[Task[_Work]] = deque()
        for _ in range(len(longest.tasks) // 2):
            half.appendleft(longest.tasks.pop())
        return _Share(half)
