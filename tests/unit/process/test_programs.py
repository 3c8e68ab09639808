"""What programs of this machine get of the user's environment."""

import os
from pathlib import Path

import pytest

from runner.bpf.compile import compile_object
from runner.guest.qemu import vm
from runner.process.programs import environment
from tests.unit.bpf.test_compile import FakeCache, write_suite


def test_what_changes_a_program_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CPATH", "MAKEFLAGS", "CFLAGS", "LD_PRELOAD", "QEMU_MODULE_DIR"):
        monkeypatch.setenv(name, "/nosuch")
    monkeypatch.setenv("CCACHE_DIR", "/a/users/own")
    monkeypatch.delenv("TMPDIR", raising=False)

    found = environment(MORE="1")

    assert {*found} <= {
        "HOME",
        "PATH",
        "LC_ALL",
        "LD_LIBRARY_PATH",
        "CCACHE_DIR",
        "MORE",
    }
    assert found["PATH"] == os.environ["PATH"]


def test_a_temporary_folder_that_is_missing_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TMPDIR", "/nosuch")

    assert Path(environment()["TMPDIR"]).is_dir()


def test_clangs_own_variables_change_no_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_suite(tmp_path / "suite")
    before = compile_object(source, FakeCache(tmp_path / "one")).read_bytes()
    other = tmp_path / "other/bpf"
    other.mkdir(parents=True)
    (other / "bpf_helpers.h").write_text("#error foreign\n")
    for name in ("CPATH", "C_INCLUDE_PATH"):
        monkeypatch.setenv(name, str(other.parent))
    monkeypatch.setenv("CCC_OVERRIDE_OPTIONS", "#^-DFOREIGN +-g0")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    monkeypatch.setenv("DEPENDENCIES_OUTPUT", str(tmp_path / "written"))

    found = compile_object(source, FakeCache(tmp_path / "two")).read_bytes()

    assert found == before
    assert not (tmp_path / "written").exists()


def test_what_is_preloaded_does_not_reach_qemu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "qemu"
    program.write_text('#!/bin/sh\necho "version 7.2.$LD_PRELOAD$QEMU_AUDIO_DRV"\n')
    program.chmod(0o755)
    monkeypatch.setenv("LD_PRELOAD", "1")
    monkeypatch.setenv("QEMU_AUDIO_DRV", "1")

    assert vm.version(program) == "7.2"
