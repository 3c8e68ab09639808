"""QEMU processes that start, that do not, and that end early."""

import os
import select
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from runner import timeouts
from runner.arch import X86_64
from runner.deadline import Deadline
from runner.errors import ExitStatus, InfrastructureError
from runner.guest.qemu import vm
from runner.guest.qemu.machine import Machine
from runner.guest.qemu.vm import Vm
from tests.unit.guest.qemu import fake_qemu

ROOT = Path(__file__).resolve().parents[4]
# Seconds; far more than any of it takes.
PATIENCE = 60.0


def machine(folder: Path, qemu: Path) -> Machine:
    (folder / "vmlinuz").touch()
    return Machine(
        qemu=qemu,
        architecture=X86_64,
        accelerator="tcg",
        nic="virtio-net-pci",
        kernel=folder / "vmlinuz",
        initrd="",
        memory=128,
        console=folder / "console,with a comma.log",
    )


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    # How long it is waited for what these tests know not to come.
    exit_soon = replace(timeouts.QEMU_EXIT, seconds=0.3)
    monkeypatch.setattr(timeouts, "QEMU_EXIT", exit_soon)


def gone(pid: int) -> bool:
    """Wait until a process, which need not be a child, is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], PATIENCE)[0])
    finally:
        os.close(handle)


def test_a_machine_runs_until_it_is_let_go(tmp_path: Path) -> None:
    qemu = fake_qemu.make(tmp_path)

    with vm.boot(machine(tmp_path, qemu), b"initrd") as up:
        assert up.running
        assert up.port == 40123
        assert str(qemu) in up.command_line
    assert not up.running
    (pid,) = fake_qemu.started(tmp_path)
    assert gone(pid)


def test_a_machine_does_not_outlive_an_error(tmp_path: Path) -> None:
    qemu = fake_qemu.make(tmp_path)

    with (
        pytest.raises(KeyboardInterrupt),
        vm.boot(machine(tmp_path, qemu), b""),
    ):
        raise KeyboardInterrupt

    assert gone(fake_qemu.started(tmp_path)[0])


def test_a_machine_does_not_outlive_a_runner_that_is_killed(tmp_path: Path) -> None:
    qemu = fake_qemu.make(tmp_path)
    program = f"""
from pathlib import Path
from runner.guest.qemu import vm
from tests.unit.guest.qemu.test_vm import machine
with vm.boot(machine(Path({str(tmp_path)!r}), Path({str(qemu)!r})), b"") as up:
    print("up", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == b"up\n"
        runner.send_signal(signal.SIGKILL)

    assert gone(fake_qemu.started(tmp_path)[0])


def test_a_qemu_that_is_missing_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(InfrastructureError) as caught,
        vm.boot(machine(tmp_path, tmp_path / "qemu"), b""),
    ):
        pass

    assert caught.value.message.startswith("QEMU did not start: ")
    assert f"{tmp_path}/qemu: No such file or directory" in caught.value.message
    assert "doctor" in caught.value.hint
    assert caught.value.exit_status is ExitStatus.INFRASTRUCTURE


def test_a_missing_setpriv_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    qemu = fake_qemu.make(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))

    with (
        pytest.raises(InfrastructureError, match="can't start setpriv: No such file"),
        vm.boot(machine(tmp_path, qemu), b""),
    ):
        pass


def test_a_qemu_that_exits_at_once_is_told_in_its_own_words(tmp_path: Path) -> None:
    qemu = fake_qemu.make(
        tmp_path, greets=False, status=1, stderr="qemu: -cpu: no such model\n"
    )

    with (
        pytest.raises(InfrastructureError) as caught,
        vm.boot(machine(tmp_path, qemu), b""),
    ):
        pass

    assert caught.value.message == "QEMU did not start: qemu: -cpu: no such model"


def test_a_qemu_that_never_greets_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_soon = replace(timeouts.QEMU_START, seconds=1.0)
    monkeypatch.setattr(timeouts, "QEMU_START", start_soon)
    qemu = fake_qemu.make(tmp_path, greets=False)

    with (
        pytest.raises(InfrastructureError) as caught,
        vm.boot(machine(tmp_path, qemu), b""),
    ):
        pass

    assert caught.value.message == (
        "QEMU did not start: QEMU did not answer the greeting within 1 s"
    )
    assert all(gone(pid) for pid in fake_qemu.started(tmp_path))


def test_a_qemu_that_forwards_no_port_is_told(tmp_path: Path) -> None:
    qemu = fake_qemu.make(tmp_path, forwarded="no such network")

    with (
        pytest.raises(InfrastructureError, match="QEMU does not forward a port"),
        vm.boot(machine(tmp_path, qemu), b""),
    ):
        pass

    assert gone(fake_qemu.started(tmp_path)[0])


def lost(tmp_path: Path, console: bytes, status: int | None) -> tuple[str, str, str]:
    qemu = fake_qemu.make(tmp_path, console=console, status=status)
    with vm.boot(machine(tmp_path, qemu), b"") as up:
        if status is not None:
            up.process.wait(PATIENCE)
        error = up.lost("loading a.o", cause=EOFError("closed"))
    return error.cause, error.message, error.console


def test_an_early_exit_is_named(tmp_path: Path) -> None:
    assert lost(tmp_path, b"one\r\ntwo\r\n", 7) == (
        "early_exit",
        "QEMU exited with status 7 while loading a.o",
        "one\ntwo",
    )


def test_a_panic_is_named(tmp_path: Path) -> None:
    words = b"[ 1.0] Kernel panic - not syncing: Fatal exception\r\n"

    cause, message, console = lost(tmp_path, words, 0)

    assert cause == "panic"
    assert message.startswith("panic while loading a.o: ")
    assert "Fatal exception" in message
    assert "Fatal exception" in console


def test_silence_is_named(tmp_path: Path) -> None:
    assert lost(tmp_path, b"", None)[:2] == (
        "no_answer",
        "no answer while loading a.o: closed",
    )


def test_the_console_is_this_guests_and_clean(tmp_path: Path) -> None:
    qemu = fake_qemu.make(tmp_path, console=b"\x1b[1mnew\x1b[0m \x00\xff\r\n", status=0)
    described = machine(tmp_path, qemu)
    described.console.write_bytes(b"Kernel panic - not syncing: of the guest before\n")

    with vm.boot(described, b"") as up:
        up.process.wait(PATIENCE)
        assert up.console() == "new \ufffd\n"
        assert up.lost("loading").cause == "early_exit"


def test_a_console_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    qemu = fake_qemu.make(tmp_path, greets=True)
    described = machine(tmp_path, qemu)

    with vm.boot(described, b"") as up:
        assert up.console() == ""


def test_qemu_tells_its_version(tmp_path: Path) -> None:
    assert vm.version(fake_qemu.make(tmp_path)) == "7.2.22"


def test_a_qemu_that_can_not_run_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "qemu"
    broken.write_text("#!/bin/false\n")

    for path in (broken, tmp_path / "missing", Path("/bin/false")):
        with pytest.raises(InfrastructureError, match=f"can't run {path}"):
            vm.version(path)


# ---------------------------------------------------------------------- idle


@pytest.mark.parametrize(
    ("does", "idle"), [("while True: pass", False), ("time.sleep(99)", True)]
)
def test_a_machine_is_idle_when_its_threads_rest(does: str, idle: bool) -> None:
    program = f"import time\nprint(flush=True)\n{does}"
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        process.stdout.readline()
        deadline = Deadline.after(PATIENCE if idle else 0.3)

        vm.wait_until_idle(cast(Vm, Working(process)), deadline)

        assert deadline.expired != idle


class Working:
    """A machine that is any process."""

    running = True

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
