"""Which files a dynamic program needs in a guest."""

import platform
import re
import subprocess
from pathlib import Path

import pytest

from runner.arch import named
from runner.errors import InfrastructureError
from runner.guest.image import libraries

BPFTOOL = Path("/usr/sbin/bpftool")
NATIVE = named(platform.machine())
FOLDER = f"lib/{NATIVE.debian.triplet}"


def interpreter(program: Path) -> str:
    """Return what this machine's readelf says, as a path in a guest."""
    printed = subprocess.run(
        ["readelf", "--program-headers", "--wide", program],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.search(r"program interpreter: /(\S+)]", printed)
    assert found is not None
    return found[1]


def test_a_program_brings_its_interpreter_and_libraries() -> None:
    found = libraries.closure([BPFTOOL], NATIVE)

    assert interpreter(BPFTOOL) in found
    assert {f"{FOLDER}/libc.so.6", f"{FOLDER}/libelf.so.1"} <= found.keys()


def test_libraries_of_libraries_come_along() -> None:
    # libelf needs libz, and dropbear's libtomcrypt needs libgmp.
    found = libraries.closure([Path("/usr/sbin/dropbear")], NATIVE)

    assert f"{FOLDER}/libgmp.so.10" in found


def test_a_static_program_needs_nothing() -> None:
    assert libraries.closure([Path("/bin/busybox")], NATIVE) == {}


def test_a_missing_program_is_named() -> None:
    with pytest.raises(InfrastructureError, match=r"/no/such/program"):
        libraries.closure([Path("/no/such/program")], NATIVE)


def test_a_script_is_no_program(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")

    with pytest.raises(
        InfrastructureError, match="script can't be added to the guest image"
    ):
        libraries.closure([script], NATIVE)


def test_a_missing_library_is_named_with_the_folders_searched(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="is not installed") as caught:
        libraries.closure([BPFTOOL], NATIVE, tmp_path)

    assert str(tmp_path) in caught.value.hint
