"""A machine's description, and the command line that QEMU is given for it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from runner.arch import Architecture
from runner.kernels.nic import Nic

Accelerator = Literal["kvm", "tcg"]

# The guest's own port, forwarded to one on 127.0.0.1 that the host picks.
SSH_PORT = 22
# Where the guest reaches the runner: an address and a port of QEMU's own network. What
# goes there is part of a saved state, unlike what comes in by the forwarded port.
LINE = ("10.0.2.100", 22)

# MiB; a power of two.
WINDOW = 4

# The number of QEMU's set of descriptors that holds the console's file.
_CONSOLE = 1

# Words on every guest's kernel command line, each with its reason; those of one
# architecture are in runner/arch/table.py.
KERNEL_ARGUMENTS = (
    # Warnings and worse: serial output is slow, and an oops prints itself anyway.
    "loglevel=5",
    # The machine exits as soon as it panics, and an oops is no state to go on from:
    # what the kernel says after it can't be trusted.
    "oops=panic",
    "panic=-1",
    # Nothing in a guest is worth protecting from the guest itself.
    "mitigations=off",
    # Detaching and closing wait for grace periods: 40 ms become 10.
    "rcupdate.rcu_expedited=1",
    # The guest's random numbers guard nothing but a loopback port of its host.
    "random.trust_cpu=on",
)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A guest's machine, before it is started."""

    qemu: Path
    architecture: Architecture
    accelerator: Accelerator
    # An image that QEMU boots.
    kernel: Path
    # A path at which QEMU can open it.
    kernel_path: str = ""
    # A path that QEMU can open; /dev/fd/N for what is held in memory only.
    initrd: str
    # -cpu; empty for what every QEMU has of the board's.
    cpu: str = ""
    # MiB.
    memory: int
    # The file that its memory is, of that size; a path that QEMU can open.
    memory_path: str = ""
    # The file that the host writes into and the guest reads; see images/agent/window.h.
    window_path: str = ""
    # One of its board's cards.
    nic: Nic
    # Whether it waits for a saved state in place of booting. Its memory's file then
    # holds what was saved, and is not written to.
    incoming: bool = False
    # Processors, of which the kernel need not start all.
    cpus: int = 1
    # Added to KERNEL_ARGUMENTS.
    arguments: tuple[str, ...] = ()
    # Why some of the arguments are there that nobody asked for; empty for none.
    workaround: str = ""
    # Serial output is appended to this file.
    console: Path


def kernel_arguments(architecture: Architecture) -> tuple[str, ...]:
    """Return the words that every guest of an architecture is booted with."""
    board = architecture.board
    return (f"console={board.console}", *KERNEL_ARGUMENTS, *board.arguments)


def has_window(machine: Machine) -> bool:
    """Whether the host shows the guest files by a PCI device."""
    return machine.accelerator in machine.architecture.board.window


def command(
    machine: Machine, *, qmp_fd: int, console_fd: int, line_fd: int
) -> list[str]:
    """Return QEMU's argument vector.

    It inherits `qmp_fd` and `line_fd`, connected sockets, and `console_fd`, a file that
    is open for appending.
    """
    return [
        *_board(machine, ",memory-backend=memory"),
        *("-object", f"memory-backend-file,id=memory,{_memory(machine)}"),
        *_start(machine, machine.kernel_path),
        *("-add-fd", f"fd={console_fd},set={_CONSOLE}"),
        *("-chardev", f"file,id=console,path=/dev/fdset/{_CONSOLE},append=on"),
        *("-serial", "chardev:console"),
        *("-chardev", f"socket,id=qmp,fd={qmp_fd}"),
        *("-mon", "chardev=qmp,mode=control"),
        *("-chardev", f"socket,id=line,fd={line_fd}"),
        *_devices(machine, f",guestfwd=tcp:{LINE[0]}:{LINE[1]}-chardev:line"),
        *_window(machine),
    ]


def by_hand(machine: Machine, initrd: Path) -> list[str]:
    """Return a command that boots the same machine from a shell.

    It inherits nothing, and its console is on the terminal. `initrd` is a guest's
    without its keys, so that nobody can log in.
    """
    return [
        *_board(machine),
        *_start(
            replace(machine, incoming=False, initrd=str(initrd)), str(machine.kernel)
        ),
        *("-serial", "stdio"),
        *_devices(machine),
    ]


def _board(machine: Machine, more: str = "") -> list[str]:
    board = machine.architecture.board
    return [
        str(machine.qemu),
        *("-nodefaults", "-no-user-config", "-no-reboot"),
        *("-display", "none"),
        *("-machine", f"{board.machine}{more}"),
        *("-accel", _accelerator(machine)),
        *(
            "-cpu",
            machine.cpu or ("host" if machine.accelerator == "kvm" else board.cpu),
        ),
        *("-smp", str(machine.cpus)),
        *("-m", f"{machine.memory}M"),
    ]


def _accelerator(machine: Machine) -> str:
    if machine.accelerator != "tcg" or machine.cpus == 1:
        return machine.accelerator
    # One after the other: with a thread for each, a kernel that patches its code may
    # run into a breakpoint that is gone ("Oops: int3", seen on 6.12 with QEMU 7.2).
    return "tcg,thread=single"


def _devices(machine: Machine, more: str = "") -> list[str]:
    # Only PCI cards have a ROM to boot from a network.
    rom = ",romfile=" if machine.architecture.board.bus == "pci" else ""
    return [
        # restrict: the guest reaches neither the host nor any network. Port 0: the
        # kernel picks a free one, so that no two guests race for it.
        *(
            "-netdev",
            f"user,id=net,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:0-:{SSH_PORT}"
            f"{more}",
        ),
        *("-device", f"{machine.nic},netdev=net{rom}"),
        *("-object", "rng-random,id=rng,filename=/dev/urandom"),
        *("-device", f"{machine.architecture.board.device('rng')},rng=rng"),
        *(
            "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        ),
    ]


def _start(machine: Machine, kernel: str) -> list[str]:
    if machine.incoming:
        # What the guest read at its boot is in its state.
        return ["-incoming", "defer"]
    own = kernel_arguments(machine.architecture)
    return [
        *("-kernel", kernel),
        *("-initrd", machine.initrd),
        *("-append", " ".join((*own, *machine.arguments))),
    ]


def _window(machine: Machine) -> list[str]:
    if not has_window(machine):
        return []
    # Not shared, though the host writes to the file: a guest that only reads finds what
    # is in the file now, and a saved state needs no word about where the device is.
    # `master`, because QEMU saves no state with a window that somebody else owns.
    path = f"mem-path={machine.window_path},share=off"
    return [
        *("-object", f"memory-backend-file,id=window,size={WINDOW}M,{path}"),
        *("-device", "ivshmem-plain,memdev=window,master=on"),
    ]


def _memory(machine: Machine) -> str:
    # What is shared stays out of a saved state; what is not is copied on write.
    share = "off" if machine.incoming else "on"
    return f"size={machine.memory}M,mem-path={machine.memory_path},share={share}"
