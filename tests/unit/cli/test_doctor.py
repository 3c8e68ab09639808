"""What doctor says of machines that lack something."""

import json
import os
from pathlib import Path

import pytest

from runner import arch, cli
from runner.cli import doctor, packages
from runner.cli.doctor import MachineCheck
from runner.files.cache import CacheEntry
from runner.kernels.sources import ubuntukeys
from runner.libbpf import systemlibbpf
from tests.unit.guest.qemu import fake_qemu
from tests.unit.kernels.packaging import machine_configuration


def found(what: str) -> MachineCheck:
    return next(finding for finding in doctor.look() if finding.what == what)


@pytest.fixture
def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_each_missing_program_has_a_command_that_mends_it(empty_path: Path) -> None:
    for what, package in (
        ("x86_64 guests", "qemu-system-x86"),
        ("setpriv", "util-linux"),
        ("clang", "clang"),
        ("apt-get", "apt"),
        ("dpkg-deb", "dpkg"),
    ):
        finding = found(what)
        assert not finding.good
        assert "missing" in finding.seen
        assert finding.mend == f"apt-get install {package}"


def test_a_machine_without_apt_is_told(empty_path: Path) -> None:
    finding = found("Debian mirror")

    assert not finding.good
    assert finding.seen.startswith("there is no apt-get here, and the sources ")
    assert finding.mend


def test_a_machine_without_a_mirror_is_told_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = machine_configuration(tmp_path / "machine", "")
    monkeypatch.setenv("APT_CONFIG", str(configuration))

    finding = found("Debian mirror")

    assert not finding.good
    assert finding.seen == "apt knows no Debian mirror on this machine"
    assert "/etc/apt/sources.list.d" in finding.mend


def test_a_qemu_tells_its_version(
    empty_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fake_qemu.make(empty_path)
    device = tmp_path / "kvm"
    monkeypatch.setattr(doctor, "KVM", device)

    assert found("x86_64 guests") == MachineCheck(
        what="x86_64 guests",
        good=True,
        seen=f"{path}, 7.2.22; under TCG, because {device} can't be opened",
    )


def test_a_qemu_that_does_not_run_is_told(empty_path: Path) -> None:
    path = empty_path / "qemu-system-x86_64"
    path.write_text("#!/bin/false\n")
    path.chmod(0o755)

    finding = found("x86_64 guests")

    assert not finding.good
    assert "reinstall" in finding.mend


@pytest.mark.parametrize(
    ("content", "seen", "mend"),
    [
        ("#!/bin/sh\nexit 1\n", "it does not run", "; the next run builds it again"),
        ("garbage", "it does not run", "; the next run builds it again"),
        ("#!/bin/sh\necho agent 1\n", "agent 1", ""),
    ],
)
def test_the_agent_is_tried(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: str,
    seen: str,
    mend: str,
) -> None:
    agent = tmp_path / "agent"
    agent.write_text(content)
    agent.chmod(0o755)
    entry = CacheEntry(directory=tmp_path, metadata={}, checksums={})
    monkeypatch.setattr(systemlibbpf, "known", lambda *_: entry)

    finding = found("guest agent")

    assert finding.seen == seen
    assert finding.mend.endswith(mend)
    assert finding.good is (not mend)


def test_an_agent_that_is_not_built_yet_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    finding = found("guest agent")

    assert finding.good
    assert finding.seen.startswith("not built yet; the first run builds it")


def test_what_the_agent_is_built_with_may_be_missing(empty_path: Path) -> None:
    assert found("guest agent") == MachineCheck(
        what="guest agent",
        good=False,
        seen="can't be built: make, gcc, ar missing",
        mend="apt-get install make gcc binutils",
    )


def test_a_cache_that_is_no_folder_yet_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "not/yet/there"))

    assert str(tmp_path) in found("cache").seen


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_can_not_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o500)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    finding = found("cache")

    assert not finding.good
    assert "XDG_CACHE_HOME" in finding.mend


def test_a_missing_kvm_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "KVM", tmp_path / "kvm")

    assert found("KVM").good
    assert "TCG" in found("KVM").seen


def test_a_machine_that_lacks_something_is_status_3(
    empty_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    assert cli.main(["doctor"]) == 3

    said = capsys.readouterr().out
    assert "!! clang" in " ".join(said.split())
    assert "apt-get install clang" in said
    assert "`python -m runner doctor --fix` installs everything" in said
    assert "problem" in said


def test_findings_as_json(empty_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--json"]) == 3

    findings = json.loads(capsys.readouterr().out)
    assert {"what", "good", "seen", "mend"} == set(findings[0])
    assert all(it["good"] or it["mend"] for it in findings)


def test_the_program_for_disks_is_asked_for_only_by_roots(empty_path: Path) -> None:
    assert found("disks of roots") == MachineCheck(
        what="disks of roots",
        good=True,
        seen="sqfstar missing; only root file systems (exec --root) need it",
        mend="apt-get install squashfs-tools",
    )


def test_programs_of_rpm_are_asked_for_only_by_rows_that_need_them(
    empty_path: Path,
) -> None:
    assert found("RPM packages") == MachineCheck(
        what="RPM packages",
        good=True,
        seen="gpg, rpmkeys, rpm2archive missing; only rpm sources need it",
        mend="apt-get install gpg rpm rpm2cpio",
    )


@pytest.mark.parametrize("installed", [False, True])
def test_ubuntus_keys_need_not_be_installed(
    installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ubuntukeys, "INSTALLED", tmp_path)
    path = tmp_path / ubuntukeys.ARCHIVE_KEYS
    if installed:
        path.touch()

    finding = found("Ubuntu's keys")

    assert finding.good
    assert ("missing" in finding.seen) is not installed
    assert str(path) in finding.seen


def test_guests_of_another_architecture_are_for_some(empty_path: Path) -> None:
    finding = found("s390x guests")

    # This machine's own rows run without.
    assert finding.good
    assert "only rows with arch: s390x need it" in finding.seen
    assert finding.mend == ("apt-get install qemu-system-misc make gcc-s390x-linux-gnu")


def test_an_architecture_that_is_asked_for_is_required(empty_path: Path) -> None:
    (finding,) = (it for it in doctor.look([arch.ARM64]) if it.what == "arm64 guests")

    assert not finding.good
    assert "aarch64-linux-gnu-gcc" in finding.seen
    assert "qemu-system-arm" in finding.mend
    # Whoever tests on arm64 only needs no other.
    own = next(it for it in doctor.look([arch.ARM64]) if it.what == "x86_64 guests")
    assert own.good


def test_packages_of_an_architecture_are_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    names = {it.name for it in packages.wanted([arch.ARM64])}

    assert {
        "qemu-system-arm",
        "gcc-aarch64-linux-gnu",
        "linux-libc-dev-arm64-cross",
    } <= names
    assert not {"qemu-system-misc", "gcc-s390x-linux-gnu"} & names


def test_packages_of_an_architecture_hold_its_linker() -> None:
    linker = arch.RISCV64.debian.linker
    assert linker is not None

    assert linker.package in {it.name for it in packages.wanted([arch.RISCV64])}
    assert linker.package not in {it.name for it in packages.wanted([arch.ARM64])}


@pytest.fixture(params=["aarch64", "s390x", "x86_64"])
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A machine of an architecture, by its `uname -m`."""
    machine = str(request.param)
    monkeypatch.setattr("platform.machine", lambda: machine)
    return machine


def test_a_machine_needs_what_its_own_guests_do(host: str, empty_path: Path) -> None:
    own = arch.native()
    findings = {it.what: it for it in doctor.look()}

    for it in arch.ARCHITECTURES:
        finding = findings[f"{it.name} guests"]
        assert finding.good is (it is not own)
        assert it.board.package in finding.mend
        # Its own need no cross compiler.
        assert (it.debian.compiler in finding.mend) is (it is not own)


def test_a_machine_installs_nothing_for_guests_that_it_is_not_asked_for(
    host: str,
) -> None:
    own = arch.native()
    assert own is not None
    named = [it for it in packages.wanted() if it.reason.startswith("boots guests")]

    assert [it.name for it in named] == [own.board.package]
    for other in arch.ARCHITECTURES:
        names = {it.name for it in packages.wanted([other])}
        boards = {it.board.package for it in arch.ARCHITECTURES}
        compilers = {it.debian.compiler for it in arch.ARCHITECTURES}
        assert names & boards == {other.board.package}
        assert names & compilers == (set() if other is own else {other.debian.compiler})


@pytest.mark.parametrize(
    ("opens", "said"),
    [(True, "under KVM once a guest was seen"), (False, "kvm can't be opened")],
)
def test_a_machine_says_how_its_own_guests_run(
    opens: bool,
    said: str,
    host: str,
    empty_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = arch.native()
    assert own is not None
    qemu = empty_path / own.board.program
    qemu.write_text("#!/bin/sh\necho QEMU emulator version 7.2.0\n")
    qemu.chmod(0o755)
    device = tmp_path / "kvm"
    if opens:
        device.touch()
    monkeypatch.setattr(doctor, "KVM", device)

    assert said in found(f"{own.name} guests").seen
