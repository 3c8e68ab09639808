"""What a row of the table of architectures consists of."""

from dataclasses import dataclass
from typing import Literal

ByteOrder = Literal["little", "big"]
AcceleratorName = Literal["kvm", "tcg"]


@dataclass(frozen=True, kw_only=True)
class Elf:
    """How ELF files of an architecture look, and how BPF objects are made for it."""

    # e_machine, as pyelftools calls it: "EM_AARCH64".
    machine: str
    byte_order: ByteOrder
    # The flags of its libraries in /etc/ld.so.cache: glibc's FLAG_ELF_LIBC6 with the
    # architecture's own (sysdeps/generic/ldconfig.h).
    ld_cache: int

    @property
    def bpf_target(self) -> str:
        """What clang calls BPF of this byte order: `-target bpfeb`."""
        return "bpfel" if self.byte_order == "little" else "bpfeb"


@dataclass(frozen=True, kw_only=True)
class OtherLinker:
    """A linker that is used in place of the compiler's own."""

    # The program, named as the compiler looks for it: "/usr/lib/llvm-19/bin/ld.lld".
    program: str
    # Debian's package of it.
    package: str

    @property
    def words(self) -> tuple[str, ...]:
        """What gcc is told to use it."""
        folder, _, name = self.program.rpartition("/")
        return (f"-fuse-ld={name.removeprefix('ld.')}", f"-B{folder}")


@dataclass(frozen=True, kw_only=True)
class DebianPort:
    """What Debian calls an architecture, and what it packages for it."""

    # dpkg's name: "amd64".
    name: str
    # The metapackage of the kernel that suits a guest best.
    kernel: str
    # Multiarch's name for it, which is a compiler's prefix, too: "aarch64-linux-gnu".
    triplet: str
    # The package with the compiler for it, of hosts of another architecture.
    compiler: str
    # The package with the kernel's headers for it, which that compiler need not bring.
    # What BPF programs see of registers and of the byte order is in them.
    headers: str
    # How the agent is linked, and by which linker if not the compiler's own.
    link: str = "-static-pie"
    linker: OtherLinker | None = None
    # The file name of the kernel's image in /boot, before the release.
    image: str = "vmlinuz"
    # Suites that lack the architecture, and the first one that has it.
    absent_from: tuple[str, ...] = ()
    first: str = ""


@dataclass(frozen=True, kw_only=True)
class KernelTree:
    """What the kernel's source calls an architecture."""

    # ARCH=: "arm64".
    arch: str
    # What is built, as make names it: "bzImage".
    image: str
    # Other images of the same kernel, which a tree may have beside it or instead of it.
    others: tuple[str, ...] = ()
    # The folder's name below arch/: "s390".
    folder: str
    # What tells bpf_tracing.h whose registers are meant: -D__TARGET_ARCH_<this>.
    target: str
    # Whether an address may be the kernel's and a program's at once: it does not select
    # ARCH_HAS_NON_OVERLAPPING_ADDRESS_SPACE.
    addresses_overlap: bool = False
    # What names of system calls' functions begin with since 4.17: "__arm64_sys_".
    syscalls: str

    @property
    def images(self) -> tuple[str, ...]:
        """Where images are in a tree that was built: "arch/arm64/boot/Image"."""
        names = (self.image, *self.others)
        return tuple(f"arch/{self.folder}/boot/{name}" for name in names)


@dataclass(frozen=True, kw_only=True)
class Lack:
    """What a guest's processor must do without under TCG, because QEMU has a fault."""

    # Behind the model in -cpu: "-cx16".
    option: str
    # The versions of QEMU that have the fault: "<8.0".
    qemu: str
    # The kernels that do something else without it, and what makes up for that on their
    # command line.
    kernels: str = "<0"
    arguments: tuple[str, ...] = ()
    # The kernels that can do neither with it nor without it.
    unfit: tuple[str, ...] = ()
    # All of that, for readers of a report.
    why: str


@dataclass(frozen=True, kw_only=True)
class Board:
    """The machine that QEMU makes for guests of an architecture, and its devices."""

    # Debian's package of `program`.
    package: str
    program: str
    # -machine, without the accelerator.
    machine: str
    # -cpu under TCG; under KVM a guest has the host's processor.
    cpu: str
    lacks: tuple[Lack, ...] = ()
    # Bus of virtio's devices: virtio-net-pci, virtio-net-ccw.
    bus: Literal["pci", "ccw"]
    # The device of the first serial console, as the kernel calls it: "ttyAMA0".
    console: str
    # What makes a kernel print before its drivers are there.
    early_console: str
    # On the kernel's command line, besides what all guests have; each with its reason.
    arguments: tuple[str, ...] = ()
    # Options that a kernel needs for this machine, all y, and why.
    options: tuple[tuple[str, str], ...]
    # The first program of a guest, by its path in it.
    init: str = "bin/busybox"
    # Network cards, the best first; see runner/kernels/nic.py.
    cards: tuple[str, ...]
    # Accelerators under which the host can show a guest files by a PCI device
    # (ivshmem); elsewhere they go through SSH.
    window: tuple[AcceleratorName, ...] = ()
    # The most processors that QEMU gives it; a suite can't ask for more than 255.
    most_cpus: int = 255
    # Why guests of it boot each time; empty when they come from snapshots.
    no_snapshots: str = ""

    def device(self, kind: str) -> str:
        """Return a device of virtio's on its bus: "virtio-rng-ccw"."""
        return f"virtio-{kind}-{self.bus}"


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """All that is known of an architecture; what differs between them is here only."""

    # What rows of a matrix and reports call it.
    name: str
    # `uname -m`: "aarch64". RPM's $basearch, too.
    machine: str
    # What else a matrix or a selector may call it.
    spellings: tuple[str, ...] = ()
    elf: Elf
    debian: DebianPort
    tree: KernelTree
    board: Board
    # The architecture of a container image's platform (OCI): "amd64".
    oci: str
    # Ubuntu's archive for it.
    ubuntu: str = "http://ports.ubuntu.com/ubuntu-ports"
    # The folder of BTFHub's archive; empty where it has none.
    btfhub: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All names that are understood, its own first."""
        return tuple(dict.fromkeys((self.name, self.machine, *self.spellings)))
