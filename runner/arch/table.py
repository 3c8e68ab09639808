"""The table of architectures.

A new one is a row here, and rows and a fragment in images/kernel if it is to be built.
"""

from runner.arch.model import (
    Architecture,
    Board,
    DebianPort,
    Elf,
    KernelTree,
    Lack,
    OtherLinker,
)

X86_64 = Architecture(
    name="x86_64",
    machine="x86_64",
    spellings=("amd64", "x86-64"),
    elf=Elf(machine="EM_X86_64", byte_order="little", ld_cache=0x0303),
    debian=DebianPort(
        name="amd64",
        kernel="linux-image-cloud-amd64",
        triplet="x86_64-linux-gnu",
        compiler="gcc-x86-64-linux-gnu",
        headers="linux-libc-dev-amd64-cross",
    ),
    tree=KernelTree(
        arch="x86_64",
        folder="x86",
        image="bzImage",
        target="x86",
        syscalls="__x64_sys_",
    ),
    board=Board(
        program="qemu-system-x86_64",
        package="qemu-system-x86",
        machine="pc",
        # A fixed model: "max" is slower under TCG on some hosts. rdrand feeds the
        # guest's entropy pool from the first moment.
        cpu="qemu64,+rdrand,+fsgsbase,+smep",
        lacks=(
            # After cmpxchg16b, QEMU 7.2's TCG hands an interrupt flags that it made of
            # RAX now and then, and 6.12 boots into a double fault in __kmalloc(), the
            # SLUB allocator being where kernels use it. From 8.0 on, the instruction is
            # translated inline and not by a helper; 10.0 boots 6.12 and 7.2 with it.
            # kmalloc_nolock() of mm/slub.c (6.18) gives nothing without cmpxchg16b,
            # but for caches that are debugged. Storages of maps (f484f4a3e058) and
            # timers allocate by it.
            Lack(
                option="-cx16",
                qemu="<8.0",
                kernels=">=6.18",
                arguments=("slub_debug=F,kmalloc-*",),
                why="QEMU before 8.0 has a fault in cmpxchg16b, so the guest's "
                "processor does without it; such kernels then have no memory for local "
                "storages and timers of BPF, but in caches that they check",
            ),
        ),
        bus="pci",
        console="ttyS0",
        early_console="earlyprintk=ttyS0",
        arguments=(
            # A loaded host may starve the timer test ("IO-APIC + timer doesn't work").
            "no_timer_check",
            # Else a probe of each legacy port is waited for.
            "8250.nr_uarts=1",
            "i8042.noaux=1",
            "i8042.nokbd=1",
        ),
        options=(
            ("PCI", "QEMU's devices are on it"),
            ("SERIAL_8250_CONSOLE", "the console is a serial line"),
        ),
        cards=("virtio-net-pci", "e1000"),
        window=("kvm", "tcg"),
    ),
    oci="amd64",
    ubuntu="http://archive.ubuntu.com/ubuntu",
    btfhub="x86_64",
)

ARM64 = Architecture(
    name="arm64",
    machine="aarch64",
    elf=Elf(machine="EM_AARCH64", byte_order="little", ld_cache=0x0A03),
    debian=DebianPort(
        name="arm64",
        kernel="linux-image-cloud-arm64",
        triplet="aarch64-linux-gnu",
        compiler="gcc-aarch64-linux-gnu",
        headers="linux-libc-dev-arm64-cross",
    ),
    tree=KernelTree(
        arch="arm64",
        folder="arm64",
        image="Image",
        others=("Image.gz", "vmlinuz.efi"),
        target="arm64",
        syscalls="__arm64_sys_",
    ),
    board=Board(
        program="qemu-system-aarch64",
        package="qemu-system-arm",
        # A fixed version of the interrupt controller, so that a saved guest finds the
        # one that it had. Servers have version 3.
        machine="virt,gic-version=3",
        # The processor of Graviton 2 and Ampere Altra. "max" authenticates pointers
        # (ARMv8.3), which costs half of a guest's time under TCG.
        cpu="neoverse-n1",
        bus="pci",
        console="ttyAMA0",
        early_console="earlycon",
        options=(
            ("PCI", "QEMU's devices are on it"),
            ("PCI_HOST_GENERIC", "QEMU's PCI bus is one"),
            ("SERIAL_AMBA_PL011_CONSOLE", "the console is a serial line"),
        ),
        cards=("virtio-net-pci", "e1000"),
        # Not under KVM: the guest maps it uncached, and would not see what the host
        # has in its caches before ARMv8.4 (FEAT_S2FWB).
        window=("tcg",),
    ),
    oci="arm64",
    btfhub="arm64",
)

S390X = Architecture(
    name="s390x",
    machine="s390x",
    elf=Elf(machine="EM_S390", byte_order="big", ld_cache=0x0403),
    debian=DebianPort(
        name="s390x",
        kernel="linux-image-s390x",
        triplet="s390x-linux-gnu",
        compiler="gcc-s390x-linux-gnu",
        headers="linux-libc-dev-s390x-cross",
        # A static-pie of bookworm's glibc 2.36 and binutils 2.40 reads its table of
        # addresses before it relocates it, and crashes at its start.
        link="-static",
    ),
    tree=KernelTree(
        arch="s390",
        folder="s390",
        image="bzImage",
        target="s390",
        addresses_overlap=True,
        syscalls="__s390x_sys_",
    ),
    board=Board(
        program="qemu-system-s390x",
        package="qemu-system-misc",
        machine="s390-ccw-virtio",
        cpu="qemu",
        lacks=(
            # TCG's add of two words may write its first result over an operand that it
            # still needs, which VECTOR CHECKSUM does in guests of s390x on hosts of
            # x86_64: fixed in 8.1 (22d2e5351a18). From 6.9 on, kernels sum with it
            # (dcd3e1de9d17), and drop each TCP segment. Without vector instructions
            # they sum up what is at address 0 instead of the buffer, until
            # 4bb06b60d982, of which 6.12.101, 6.18.42 and 7.1.6 have a copy.
            Lack(
                option="vx=off",
                qemu="<8.1",
                unfit=(">=6.9,<6.12.101", ">=6.13,<6.18.42", ">=6.19,<7.1.6"),
                why="QEMU before 8.1 computes VECTOR CHECKSUM wrongly, so the guest's "
                "processor has no vector instructions; without them, this kernel "
                "takes all of TCP's checksums for wrong",
            ),
        ),
        # S390_MAX_CPUS in QEMU's target/s390x/cpu.h.
        most_cpus=248,
        bus="ccw",
        # QEMU's -serial is the one with full-screen support (drivers/s390/char).
        console="ttysclp0",
        early_console="earlyprintk",
        options=(
            ("S390_GUEST", "QEMU's devices are virtio's channel devices"),
            ("SCLP_VT220_CONSOLE", "the console is the service element's"),
        ),
        # It makes QEMU forget the kernel's __init code before busybox starts; see
        # images/agent/old_code.h.
        init="usr/bin/agent",
        cards=("virtio-net-ccw",),
        # s390x has PCI devices of its own kind (zPCI), for which ivshmem was not made.
        window=(),
    ),
    oci="s390x",
)

RISCV64 = Architecture(
    name="riscv64",
    machine="riscv64",
    elf=Elf(machine="EM_RISCV", byte_order="little", ld_cache=0x1003),
    debian=DebianPort(
        name="riscv64",
        kernel="linux-image-riscv64",
        triplet="riscv64-linux-gnu",
        compiler="gcc-riscv64-linux-gnu",
        headers="linux-libc-dev-riscv64-cross",
        # bookworm's gcc 12 takes a static-pie for a program with shared libraries, and
        # its binutils 2.40 crash on the relocations in trixie's libraries.
        link="-static",
        linker=OtherLinker(program="/usr/lib/llvm-19/bin/ld.lld", package="lld-19"),
        # Up to 6.12 (trixie) it is no vmlinuz, though the kernel could unpack itself.
        image="vmlinux",
        absent_from=("bullseye", "bookworm"),
        first="trixie",
    ),
    tree=KernelTree(
        arch="riscv",
        folder="riscv",
        image="Image",
        others=("Image.gz", "vmlinuz.efi"),
        target="riscv",
        syscalls="__riscv_sys_",
    ),
    board=Board(
        program="qemu-system-riscv64",
        package="qemu-system-misc",
        machine="virt",
        cpu="rv64",
        bus="pci",
        console="ttyS0",
        early_console="earlycon=sbi",
        options=(
            ("PCI", "QEMU's devices are on it"),
            ("PCI_HOST_GENERIC", "QEMU's PCI bus is one"),
            ("SERIAL_8250_CONSOLE", "the console is a serial line"),
        ),
        cards=("virtio-net-pci", "e1000"),
        window=("tcg",),
    ),
    oci="riscv64",
)

ARCHITECTURES = (X86_64, ARM64, S390X, RISCV64)
