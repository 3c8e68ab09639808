"""The command line that QEMU is given."""

from dataclasses import replace
from pathlib import Path

import pytest

from runner.arch import ARM64, S390X, X86_64, Architecture
from runner.guest.qemu.machine import Machine, by_hand, command, has_window
from runner.kernels import nic

MACHINE = Machine(
    qemu=Path("/usr/bin/qemu-system-x86_64"),
    architecture=X86_64,
    accelerator="tcg",
    kernel=Path("/cache/vmlinuz"),
    initrd="/dev/fd/7",
    cpu="qemu64,-cx16",
    memory=256,
    nic="virtio-net-pci",
    kernel_path="/dev/fd/5",
    memory_path="/dev/fd/8",
    window_path="/dev/fd/6",
    arguments=("nokaslr",),
    console=Path("reports/6.1/console.log"),
)


# The descriptors that it inherits.
GIVEN = {"qmp_fd": 9, "console_fd": 3, "line_fd": 4}


def test_the_whole_command_line() -> None:
    assert command(MACHINE, **GIVEN) == [
        "/usr/bin/qemu-system-x86_64",
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display",
        "none",
        "-machine",
        "pc,memory-backend=memory",
        "-accel",
        "tcg",
        "-cpu",
        "qemu64,-cx16",
        "-smp",
        "1",
        "-m",
        "256M",
        "-object",
        "memory-backend-file,id=memory,size=256M,mem-path=/dev/fd/8,share=on",
        "-kernel",
        "/dev/fd/5",
        "-initrd",
        "/dev/fd/7",
        "-append",
        "console=ttyS0 loglevel=5 oops=panic panic=-1 mitigations=off "
        "rcupdate.rcu_expedited=1 "
        "random.trust_cpu=on no_timer_check 8250.nr_uarts=1 i8042.noaux=1 "
        "i8042.nokbd=1 nokaslr",
        "-add-fd",
        "fd=3,set=1",
        "-chardev",
        "file,id=console,path=/dev/fdset/1,append=on",
        "-serial",
        "chardev:console",
        "-chardev",
        "socket,id=qmp,fd=9",
        "-mon",
        "chardev=qmp,mode=control",
        "-chardev",
        "socket,id=line,fd=4",
        "-netdev",
        "user,id=net,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:0-:22,"
        "guestfwd=tcp:10.0.2.100:22-chardev:line",
        "-device",
        "virtio-net-pci,netdev=net,romfile=",
        "-object",
        "rng-random,id=rng,filename=/dev/urandom",
        "-device",
        "virtio-rng-pci,rng=rng",
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-object",
        "memory-backend-file,id=window,size=4M,mem-path=/dev/fd/6,share=off",
        "-device",
        "ivshmem-plain,memdev=window,master=on",
    ]


def test_a_machine_that_waits_for_a_state_writes_to_no_file() -> None:
    words = command(replace(MACHINE, incoming=True), **GIVEN)

    assert words[words.index("-incoming") + 1] == "defer"
    assert not {"-kernel", "-initrd", "-append"} & set(words)
    assert (
        "memory-backend-file,id=memory,size=256M,mem-path=/dev/fd/8,share=off" in words
    )


def test_what_reports_show_can_be_pasted() -> None:
    restored = replace(MACHINE, incoming=True)
    words = by_hand(restored, Path("/cache/initramfs"))
    line = " ".join(words)

    assert words[words.index("-kernel") + 1] == "/cache/vmlinuz"
    assert words[words.index("-initrd") + 1] == "/cache/initramfs"
    assert words[words.index("-serial") + 1] == "stdio"
    assert words[words.index("-append") + 1].endswith(" nokaslr")
    assert "-incoming" not in words
    assert "fd=" not in line
    assert "/dev/fd" not in line
    assert "memory-backend" not in line


def test_what_reports_show_is_the_same_machine() -> None:
    own, shown = (
        command(MACHINE, **GIVEN),
        by_hand(MACHINE, Path("/cache/initramfs")),
    )

    for option in ("-cpu", "-smp", "-m", "-append", "-device", "-sandbox"):
        assert own[own.index(option) + 1] == shown[shown.index(option) + 1]
    # Nobody is there for it to call.
    network, calls_nobody = (it[it.index("-netdev") + 1] for it in (own, shown))
    assert network == f"{calls_nobody},guestfwd=tcp:10.0.2.100:22-chardev:line"


def test_a_machine_has_as_many_processors_as_it_is_to() -> None:
    argv = command(replace(MACHINE, cpus=64), **GIVEN)
    assert argv[argv.index("-smp") + 1] == "64"
    assert argv[argv.index("-accel") + 1] == "tcg,thread=single"
    argv = command(replace(MACHINE, cpus=64, accelerator="kvm"), **GIVEN)
    assert argv[argv.index("-accel") + 1] == "kvm"


def machine_of(architecture: Architecture) -> Machine:
    return replace(
        MACHINE, architecture=architecture, cpu="", nic=nic.of(architecture)[0].device
    )


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        (
            ARM64,
            {
                "-machine": "virt,gic-version=3,memory-backend=memory",
                "-cpu": "neoverse-n1",
                "-device": "virtio-net-pci,netdev=net,romfile=",
                "-append": "console=ttyAMA0 loglevel=5 ",
            },
        ),
        (
            S390X,
            {
                "-machine": "s390-ccw-virtio,memory-backend=memory",
                "-cpu": "qemu",
                "-device": "virtio-net-ccw,netdev=net",
                "-append": "console=ttysclp0 loglevel=5 ",
            },
        ),
    ],
    ids=["arm64", "s390x"],
)
def test_other_architectures_have_their_own_board(
    architecture: Architecture, words: dict[str, str]
) -> None:
    argv = command(machine_of(architecture), **GIVEN)

    for option, start in words.items():
        assert argv[argv.index(option) + 1].startswith(start)
    # Words of a PC.
    assert not any(it in " ".join(argv) for it in ("8250", "i8042", "no_timer"))


def test_a_machine_without_pci_has_no_window_and_no_rom() -> None:
    argv = command(machine_of(S390X), **GIVEN)

    assert not [it for it in argv if "pci" in it or "ivshmem" in it or "rom" in it]
    assert not has_window(machine_of(S390X))


def test_arm64_has_a_window_under_tcg_only() -> None:
    under_kvm = replace(machine_of(ARM64), accelerator="kvm")

    assert has_window(machine_of(ARM64))
    assert not [it for it in command(under_kvm, **GIVEN) if "ivshmem" in it]
