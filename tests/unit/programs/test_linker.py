"""Shared libraries, compared with what the machine's own linker finds."""

import platform
import re
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from runner.arch import named
from runner.programs import ldcache, linker
from runner.programs.errors import ProgramError
from runner.programs.linker import Linker
from tests.unit.programs.built import DATA, gcc, needs_gcc

TARGET = PurePosixPath("/run/files/tool")
# How `ldconfig -p` calls libraries of the machine (elf/cache.c of glibc).
LDCONFIGS_WORDS = {
    "x86_64": "x86-64",
    "aarch64": "AArch64",
    "s390x": "64bit",
    "riscv64": "double-float",
}
REAL = ("/bin/true", "/usr/sbin/bpftool", "/usr/bin/qemu-system-x86_64")


def found(program: Path, *, library_path: str = "") -> dict[str, Path]:
    own = Linker(machine=platform.machine(), library_path=library_path)
    files = linker.closure(program, TARGET, own)
    return {str(it.target): it.source for it in files}


def of_ldd(program: Path) -> set[Path]:
    printed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    paths = re.findall(r"(?:=> |^\s+)(/\S+)", printed, re.MULTILINE)
    return {Path(it).resolve() for it in paths}


@pytest.mark.parametrize("program", [*map(Path, REAL), Path(shutil.which("git") or "")])
def test_real_programs_have_what_ldd_shows(program: Path) -> None:
    if not program.is_file():
        pytest.skip(f"{program} is not installed")

    assert {*found(program).values()} == of_ldd(program)


def test_a_static_program_needs_nothing() -> None:
    assert found(Path("/bin/busybox")) == {}


@needs_gcc
def test_a_library_next_to_the_program_moves_with_it(tmp_path: Path) -> None:
    tool = build(tmp_path, "$ORIGIN/../lib", where="lib", program="bin/tool")

    files = found(tool)

    assert {*files.values()} == of_ldd(tool)
    assert files["/run/lib/libanswer.so.1"] == tmp_path / "lib/libanswer.so.1"


@needs_gcc
@pytest.mark.parametrize("old", [True, False], ids=["rpath", "runpath"])
def test_a_named_folder_stays_where_it_is(old: bool, tmp_path: Path) -> None:
    tool = build(tmp_path, str(tmp_path / "opt"), where="opt", old=old)

    files = found(tool)

    assert {*files.values()} == of_ldd(tool)
    assert str(tmp_path / "opt/libanswer.so.1") in files


@needs_gcc
def test_ld_library_path_goes_before_runpath_and_behind_rpath(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for old in (True, False):
        folder = tmp_path / str(old)
        folder.mkdir()
        tool = build(folder, "$ORIGIN/lib", where="lib", old=old)
        shutil.copy(folder / "lib/libanswer.so.1", other)

        files = found(tool, library_path=str(other))

        first = folder / "lib" if old else other
        assert first / "libanswer.so.1" in files.values()


@needs_gcc
def test_a_missing_library_is_told_with_who_needs_it(tmp_path: Path) -> None:
    tool = build(tmp_path, "$ORIGIN/lib", where="lib")
    middle = tmp_path / "lib/libmiddle.so"
    gcc(
        "-shared",
        "-fPIC",
        "-Wl,--no-as-needed",
        "-o",
        middle,
        DATA / "answer.c",
        tmp_path / "lib/libanswer.so.1",
    )
    deep = tmp_path / "deep"
    gcc("-o", deep, DATA / "tool.c", middle, f"-Wl,-rpath,{tmp_path}/lib")
    shutil.move(tmp_path / "lib/libanswer.so.1", tmp_path / "gone")

    with pytest.raises(ProgramError) as direct:
        found(tool)
    with pytest.raises(ProgramError) as indirect:
        found(deep)

    assert direct.value.message == (
        f"{tool} needs the library libanswer.so.1, which is not on this machine"
    )
    assert f"{tmp_path}/lib" in direct.value.hint
    assert indirect.value.message.startswith(
        f"{middle}, which {deep} needs, needs the library libanswer.so.1"
    )
    assert direct.value.failure_class == "library_missing"


def test_a_damaged_program_is_told(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(Path("/bin/true").read_bytes()[:200])

    with pytest.raises(ProgramError, match="damaged"):
        found(damaged)


@needs_gcc
def test_a_cache_decides_between_folders(tmp_path: Path) -> None:
    tool = build(tmp_path, "", where="opt")
    cache = tmp_path / "ld.so.cache"
    configuration = tmp_path / "ld.so.conf"
    configuration.write_text(f"{tmp_path}/opt\n")
    ldconfig = shutil.which("ldconfig") or "/sbin/ldconfig"
    subprocess.run([ldconfig, "-C", cache, "-f", configuration, "-X"], check=True)

    own = Linker(machine=platform.machine(), cache_file=cache)
    files = linker.closure(tool, TARGET, own)

    # A guest has no cache: it goes to where its linker looks without one.
    assert {str(it.target): it.source for it in files}[
        f"/lib/{named(platform.machine()).debian.triplet}/libanswer.so.1"
    ] == tmp_path / "opt/libanswer.so.1"


@pytest.mark.parametrize(
    "data", [b"", b"x" * 100, b"glibc-ld.so.cache1.1" + b"\xff" * 28]
)
def test_a_damaged_cache_is_none(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "cache"
    file.write_bytes(data)

    assert ldcache.read("x86_64", file) == {}


def build(
    folder: Path, rpath: str, *, where: str, program: str = "tool", old: bool = False
) -> Path:
    """Build a program and its library."""
    library, tool = folder / where / "libanswer.so.1", folder / program
    library.parent.mkdir(exist_ok=True)
    tool.parent.mkdir(exist_ok=True)
    gcc(
        *("-shared", "-fPIC", "-Wl,-soname,libanswer.so.1", "-o", library),
        DATA / "answer.c",
    )
    words = [f"-Wl,-rpath,{rpath}"] if rpath else []
    words.append("-Wl,--disable-new-dtags" if old else "-Wl,--enable-new-dtags")
    gcc("-o", tool, DATA / "tool.c", library, *words)
    return tool


def test_the_machines_own_cache_says_what_ldconfig_says() -> None:
    ldconfig = shutil.which("ldconfig") or "/sbin/ldconfig"
    printed = subprocess.run([ldconfig, "-p"], capture_output=True, text=True).stdout
    kind = LDCONFIGS_WORDS[platform.machine()]
    lines = re.findall(rf"^\t(\S+) \(libc6,{kind}\) => (\S+)$", printed, re.MULTILINE)

    found = ldcache.read(platform.machine())

    assert lines
    assert found == {name: Path(path) for name, path in reversed(lines)}


@needs_gcc
@pytest.mark.parametrize("old", [True, False], ids=["rpath", "runpath"])
def test_only_rpath_serves_the_libraries_of_libraries(
    old: bool, tmp_path: Path
) -> None:
    library = tmp_path / "lib/libanswer.so.1"
    build(tmp_path, "", where="lib")
    middle, tool = tmp_path / "lib/libmiddle.so.1", tmp_path / "tool"
    gcc(
        *("-shared", "-fPIC", "-Wl,--no-as-needed", "-Wl,-soname,libmiddle.so.1"),
        *("-o", middle, DATA / "answer.c", library),
    )
    tags = "-Wl,--disable-new-dtags" if old else "-Wl,--enable-new-dtags"
    gcc("-o", tool, DATA / "tool.c", middle, f"-Wl,-rpath,{tmp_path}/lib", tags)

    if old:
        assert {*found(tool).values()} == of_ldd(tool)
        assert library in found(tool).values()
        return
    with pytest.raises(ProgramError, match=r"libanswer\.so\.1"):
        found(tool)
    assert library not in of_ldd(tool)
