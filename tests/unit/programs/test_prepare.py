"""What a program takes along into a guest, and which ones no guest could start."""

from pathlib import Path, PurePosixPath

import pytest

from runner.arch import ARM64, S390X, X86_64
from runner.programs import prepare
from runner.programs.errors import ProgramError

COMMANDS = {"/bin/sh", "/bin/awk"}


def script(folder: Path, text: str) -> Path:
    path = folder / "my script"
    path.write_text(text)
    return path


def refusal(path: Path) -> ProgramError:
    with pytest.raises(ProgramError) as caught:
        prepare.prepare(path, architecture=X86_64, commands=COMMANDS)
    return caught.value


def test_a_program_goes_to_the_folder_with_its_linker() -> None:
    made = prepare.prepare(Path("/bin/true"), architecture=X86_64)

    targets = {str(it.target) for it in made.files}
    assert made.path == "/run/files/true"
    assert {"/run/files/true", "/lib64/ld-linux-x86-64.so.2"} <= targets
    assert made.is_native


def test_a_script_of_an_interpreter_that_guests_have_goes_alone(tmp_path: Path) -> None:
    path = script(tmp_path, "#!/bin/sh\necho hello\n")

    (file,) = prepare.prepare(path, architecture=X86_64, commands=COMMANDS).files

    assert file.target == PurePosixPath("/run/files/my_script")


def test_another_interpreter_comes_along_with_its_libraries(tmp_path: Path) -> None:
    path = script(tmp_path, "#!/usr/bin/env bash\n")

    targets = {
        str(it.target)
        for it in prepare.prepare(path, architecture=X86_64, commands=COMMANDS).files
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


@pytest.mark.parametrize(
    ("machine", "name"), [(183, "aarch64"), (3, "i686"), (22, "s390x")]
)
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
    data[18:20] = (183).to_bytes(2, "little")
    path = tmp_path / "tool"
    path.write_bytes(data)

    made = prepare.prepare(path, architecture=ARM64)

    assert [it.source for it in made.files] == [path]
    assert not made.is_native
    with pytest.raises(ProgramError, match="the guest is s390x") as caught:
        prepare.prepare(path, architecture=S390X)
    assert "s390x-linux-gnu-gcc -static" in caught.value.hint
    assert "--kernels arch=aarch64" in caught.value.hint


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
    linker = "/lib64/ld-linux-x86-64.so.2"

    made = prepare.prepare(Path("/bin/true"), architecture=X86_64, there={linker})

    targets = {str(it.target) for it in made.files}
    assert linker not in targets
    assert any(it.endswith("/libc.so.6") for it in targets)


@pytest.mark.parametrize("line", ["#!/bin/bash", "#!/usr/bin/env bash", "#!/bin/sh"])
def test_a_root_brings_the_interpreter_of_a_script(line: str, tmp_path: Path) -> None:
    path = script(tmp_path, f"{line}\n")

    with pytest.raises(ProgramError, match="which is not in the root"):
        prepare.prepare(path, architecture=X86_64, commands=set(), there=set())
    own = {"/bin/bash", "/usr/local/bin/bash", "/bin/sh"}
    assert (
        len(prepare.prepare(path, architecture=X86_64, commands=own, there=own).files)
        == 1
    )
