"""A running QEMU process: started, watched and ended."""

import logging
import os
import re
import shlex
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from runner import timeouts
from runner.deadline import Deadline
from runner.errors import (
    DOCTOR_INSTALLS,
    GuestError,
    InfrastructureError,
    file_errors,
    timed_out,
)
from runner.failures import splats
from runner.guest.qemu.machine import LINE, WINDOW, Machine, command
from runner.guest.qemu.memory import guest_memory, memory_file
from runner.guest.qemu.qmp import Qmp
from runner.process.privileges import dropped
from runner.process.programs import environment
from runner.timeouts import USUAL, Pace

log = logging.getLogger(__name__)
# It logs every message, and an end that is expected as an error.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)

_POLL = 0.01
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC

# Seconds, and how much of them an idle guest's threads are busy at most.
_WATCHED = 0.05
_IDLE = 0.1

# "  TCP[ESTABLISHED]  27 127.0.0.1 33939  10.0.2.15 22 …"
# In TIME_WAIT both sides are through. What goes to LINE is saved with the guest.
_CONNECTION = re.compile(
    rf"TCP\[(?!HOST_FORWARD|TIME_WAIT)(?!.* {re.escape(LINE[0])} )"
)
_FORWARDED = re.compile(r"HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)")


@dataclass(eq=False, kw_only=True)
class Vm:
    """A machine that runs; `boot` gives one and ends it."""

    machine: Machine
    # What QEMU was started with; can be pasted into a shell but for its descriptors.
    command_line: str
    process: subprocess.Popen[bytes]
    qmp: Qmp
    # What the guest says to `runner.guest.qemu.machine.LINE`, and hears from there.
    line: socket.socket
    # A descriptor of what its memory's file is. A guest that booted writes to it.
    memory: int
    # A descriptor of what the guest reads through its window.
    window: int
    # On 127.0.0.1, forwarded to the guest's SSH port.
    port: int
    # Where this guest's output begins in the console's file, in bytes.
    console_start: int
    # Up to where `news` has returned it, in bytes.
    console_read: int
    # How patient the runner is with it.
    pace: Pace

    @property
    def running(self) -> bool:
        """Whether the QEMU process is there."""
        return self.process.poll() is None

    def console(self) -> str:
        """Return the console's text so far, without control characters."""
        try:
            written = self.machine.console.read_bytes()
        except FileNotFoundError:
            return ""
        return splats.clean(written[self.console_start :])

    @property
    def printed(self) -> int:
        """How many bytes its console has printed."""
        return _size(self.machine.console)

    def turn_page(self) -> None:
        """Let `console` return only what comes from now on.

        What an earlier case did to the guest says nothing about the next one.
        """
        self.console_start = self.console_read = self.printed

    def news(self) -> str:
        """Return what `console` has now and had not when this was last called."""
        written = _size(self.machine.console)
        if written <= self.console_read:
            return ""
        start, self.console_read = self.console_read, written
        with self.machine.console.open("rb") as stream:
            stream.seek(start)
            return splats.clean(stream.read(written - start))

    def lost(self, doing: str, *, cause: Exception | None = None) -> GuestError:
        """Return the error that says why the guest no longer answers.

        `doing` ends the sentence "the guest … while": "loading task.bpf.o".
        """
        exited = self._wait_for_exit()
        text = self.console()
        splat = splats.diagnose(text)
        tail = splats.last_lines(text, splat)
        if splat is not None:
            message = f"{splat.cause.replace('_', ' ')} while {doing}: {splat.line}"
            return GuestError(message, cause=splat.cause, console=tail)
        if exited:
            status = self.process.returncode
            message = f"QEMU exited with status {status} while {doing}"
            return GuestError(
                message, cause="early_exit", console=tail, hint="see console.log"
            )
        why = f": {cause}" if cause else ""
        return GuestError(
            f"no answer while {doing}{why}",
            cause="no_answer",
            console=tail,
            hint="see console.log",
        )

    def boot_timed_out(self, doing: str, deadline: Deadline) -> GuestError:
        """Return the error of a guest that does not answer by the boot's deadline."""
        found = self.lost(doing)
        if found.cause != "no_answer":
            return found
        return timed_out(
            f"no answer within {deadline.seconds:g} s while {doing}",
            timeouts.BOOT.option,
            console=found.console,
        )

    def _wait_for_exit(self) -> bool:
        try:
            self.process.wait(self.pace.seconds(timeouts.QEMU_EXIT))
        except subprocess.TimeoutExpired:
            return False
        return True


@contextmanager
def boot(machine: Machine, initrd: bytes, pace: Pace = USUAL) -> Iterator[Vm]:
    """Start a machine from an initramfs held in memory, and end it on the way out.

    Nothing of it outlives this process, however that ends: the initramfs and the
    monitor are unnamed descriptors, and Linux kills QEMU when the thread that called
    this ends.
    Raises InfrastructureError when QEMU can't be started, with its own words.
    """
    with ExitStack() as stack:
        archive = memory_file("initrd", initrd)
        stack.callback(os.close, archive)
        # Who QEMU runs as can't look into the cache.
        with file_errors(InfrastructureError, f"can't read {machine.kernel}"):
            kernel = memory_file("kernel", machine.kernel.read_bytes())
        stack.callback(os.close, kernel)
        memory = guest_memory(machine.memory)
        stack.callback(os.close, memory)
        described = replace(
            machine, initrd=f"/dev/fd/{archive}", kernel_path=f"/dev/fd/{kernel}"
        )
        yield stack.enter_context(_running(described, memory, pace, archive, kernel))


@contextmanager
def wait_for_state(machine: Machine, memory: int, pace: Pace = USUAL) -> Iterator[Vm]:
    """Start a machine that `runner.guest.qemu.snapshot.restore` will bring to life.

    `memory`, of `guest_memory`, may be filled meanwhile; any number of machines may
    share it, and none writes to it.
    It ends as one that was booted; raises as `boot` does.
    """
    incoming = replace(machine, initrd="", incoming=True)
    with _running(incoming, memory, pace) as vm:
        yield vm


@contextmanager
def _running(
    machine: Machine, memory: int, pace: Pace, *descriptors: int
) -> Iterator[Vm]:
    with ExitStack() as stack:
        window = guest_memory(WINDOW)
        stack.callback(os.close, window)
        machine = replace(
            machine, memory_path=f"/dev/fd/{memory}", window_path=f"/dev/fd/{window}"
        )
        console_start = _size(machine.console)
        console = os.open(machine.console, _APPEND, 0o644)
        stack.callback(os.close, console)
        ours, theirs = socket.socketpair()
        stack.callback(ours.close)
        line, its_line = socket.socketpair()
        stack.callback(line.close)
        with theirs, its_line:
            argv = command(
                machine,
                qmp_fd=theirs.fileno(),
                console_fd=console,
                line_fd=its_line.fileno(),
            )
            errors = stack.enter_context(tempfile.TemporaryFile())
            inherited = (memory, window, console, *descriptors)
            inherited = (*inherited, theirs.fileno(), its_line.fileno())
            process = _start(argv, _groups(machine), inherited, errors)
        stack.callback(_end, process)
        qmp = stack.enter_context(Qmp(ours))
        yield Vm(
            machine=machine,
            command_line=shlex.join(argv),
            process=process,
            qmp=qmp,
            line=line,
            memory=memory,
            window=window,
            port=_first_words(qmp, process, errors, pace),
            console_start=console_start,
            console_read=console_start,
            pace=pace,
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _groups(machine: Machine) -> list[int]:
    """Return the groups without which QEMU can't use its accelerator."""
    device = Path("/dev/kvm")
    needed = machine.accelerator == "kvm" and device.exists()
    return [device.stat().st_gid] if needed else []


def _start(
    argv: list[str],
    groups: list[int],
    descriptors: tuple[int, ...],
    errors: IO[bytes],
) -> subprocess.Popen[bytes]:
    # kill -9 of the runner must not leave a guest behind.
    rights = dropped(Path(argv[0]), groups=groups)
    guarded = ["setpriv", *rights, "--pdeathsig", "KILL", "--", *argv]
    log.debug("+ %s", shlex.join(guarded))
    what = f"can't start {guarded[0]}"
    with file_errors(InfrastructureError, what, hint=DOCTOR_INSTALLS):
        return subprocess.Popen(
            guarded,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=descriptors,
            # Ctrl-C is the runner's to handle: it asks QEMU to quit.
            start_new_session=True,
        )


def _first_words(
    qmp: Qmp, process: subprocess.Popen[bytes], errors: IO[bytes], pace: Pace
) -> int:
    """Return the forwarded port, once QEMU has said which one it got."""
    try:
        qmp.connect(pace.seconds(timeouts.QEMU_START))
        network = _network(qmp, pace)
    except InfrastructureError as error:
        process.kill()
        process.wait()
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace").strip()
        raise InfrastructureError(
            f"QEMU did not start: {said or error.message}",
            hint="`python -m runner doctor` checks QEMU and its accelerators",
        ) from error
    match = _FORWARDED.search(network)
    if match is None:
        raise InfrastructureError(
            f"QEMU does not forward a port; it printed: {network}"
        )
    return int(match[1])


def plug_disk(vm: Vm, path: Path, serial: str) -> None:
    """Give a running machine a disk that it can read, and nobody writes to.

    The guest finds it by its serial number when it looks at its bus again. A saved
    machine needs no place for it: all that is restored may be given another one.
    Raises InfrastructureError when QEMU refuses it.
    """
    answer = vm.pace.seconds(timeouts.QEMU_ANSWER)
    with path.open("rb") as file:
        opened = vm.qmp.give_path(file.fileno(), timeout=answer)
    vm.qmp.execute(
        "blockdev-add",
        {
            "node-name": f"file-{serial}",
            "driver": "raw",
            "read-only": True,
            "file": {"driver": "file", "filename": opened, "read-only": True},
        },
        timeout=answer,
    )
    vm.qmp.execute(
        "device_add",
        {
            "driver": vm.machine.architecture.board.device("blk"),
            "id": serial,
            "drive": f"file-{serial}",
            "serial": serial,
        },
        timeout=answer,
    )


def wait_for_hangup(vm: Vm, deadline: Deadline) -> None:
    """Wait until both sides have closed every connection, or until the deadline."""
    while _CONNECTION.search(_network(vm.qmp, vm.pace)) and not deadline.expired:
        time.sleep(_POLL)


def wait_until_idle(vm: Vm, deadline: Deadline) -> None:
    """Wait until the guest has nothing left to do, or until the deadline."""
    busy = _busy(vm.process.pid)
    while vm.running and not deadline.expired:
        time.sleep(_WATCHED)
        before, busy = busy, _busy(vm.process.pid)
        if 0 <= busy - before < _IDLE * _WATCHED:
            return


def _busy(pid: int) -> float:
    """Return for how many seconds a process's threads ran, or wanted to."""
    nanoseconds = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):
            # Its time on a processor, and in the queue for one.
            nanoseconds += sum(map(int, path.read_text().split()[:2]))
    return nanoseconds / 1e9


def _network(qmp: Qmp, pace: Pace) -> str:
    return str(
        qmp.execute(
            "human-monitor-command",
            {"command-line": "info usernet"},
            timeout=pace.seconds(timeouts.QEMU_ANSWER),
        )
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    # A guest holds nothing worth a clean shutdown.
    process.kill()
    process.wait()


def version(qemu: Path) -> str:
    """Return "7.2.22" as `qemu --version` says it.

    Raises InfrastructureError when QEMU is missing or can't run.
    """
    try:
        said = subprocess.run(
            [qemu, "--version"],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise InfrastructureError(
            f"can't run {qemu}: {error}",
            hint=DOCTOR_INSTALLS,
        ) from error
    match = re.search(r"version (\d+(?:\.\d+)+)", said)
    return match[1] if match else said.strip()
