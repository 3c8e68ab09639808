"""The processor of a guest, by QEMU's version and the kernel's."""

import pytest

from runner.arch import ARM64, S390X, X86_64
from runner.errors import InfrastructureError
from runner.guest.qemu import processor
from runner.guest.qemu.processor import Processor
from runner.versions import KernelVersion


def of(qemu: str, kernel: str, accelerator: str = "tcg") -> Processor:
    assert accelerator in ("tcg", "kvm")
    return processor.of(
        X86_64,
        "kvm" if accelerator == "kvm" else "tcg",
        qemu=qemu,
        kernel=KernelVersion.parse(kernel),
    )


@pytest.mark.parametrize("kernel", ["4.4", "6.12.107", "6.17"])
def test_an_old_qemu_has_no_cmpxchg16b_and_old_kernels_do_without(kernel: str) -> None:
    found = of("7.2.22", kernel)

    assert found.model == "qemu64,+rdrand,+fsgsbase,+smep,-cx16"
    assert (found.arguments, found.note) == ((), "")


@pytest.mark.parametrize("kernel", ["6.18", "7.2.13"])
def test_kernels_that_need_it_are_told_to_allocate_otherwise(kernel: str) -> None:
    found = of("7.2.22", kernel)

    assert found.arguments == ("slub_debug=F,kmalloc-*",)
    assert found.note.startswith("slub_debug=F,kmalloc-* was added: QEMU before 8.0")


@pytest.mark.parametrize("qemu", ["8.0.0", "10.0.2"])
def test_a_newer_qemu_has_it(qemu: str) -> None:
    assert of(qemu, "7.2.13") == Processor(model="qemu64,+rdrand,+fsgsbase,+smep")


def test_under_kvm_it_is_the_hosts() -> None:
    assert of("7.2.22", "7.2.13", "kvm") == Processor(model="host")


def of_s390x(qemu: str, kernel: str) -> Processor:
    return processor.of(S390X, "tcg", qemu=qemu, kernel=KernelVersion.parse(kernel))


@pytest.mark.parametrize("kernel", ["6.1.176", "6.12.101", "6.12.107", "7.2"])
def test_an_old_qemu_has_no_vectors_of_s390x(kernel: str) -> None:
    assert of_s390x("7.2.22", kernel) == Processor(model="qemu,vx=off")
    assert of_s390x("8.1.0", kernel) == Processor(model="qemu")


@pytest.mark.parametrize("kernel", ["6.9", "6.12.95", "6.18.41", "7.1"])
def test_a_kernel_that_can_do_without_nothing_is_refused(kernel: str) -> None:
    with pytest.raises(InfrastructureError, match="VECTOR CHECKSUM") as caught:
        of_s390x("7.2.22", kernel)

    assert "a QEMU that is not <8.1" in caught.value.hint
    assert "not >=6.9,<6.12.101 or" in caught.value.hint
    assert of_s390x("8.1.0", kernel) == Processor(model="qemu")


def test_other_architectures_lack_nothing() -> None:
    found = processor.of(ARM64, "tcg", qemu="7.2.22", kernel=KernelVersion.parse("7.2"))

    assert found == Processor(model="neoverse-n1")
