"""What a machine of each architecture does for its own guests, and for all others."""

from pathlib import Path

import pytest

from runner.arch import ARCHITECTURES, ARM64, S390X, X86_64, Architecture
from runner.bpf import compile as compiling
from runner.files.cache import Cache
from runner.guest.kits import GuestKits
from runner.guest.qemu import accelerator
from runner.guest.sysroot import Sysroot
from runner.kernels.kernelbuild.toolchain import Toolchain
from runner.text.progress import Lines
from tests.unit.guest.doubles import PROGRAMS
from tests.unit.guest.qemu import fake_qemu

SPOKE = b"[    0.000000] Linux version 6.1.0 (x)\r\n"


@pytest.fixture(params=[X86_64, ARM64, S390X], ids=lambda it: it.name)
def host(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Architecture:
    """A machine of an architecture."""
    found = request.param
    assert isinstance(found, Architecture)
    monkeypatch.setattr("platform.machine", lambda: found.machine)
    return found


def others(host: Architecture) -> list[Architecture]:
    return [it for it in ARCHITECTURES if it is not host]


def qemus(folder: Path) -> None:
    """Put a QEMU of each architecture, under which guests speak, into a folder."""
    made = fake_qemu.make(folder, console=SPOKE)
    for it in ARCHITECTURES:
        if it is not X86_64:
            (folder / it.board.program).hardlink_to(made)


def test_own_guests_take_this_machines_programs_and_others_a_sysroot(
    host: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked: list[Architecture] = []

    def obtain(architecture: Architecture, *_: object) -> Sysroot:
        unpacked.append(architecture)
        folder = tmp_path / architecture.name
        return Sysroot(architecture=architecture, folder=folder, key="k")

    monkeypatch.setattr("runner.libbpf.cross.require", lambda architecture: None)
    monkeypatch.setattr("runner.guest.sysroot.obtain", obtain)
    monkeypatch.setattr(
        "runner.libbpf.agent_for",
        lambda target, *_: target.sysroot / "agent",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    qemus(tmp_path)
    kits = GuestKits(cache=Cache(tmp_path / "cache"), programs=PROGRAMS)

    tools = {it.name: kits.of(it, Lines()).tools for it in ARCHITECTURES}

    assert tools[host.name].root == Path("/")
    assert tools[host.name].agent == PROGRAMS.agent
    assert unpacked == others(host)
    for it in others(host):
        assert tools[it.name].root == tmp_path / it.name
        assert tools[it.name].agent == tmp_path / it.name / "agent"


def test_own_guests_run_under_kvm_where_one_spoke_and_others_never(
    host: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(accelerator, "KVM", device)
    # The guest speaks at once, whenever the machine lets it.
    monkeypatch.setattr(accelerator, "PROOF_TIMEOUT", 60.0)
    (tmp_path / "vmlinuz").touch()
    qemus(tmp_path)

    found = {
        it.name: accelerator.choose(
            "auto",
            it,
            qemu=tmp_path / it.board.program,
            kernel=tmp_path / "vmlinuz",
            memory=tmp_path / f"{it.name}.json",
        )
        for it in ARCHITECTURES
    }

    assert found[host.name].accelerator == "kvm"
    assert found[host.name].reason == "a guest ran under KVM"
    for it in others(host):
        assert found[it.name].accelerator == "tcg"
        assert found[it.name].reason == (
            f"this machine is {host.machine}, the guest {it.name}"
        )


def test_headers_of_a_machines_own_are_those_of_its_c_library(
    host: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "_installed_headers", lambda architecture: None)

    for it in ARCHITECTURES:
        (package,) = compiling.missing_headers(it).values()
        assert package == ("linux-libc-dev" if it is host else it.debian.headers)


def test_own_kernels_are_built_by_the_machines_compiler(host: Architecture) -> None:
    own = Toolchain(architecture=host, gcc="gcc-11")

    assert own.variables("") == {"CC": "gcc-11", "HOSTCC": "gcc-11"}
    assert own.packages == {"gcc-11": "gcc-11"}
    for it in others(host):
        cross = Toolchain(architecture=it, gcc="gcc-11")
        prefix = f"{it.debian.triplet}-"
        assert cross.variables("") == {
            "ARCH": it.tree.arch,
            "CROSS_COMPILE": prefix,
            "CC": f"{prefix}gcc-11",
            "HOSTCC": "gcc",
        }
        # Programs of the build run on this machine, whatever the kernel's compiler is.
        assert set(cross.packages) == {f"{prefix}gcc-11", "gcc"}
