"""Guests of other architectures than this machine's."""

from pathlib import Path

import pytest

from runner import libbpf
from runner.arch import ARM64, S390X, X86_64, Architecture, native
from runner.files.cache import Cache
from runner.guest import host
from runner.guest.kits import GuestKits
from runner.reports import resultsfile
from runner.results import Outcome
from runner.text.progress import Hidden
from tests.vm.conftest import ROOT, run

pytestmark = pytest.mark.vm

SUITE = ROOT / "suites/task"
FLAVORS = ROOT / "suites/flavors"
RELOC = ROOT / "suites/reloc"
ENVIRONMENT = ROOT / "suites/environment"
CASES = "task::identity or start_time or (fs_base and not refused) or bits"


@pytest.mark.parametrize(
    ("kernel", "architecture"), [("6.1-arm64", "arm64"), ("6.12-s390x", "s390x")]
)
def test_the_same_suites_hold_on_another_architecture(
    reports: Path, kernel: str, architecture: str
) -> None:
    done = run(
        *("--kernels", kernel, "--suite", SUITE, FLAVORS, RELOC, ENVIRONMENT),
        *("-k", f"{CASES} or (environment::memory and not short)"),
        reports=reports,
    )

    assert done.status == 0, done.output + done.errors
    results = resultsfile.read(reports / "results.json")
    (found,) = results.kernels
    assert found.arch == architecture
    assert found.accelerator == "tcg"
    # It boots once, and once with more memory; the cases come from its snapshots.
    assert len(found.boots) <= 2
    assert len(found.restores) >= 2
    assert found.notes == ()
    # Nothing is left out: neither the thread's register nor a bit field.
    assert {case.outcome for case in results.cases} == {Outcome.PASSED}
    names = {case.case for case in results.cases}
    wanted = {"identity", "start_time_compat", "fs_base", "bits_unset", "memory"}
    assert wanted <= names


def test_a_missing_qemu_is_told_with_its_package(reports: Path, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for folder in ("/usr/bin", "/usr/sbin", "/bin", "/sbin"):
        for program in Path(folder).iterdir():
            if program.name != "qemu-system-aarch64":
                (tools / program.name).unlink(missing_ok=True)
                (tools / program.name).symlink_to(program)

    done = run(
        *("--kernels", "6.1-arm64", "--suite", SUITE, "-k", "task::identity"),
        reports=reports,
        PATH=str(tools),
    )

    assert done.status == 3, done.output + done.errors
    said = done.output + done.errors
    assert "qemu-system-aarch64 is not on the PATH" in said
    assert "apt-get install qemu-system-arm" in said


@pytest.mark.parametrize("architecture", [X86_64, ARM64, S390X], ids=lambda it: it.name)
def test_an_image_that_is_made_anew_has_the_same_bytes(
    architecture: Architecture, tmp_path: Path
) -> None:
    used, empty = Cache(), Cache(tmp_path)

    image = _image(architecture, empty)

    # Packages, compiler and all were asked again.
    assert {it.kind for it in empty.held()} >= {"libbpf", "initramfs"}
    assert image == _image(architecture, used)


def _image(architecture: Architecture, cache: Cache) -> bytes:
    # Guests of another architecture have none of the machine's own programs.
    own = cache if architecture is native() else Cache()
    programs = libbpf.programs(None, own, Hidden())
    tools = GuestKits(cache=cache, programs=programs).of(architecture, Hidden()).tools
    return host.packed_initramfs(tools, (), cache).read()
