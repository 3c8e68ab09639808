"""What is read of ELF files that come from elsewhere."""

import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from runner.kernels import elfsections
from tests.unit.kernels import images


def test_a_build_id_is_what_the_linker_wrote(tmp_path: Path) -> None:
    source, built = tmp_path / "x.c", tmp_path / "x"
    source.write_text("int main(void) { return 0; }")
    identity = "00112233445566778899aabbccddeeff00112233"
    subprocess.run(
        ["gcc", f"-Wl,--build-id=0x{identity}", source, "-o", built], check=True
    )
    # As a kernel has it.
    subprocess.run(
        ["objcopy", "--rename-section", ".note.gnu.build-id=.notes", built], check=True
    )

    assert elfsections.build_id_of(built) == identity
    assert elfsections.build_id(built.read_bytes()) == identity


def test_what_tells_no_build_id_has_none(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()

    assert elfsections.build_id_of(empty) == ""
    assert elfsections.build_id(b"no ELF file") == ""
    assert elfsections.build_id(images.elf({".text": b"\x90"})) == ""


@given(st.binary(max_size=200))
def test_damaged_notes_tell_nothing_or_something(notes: bytes) -> None:
    found = elfsections.build_id(images.elf({".text": b"\x90", ".notes": notes}))

    assert found == "" or bytes.fromhex(found) in notes
