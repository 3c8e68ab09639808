"""What a program takes along into a guest, and which ones no guest could start."""

from pathlib import Path, PurePosixPath

import pytest

from runner import arch
from runner.arch import ARM64, S390X, X86_64
from runner.programs import elf, prepare
from runner.programs.errors import ProgramError

COMMANDS = {"/bin/sh", "/bin/awk"}
# This machine's, whose programs are at hand.
OWN = arch.native() or X86_64
LINKER = elf.read(Path("/bin/true")).interpreter
# e_machine, and its name; of machines whose programs can't run on this one.
FOREIGN = [
    (number, name)
    for number, name in ((62, "x86_64"), (183, "aarch64"), (3, "i686"), (22, "s390x"))
    if name != OWN.machine
]
# One of them, with guests of this byte order.
NUMBER, OTHER = (62, X86_64) if OWN is ARM64 else (183, ARM64)


def script(folder: Path, text: str) -> Path:
    path = folder / "my script"
    path.write_text(text)
    return path


def refusal(path: Path) -> ProgramError:
    with pytest.raises(ProgramError) as caught:
        prepare.prepare(path, architecture=OWN, commands=COMMANDS)
    return caught.value


def test_a_program_goes_to_the_folder_with_its_linker() -> None:
    made = prepare.prepare(Path("/bin/true"), architecture=OWN)

    targets = {str(it.target) for it in made.files}
    assert made.path == "/run/files/true"
    assert {"/run/files/true", LINKER} <= targets
    assert made.is_native


def test_a_script_of_an_interpreter_that_guests_have_goes_alone(tmp_path: Path) -> None:
    path = script(tmp_path, "#!/bin/sh\necho hello\n")

    (file,) = prepare.prepare(path, architecture=OWN, commands=COMMANDS).files

    assert file.target == PurePosixPath("/run/files/my_script")


def test_another_interpreter_comes_along_with_its_libraries(tmp_path: Path) -> None:
    path = script(tmp_path, "#!/usr/bin/env bash\n")

    targets = {
        str(it.target)
        for it in prepare.prepare(path, architecture=OWN, commands=COMMANDS).files
    }

    assert "/usr/bin/bash" in targets
    assert any(it.endswith("/libc.so.6") for it in targets)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("#!/usr/bin/no-such-thing", "/usr/bin/no-such-thing, which is not on"),
        ("#!/usr/bin/env no-such-thing", "no-such-thing, which is not on the PATH"),
        ("#!", "names no interpreter"),
    ],
)
def test_a_script_without_its_interpreter_is_told(
    line: str, words: str, tmp_path: Path
) -> None:
    error = refusal(script(tmp_path, f"{line}\n"))

    assert words in error.message
    assert error.failure_class == "interpreter_missing"


def test_scripts_that_run_each_other_end(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(f"#!{path}\n")

    assert "need each other" in refusal(path).message


@pytest.mark.parametrize(("machine", "name"), FOREIGN)
def test_a_program_of_another_architecture_is_told(
    machine: int, name: str, tmp_path: Path
) -> None:
    data = bytearray(Path("/bin/busybox").read_bytes())
    data[18:20] = machine.to_bytes(2, "little")
    path = tmp_path / "program"
    path.write_bytes(data)

    error = refusal(path)

    assert f"is a program for {name}" in error.message
    assert error.failure_class == "wrong_architecture"


def test_a_static_program_of_another_architecture_goes_to_its_guests(
    tmp_path: Path,
) -> None:
    data = bytearray(Path("/bin/busybox").read_bytes())
    data[18:20] = NUMBER.to_bytes(2, "little")
    path = tmp_path / "tool"
    path.write_bytes(data)

    made = prepare.prepare(path, architecture=OTHER)

    assert [it.source for it in made.files] == [path]
    assert not made.is_native
    with pytest.raises(ProgramError, match="the guest is s390x") as caught:
        prepare.prepare(path, architecture=S390X)
    assert "s390x-linux-gnu-gcc -static" in caught.value.hint
    assert f"--kernels arch={OTHER.machine}" in caught.value.hint


@pytest.mark.parametrize("data", [b"", b"hello\n", b"\x7fEL"])
def test_a_file_that_is_not_a_program_is_told(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)

    error = refusal(path)

    assert "is not a program" in error.message
    assert error.failure_class == "program_bad"


def test_an_object_file_is_told(tmp_path: Path) -> None:
    data = bytearray(Path("/bin/busybox").read_bytes())
    data[16:18] = (1).to_bytes(2, "little")
    path = tmp_path / "a.o"
    path.write_bytes(data)

    assert "--object" in refusal(path).hint


def test_a_root_keeps_the_libraries_that_it_has() -> None:
    made = prepare.prepare(Path("/bin/true"), architecture=OWN, there={LINKER})

    targets = {str(it.target) for it in made.files}
    assert LINKER not in targets
    assert any(it.endswith("/libc.so.6") for it in targets)


@pytest.mark.parametrize("line", ["#!/bin/bash", "#!/usr/bin/env bash", "#!/bin/sh"])
def test_a_root_brings_the_interpreter_of_a_script(line: str, tmp_path: Path) -> None:
    path = script(tmp_path, f"{line}\n")

    with pytest.raises(ProgramError, match="which is not in the root"):
        prepare.prepare(path, architecture=OWN, commands=set(), there=set())
    own = {"/bin/bash", "/usr/local/bin/bash", "/bin/sh"}
    assert (
        len(prepare.prepare(path, architecture=OWN, commands=own, there=own).files) == 1
    )
