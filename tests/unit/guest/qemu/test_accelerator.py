"""Which accelerator is used, and what is remembered of it."""

import json
from pathlib import Path

import pytest

from runner.arch import ARM64, X86_64, Architecture
from runner.errors import ExitStatus, InfrastructureError, UsageError
from runner.guest.qemu import accelerator
from runner.guest.qemu.accelerator import AcceleratorChoice, AcceleratorFinding
from tests.unit.guest.qemu import fake_qemu

SPOKE = b"[    0.000000] Linux version 6.1.0 (x)\r\n"


@pytest.fixture
def kvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose /dev/kvm opens."""
    device = tmp_path / "kvm"
    device.touch()
    boot_id = tmp_path / "boot_id"
    boot_id.write_text("first\n")
    monkeypatch.setattr(accelerator, "KVM", device)
    # Whatever these tests run on.
    monkeypatch.setattr(accelerator, "native", lambda: X86_64)
    monkeypatch.setattr(accelerator, "_BOOT_ID", boot_id)
    monkeypatch.setattr(accelerator, "PROOF_TIMEOUT", 0.5)
    return device


def choose(
    folder: Path,
    choice: AcceleratorChoice = "auto",
    qemu: Path | None = None,
    architecture: Architecture = X86_64,
) -> AcceleratorFinding:
    (folder / "vmlinuz").touch()
    return accelerator.choose(
        choice,
        architecture,
        qemu=qemu or folder / "qemu-system-x86_64",
        kernel=folder / "vmlinuz",
        memory=folder / "cache/accelerator.json",
    )


def test_kvm_is_used_once_a_guest_spoke_under_it(kvm: Path, tmp_path: Path) -> None:
    fake_qemu.make(tmp_path, console=SPOKE)

    found = choose(tmp_path)
    assert (found.accelerator, found.reason) == ("kvm", "a guest ran under KVM")


@pytest.mark.parametrize("choice", ["auto", "kvm"])
def test_guests_of_another_architecture_never_run_under_kvm(
    choice: AcceleratorChoice, kvm: Path, tmp_path: Path
) -> None:
    fake_qemu.make(tmp_path, console=SPOKE)

    found = choose(tmp_path, choice, architecture=ARM64)

    assert found.accelerator == "tcg"
    assert found.reason.endswith("the guest arm64")


def test_kvm_that_opens_and_hangs_is_no_kvm(kvm: Path, tmp_path: Path) -> None:
    fake_qemu.make(tmp_path)

    found = choose(tmp_path)

    assert found.accelerator == "tcg"
    assert found.reason == "a guest under KVM printed nothing for 0 s"


def test_a_qemu_that_exits_under_kvm_is_no_kvm(kvm: Path, tmp_path: Path) -> None:
    fake_qemu.make(tmp_path, status=1)

    assert choose(tmp_path).reason == "QEMU exited under KVM"


def test_a_qemu_that_does_not_start_under_kvm_is_no_kvm(
    kvm: Path, tmp_path: Path
) -> None:
    fake_qemu.make(tmp_path, greets=False, status=1, stderr="failed to set MSR 0x10a\n")

    found = choose(tmp_path)

    assert found.accelerator == "tcg"
    assert found.reason == "KVM: QEMU did not start: failed to set MSR 0x10a"


def test_a_finding_is_remembered(kvm: Path, tmp_path: Path) -> None:
    fake_qemu.make(tmp_path, console=SPOKE)

    assert choose(tmp_path) == choose(tmp_path)
    assert len(fake_qemu.started(tmp_path)) == 1


def test_a_finding_holds_until_the_host_boots_again(kvm: Path, tmp_path: Path) -> None:
    fake_qemu.make(tmp_path, console=SPOKE)
    choose(tmp_path)
    (tmp_path / "boot_id").write_text("second\n")

    choose(tmp_path)

    assert len(fake_qemu.started(tmp_path)) == 2


def test_a_finding_is_about_one_qemu(kvm: Path, tmp_path: Path) -> None:
    fake_qemu.make(tmp_path, status=1)
    assert choose(tmp_path).accelerator == "tcg"
    fake_qemu.make(tmp_path, console=SPOKE)

    assert choose(tmp_path).accelerator == "kvm"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        b"[]",
        b"null",
        b'{"host": "HOST"}',
        b'{"host": "HOST", "accelerator": "hvf", "reason": ""}',
        b'{"host": "HOST", "accelerator": null, "reason": 7}',
    ],
)
def test_a_broken_memory_is_ignored(kvm: Path, tmp_path: Path, content: bytes) -> None:
    fake_qemu.make(tmp_path, console=SPOKE)
    choose(tmp_path)
    memory = tmp_path / "cache/accelerator.json"
    host = json.loads(memory.read_text())["host"]
    memory.write_bytes(content.replace(b"HOST", host.encode()))

    assert choose(tmp_path).accelerator == "kvm"
    assert len(fake_qemu.started(tmp_path)) == 2
    assert json.loads(memory.read_text())["accelerator"] == "kvm"


def test_a_finding_that_can_not_be_kept_still_counts(kvm: Path, tmp_path: Path) -> None:
    fake_qemu.make(tmp_path, console=SPOKE)
    (tmp_path / "cache").write_text("no folder")

    assert choose(tmp_path).accelerator == "kvm"


def test_no_kvm_needs_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "KVM", tmp_path / "missing")

    found = choose(tmp_path)

    assert found.accelerator == "tcg"
    assert found.reason == f"{tmp_path}/missing can't be opened"


def test_what_is_asked_for_is_not_proved(kvm: Path, tmp_path: Path) -> None:
    assert choose(tmp_path, "tcg").accelerator == "tcg"
    assert choose(tmp_path, "kvm").accelerator == "kvm"
    assert fake_qemu.started(tmp_path) == []


def test_kvm_that_is_asked_for_and_missing_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accelerator, "KVM", tmp_path / "missing")

    with pytest.raises(UsageError, match="--accel kvm") as caught:
        choose(tmp_path, "kvm")

    assert caught.value.exit_status is ExitStatus.USAGE


def test_a_qemu_that_is_missing_is_told(kvm: Path, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="find QEMU at"):
        choose(tmp_path, qemu=tmp_path / "missing")
