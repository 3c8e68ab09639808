"""Which files a dynamic program needs in a guest."""

from pathlib import Path

import pytest

from runner.arch import X86_64
from runner.errors import InfrastructureError
from runner.guest.image import libraries

BPFTOOL = Path("/usr/sbin/bpftool")


def test_a_program_brings_its_interpreter_and_libraries() -> None:
    found = libraries.closure([BPFTOOL], X86_64)

    assert "lib64/ld-linux-x86-64.so.2" in found
    assert "lib/x86_64-linux-gnu/libc.so.6" in found
    assert "lib/x86_64-linux-gnu/libelf.so.1" in found


def test_libraries_of_libraries_come_along() -> None:
    # libelf needs libz, and dropbear's libtomcrypt needs libgmp.
    found = libraries.closure([Path("/usr/sbin/dropbear")], X86_64)

    assert "lib/x86_64-linux-gnu/libgmp.so.10" in found


def test_a_static_program_needs_nothing() -> None:
    assert libraries.closure([Path("/bin/busybox")], X86_64) == {}


def test_a_missing_program_is_named() -> None:
    with pytest.raises(InfrastructureError, match=r"/no/such/program"):
        libraries.closure([Path("/no/such/program")], X86_64)


def test_a_script_is_no_program(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")

    with pytest.raises(
        InfrastructureError, match="script can't be added to the guest image"
    ):
        libraries.closure([script], X86_64)


def test_a_missing_library_is_named_with_the_folders_searched(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="is not installed") as caught:
        libraries.closure([BPFTOOL], X86_64, tmp_path)

    assert str(tmp_path) in caught.value.hint
