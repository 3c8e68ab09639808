"""The agent for guests of another architecture."""

from pathlib import Path

import pytest

from runner.arch import ARM64, S390X
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
