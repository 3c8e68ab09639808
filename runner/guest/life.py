"""A guest's life: its states, which of them follow which, and who is shown them.

    wanted ─────────► booting ─────────► ready ◄──► leased ◄──► dirty
       │                 ▲    ┌─ saved ◄───┤
       │  no snapshot    │    ▼            │
       └─────────────────┴─ restoring ─────┘

A guest that is ready, leased or dirty may end. A guest that is not dead yet may be
lost. Whoever waits for a lost guest either wants another one (retried), or does without
(given up).

Where snapshots are used, a guest that boots is saved, and the one that is lent is
restored from it. Where a snapshot fails, a guest boots after all. Another tenant may
lease a dirty guest only if it is proven to be as at its start, unless guests boot: then
all tenants of a kernel share one.
"""

import logging
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from runner.guest.qemu.vm import Vm

log = logging.getLogger(__name__)


class State(Enum):
    """A state of a guest. The value is what is shown of it."""

    WANTED = "wanted"
    BOOTING = "booting"
    READY = "ready"
    # Its state became the kernel's snapshot; nothing more can be asked of it.
    SAVED = "saved"
    RESTORING = "starting from the snapshot"
    # A tenant is at work in it.
    LEASED = "leased"
    # A tenant was at work in it.
    DIRTY = "used"
    # It did not come up, or died, or does not answer.
    LOST = "lost"
    RETRIED = "lost: trying again in a clean guest"
    GIVEN_UP = "given up"
    ENDED = "ended"


# What is dead can't be lost any more; each other state may.
_DEAD = frozenset({State.RETRIED, State.GIVEN_UP, State.ENDED})

# What else may follow each state.
_NEXT = {
    State.WANTED: {State.BOOTING, State.RESTORING},
    State.BOOTING: {State.READY},
    State.READY: {State.SAVED, State.BOOTING, State.LEASED, State.ENDED},
    State.SAVED: {State.RESTORING},
    State.RESTORING: {State.READY, State.BOOTING},
    State.LEASED: {State.DIRTY, State.ENDED},
    State.DIRTY: {State.LEASED, State.ENDED},
    State.LOST: _DEAD,
    State.RETRIED: {State.ENDED},
    State.GIVEN_UP: {State.ENDED},
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a guest becomes, or what is done in it, from now on."""

    # The kernel's id.
    kernel: str
    # The name of the thread that takes the step.
    thread: str
    text: str


# Is shown each step. Called in any thread, and must not raise.
Observe = Callable[[Step], None]


def ignore(_: Step) -> None:
    """Show a step to nobody."""


@dataclass(kw_only=True)
class Starts:
    """How the guests of a kernel came up so far."""

    # The kernel's id.
    kernel: str
    observe: Observe = ignore
    # Seconds from QEMU's start to the agent's first answer, one a boot.
    boots: list[float] = field(default_factory=list)
    # The same of guests that came from a snapshot.
    restores: list[float] = field(default_factory=list)
    # What a user should know.
    notes: list[str] = field(default_factory=list)
    _machines: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _stopped: bool = False

    def stop(self) -> None:
        """Kill what runs, and what is started later: nobody waits for it any more."""
        self._stopped = True
        for process in tuple(self._machines):
            process.kill()

    def wanted(self) -> bool:
        """Whether anybody still waits for these guests."""
        return not self._stopped

    @contextmanager
    def watched(self, vm: Vm) -> Iterator[None]:
        """Let `stop` end a machine."""
        self._machines.add(vm.process)
        try:
            if self._stopped:
                vm.process.kill()
            yield
        finally:
            self._machines.discard(vm.process)


class Life:
    """The life of one guest, from when it is wanted; one thread at a time has it."""

    def __init__(self, starts: Starts) -> None:
        self.starts = starts
        self.state = State.WANTED

    @property
    def is_over(self) -> bool:
        """Whether nothing more can be done in the guest."""
        return self.state is State.LOST or self.state in _DEAD

    def to(self, state: State, text: str = "") -> None:
        """Change the state; `text` says more of it.

        Raises RuntimeError for a state that can't follow.
        """
        if state is self.state:
            return
        lost = state is State.LOST and not self.is_over
        if not lost and state not in _NEXT.get(self.state, ()):
            raise RuntimeError(f"a guest that is {self.state.name} became {state.name}")
        self.state = state
        self.step(text or state.value, logging.INFO)

    def step(self, text: str, level: int = logging.DEBUG) -> None:
        """Show, and log, what is done from now on."""
        kernel = self.starts.kernel
        log.log(level, "%s: %s", kernel, text)
        thread = threading.current_thread().name
        self.starts.observe(Step(kernel=kernel, thread=thread, text=text))
