"""The agent for guests of another architecture."""

from dataclasses import replace
from pathlib import Path

import pytest

from runner.arch import ARM64, S390X, Architecture
from runner.arch.model import OtherLinker
from runner.errors import ExitStatus, InfrastructureError
from runner.libbpf import cross
from runner.libbpf.cross import CrossTarget


def target(folder: Path) -> CrossTarget:
    return CrossTarget(architecture=ARM64, sysroot=folder, key="packages")


def test_a_missing_compiler_is_told_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(InfrastructureError) as caught:
        cross.require(S390X)

    assert caught.value.exit_status is ExitStatus.INFRASTRUCTURE
    assert "s390x-linux-gnu-gcc missing" in caught.value.message
    assert caught.value.hint == (
        "apt-get install make gcc-s390x-linux-gnu; `python -m runner doctor --arch "
        "s390x --fix` installs all that guests of s390x need"
    )


def test_everything_is_compiled_for_the_sysroot(tmp_path: Path) -> None:
    words = target(tmp_path / "a folder").words

    compiler = f"aarch64-linux-gnu-gcc '--sysroot={tmp_path}/a folder'"
    assert words[:3] == [
        f"CC={compiler}",
        "AR=aarch64-linux-gnu-ar",
        "LD=aarch64-linux-gnu-ld",
    ]


def test_an_agent_depends_on_the_sysroots_packages(tmp_path: Path) -> None:
    first = target(tmp_path)
    other = CrossTarget(architecture=ARM64, sysroot=tmp_path, key="newer packages")

    assert first.identity != other.identity


def linked_by(program: Path, said: str = "") -> Architecture:
    """Return an architecture whose agent a linker of its own links."""
    if said:
        program.write_text(f"#!/bin/sh\necho {said}\n")
        program.chmod(0o755)
    linker = OtherLinker(program=str(program), package="lld-99")
    return replace(ARM64, debian=replace(ARM64.debian, linker=linker))


def test_an_architecture_may_have_another_linker(tmp_path: Path) -> None:
    architecture = linked_by(tmp_path / "ld.lld")
    made = CrossTarget(architecture=architecture, sysroot=tmp_path, key="packages")

    assert made.words[-1] == f"STATIC=-static-pie -fuse-ld=lld -B{tmp_path}"
    assert target(tmp_path).words[-1] == "STATIC=-static-pie"


def test_a_missing_linker_is_told_with_its_package(tmp_path: Path) -> None:
    architecture = linked_by(tmp_path / "ld.lld")

    lacking = cross.missing(architecture)

    assert lacking[f"{tmp_path}/ld.lld"] == "lld-99"
    linked_by(tmp_path / "ld.lld", "LLD 99")
    assert f"{tmp_path}/ld.lld" not in cross.missing(architecture)


def test_an_agent_depends_on_its_linker(tmp_path: Path) -> None:
    architecture = linked_by(tmp_path / "ld.lld", "LLD 98")
    made = CrossTarget(architecture=architecture, sysroot=tmp_path, key="packages")
    first = made.identity
    linked_by(tmp_path / "ld.lld", "LLD 99")

    assert (first[-1], made.identity[-1]) == ("LLD 98", "LLD 99")
