"""What guests of an architecture share."""

from pathlib import Path

import pytest

from runner.arch import ARM64, X86_64
from runner.errors import InfrastructureError
from runner.files.cache import Cache
from runner.guest.kits import GuestKits
from runner.guest.sysroot import Sysroot
from runner.text.progress import Lines
from tests.unit.guest.doubles import PROGRAMS
from tests.unit.guest.qemu import fake_qemu


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GuestKits:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return GuestKits(cache=Cache(tmp_path / "cache"), programs=PROGRAMS)


def test_this_machines_own_programs_serve_its_architecture(
    made: GuestKits, tmp_path: Path
) -> None:
    fake_qemu.make(tmp_path)

    kit = made.of(X86_64, Lines())

    assert kit.qemu_version == "7.2.22"
    assert (kit.tools.root, kit.tools.agent) == (Path("/"), PROGRAMS.agent)


def test_a_missing_qemu_is_told_with_its_package(
    made: GuestKits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    for _ in range(2):
        with pytest.raises(InfrastructureError) as caught:
            made.of(ARM64, Lines())
        assert caught.value.message == "qemu-system-aarch64 is not on the PATH"
        assert caught.value.hint == (
            "apt-get install qemu-system-arm; `python -m runner doctor --arch arm64 "
            "--fix` installs all that guests of arm64 need"
        )


def test_other_architectures_have_a_sysroot_and_an_agent_of_their_own(
    made: GuestKits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def obtain(*_: object) -> Sysroot:
        asked.append("sysroot")
        return Sysroot(architecture=ARM64, folder=tmp_path / "root", key="k")

    monkeypatch.setattr("runner.libbpf.cross.require", lambda architecture: None)
    monkeypatch.setattr("runner.guest.sysroot.obtain", obtain)
    monkeypatch.setattr("runner.libbpf.agent_for", lambda *_: tmp_path / "agent")
    fake_qemu.make(tmp_path).rename(tmp_path / "qemu-system-aarch64")

    kit = made.of(ARM64, Lines())

    assert made.of(ARM64, Lines()) is kit
    assert asked == ["sysroot"]
    assert (kit.tools.root, kit.tools.agent) == (
        tmp_path / "root",
        tmp_path / "agent",
    )
    assert kit.tools.architecture is ARM64
