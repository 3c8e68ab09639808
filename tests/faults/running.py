"""A run in a world: started, at some phase, struck, ended; and what is left of it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runner.deadline import Deadline
from tests.faults.world import World, settings

KERNELS = "6.1,6.12"

# What a run is at: nothing is planned; nothing boots; guests start; cases have ended;
# all have ended; the program has.
Phase = Literal["start", "plan", "guests", "cases", "reports", "over"]
PHASES: tuple[Phase, ...] = ("start", "plan", "guests", "cases", "reports", "over")

# Seconds until a run that goes on is called hung.
_LONGEST = 400.0
# Seconds in which what a killed runner leaves behind must have ended, too.
_AFTER_KILL = 15.0


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A run that ended, or was ended because it hung."""

    # As subprocess has it: negative for a signal.
    status: int
    output: str
    seconds: float
    hung: bool
    # What still ran afterwards, by name.
    left: tuple[str, ...]


class Running:
    """A run that goes on."""

    def __init__(
        self,
        world: World,
        *,
        program: Sequence[str] = ("runner",),
        prefix: Sequence[str] = (),
        rows: Sequence[str] = ("--kernels", KERNELS),
        reports: Path | None = None,
        **environment: str,
    ) -> None:
        """Start a module of ours with the main job's arguments, and a prefix before."""
        self.world = world
        self.reports = reports or world.reports
        self._began = time.monotonic()
        self._log = world.folder / f"log.{time.monotonic_ns()}"
        words = (*rows, "--suite", str(world.suite), "-n", "2")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *prefix,
                    *world.entering(),
                    *("env", "--default-signal=HUP,INT,TERM"),
                    *(sys.executable, "-m", *program, *words),
                    *("--reports", str(self.reports)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **settings(world), **environment},
            )
        self._namespace = os.readlink(world.namespace)

    @property
    def pid(self) -> int:
        """The runner's own pid."""
        return self._process.pid

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return time.monotonic() - self._began

    def wait(self, seconds: float) -> None:
        """Wait so long, or until it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, seconds))

    def phase(self) -> Phase:
        """Return what it is at."""
        if self._process.poll() is not None:
            return "over"
        planned, done = _progress(self.reports / "results.json")
        if not planned:
            return "start"
        if done:
            return "reports" if done >= planned else "cases"
        return "guests" if self.guests() else "plan"

    def guests(self) -> list[int]:
        """Return the pids of its QEMUs."""
        return [pid for pid, name in self._all() if name.startswith("qemu-system")]

    def workers(self) -> list[int]:
        """Return the pids of its processes that are no guests, without its own."""
        return [
            pid
            for pid, name in self._all()
            if not name.startswith("qemu-system") and pid != self.pid
        ]

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it has not ended."""
        self._process.send_signal(number)

    def end(self) -> Ended:
        """Wait for its end."""
        hung = False
        try:
            self._process.wait(_LONGEST - self.seconds)
        except subprocess.TimeoutExpired:
            hung = True
            self._process.kill()
            self._process.wait()
        seconds = self.seconds
        deadline = Deadline.after(_AFTER_KILL if self._process.returncode < 0 else 1)
        while (left := self._all()) and not deadline.expired:
            time.sleep(0.05)
        for pid, _ in left:
            _kill(pid)
        return Ended(
            status=self._process.returncode,
            output=self._log.read_text(errors="replace"),
            seconds=seconds,
            hung=hung,
            left=tuple(f"{name} ({pid})" for pid, name in left),
        )

    def _all(self) -> list[tuple[int, str]]:
        """Return the pids and names of all that is alive in its namespace."""
        pids = [int(it.name) for it in Path("/proc").iterdir() if it.name.isdecimal()]
        return [
            (pid, _name(pid))
            for pid in pids
            if pid != self.world.holder and _namespace(pid) == self._namespace
        ]


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:
        return ""


def _name(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "gone"
    return Path(words[0].decode(errors="replace")).name


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _progress(path: Path) -> tuple[int, int]:
    """Return how many results a run planned, and how many it has."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return 0, 0
    planned = sum(len(it["kernels"]) for it in found.get("planned") or ())
    return planned, len(found.get("cases") or ())
