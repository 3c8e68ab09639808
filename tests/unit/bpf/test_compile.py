import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from runner import arch
from runner.bpf import compile as compiling
from runner.bpf import object as bpf_object
from runner.bpf.build import PLAIN
from runner.bpf.compile import ByteOrderError, CompileError, compile_object
from runner.bpf.object import ObjectError, read
from runner.errors import InfrastructureError, UsageError

SOURCE = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "answer.h"

SEC("socket")
int answer(void *ctx)
{
	return ANSWER;
}

char _license[] SEC("license") = "Dual BSD/GPL";
"""


@dataclass(frozen=True)
class Folder:
    directory: Path


@dataclass
class FakeCache:
    """Keeps what was built in a folder, and counts how often something was."""

    root: Path
    built: list[str] = field(default_factory=list)
    notes: dict[str, JsonValue] = field(default_factory=dict)

    def remember(self, name: str, value: JsonValue, /) -> None:
        self.notes[name] = value

    def recall(self, name: str, /) -> JsonValue:
        return self.notes.get(name)

    def entry(
        self, kind: str, key: str, build: Callable[[Path], dict[str, str]], /
    ) -> Folder:
        folder = self.root / kind / key
        if not folder.exists():
            folder.mkdir(parents=True)
            build(folder)
            self.built.append(key)
        return Folder(folder)


def write_suite(folder: Path, source: str = SOURCE, answer: int = 42) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "answer.h").write_text(f"#define ANSWER {answer}\n")
    path = folder / "program.bpf.c"
    path.write_text(source)
    return path


@pytest.fixture
def cache(tmp_path: Path) -> FakeCache:
    return FakeCache(tmp_path / "cache")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("compiled")
    source = write_suite(folder / "suite")
    return compile_object(source, FakeCache(folder / "cache")).read_bytes()


def test_command_is_an_argument_vector() -> None:
    argv = compiling.command(Path("/suites/task/task.bpf.c"), Path("/out/task.bpf.o"))
    assert argv[:4] == ["clang", "-target", "bpfel", "-D__TARGET_ARCH_x86"]
    assert argv[-4:] == ["-c", "task.bpf.c", "-o", "/out/task.bpf.o"]
    assert {"-mcpu=v1", "-g", "-O2", "-Wall", "-Werror"} <= set(argv)


def test_source_is_compiled_for_bpf(tmp_path: Path, cache: FakeCache) -> None:
    found = compile_object(write_suite(tmp_path / "suite"), cache)
    assert found.name == "program.bpf.o"
    with found.open("rb") as file:
        elf = ELFFile(file)
        assert elf["e_machine"] == "EM_BPF"
        assert elf.get_section_by_name(".BTF.ext") is not None


def test_result_is_taken_from_the_cache(tmp_path: Path, cache: FakeCache) -> None:
    source = write_suite(tmp_path / "suite")
    assert compile_object(source, cache) == compile_object(source, cache)
    assert len(cache.built) == 1


def test_edited_header_compiles_again(tmp_path: Path, cache: FakeCache) -> None:
    first = compile_object(write_suite(tmp_path / "suite"), cache)
    second = compile_object(write_suite(tmp_path / "suite", answer=43), cache)
    assert first.read_bytes() != second.read_bytes()
    assert len(cache.built) == 2


def test_edited_comment_compiles_again(tmp_path: Path, cache: FakeCache) -> None:
    source = write_suite(tmp_path / "suite")
    compile_object(source, cache)
    source.write_text(SOURCE.replace("return ANSWER;", "return ANSWER; /* why */"))
    compile_object(source, cache)
    assert len(cache.built) == 2


def test_object_is_the_same_wherever_the_suite_lies(tmp_path: Path) -> None:
    objects = []
    for folder in ("here", "over there/with blanks"):
        source = write_suite(tmp_path / folder)
        built = compile_object(source, FakeCache(tmp_path / folder / "cache"))
        objects.append((built.parent.name, built.read_bytes()))
    assert objects[0] == objects[1]
    assert str(tmp_path).encode() not in objects[0][1]
    assert b"here" not in objects[0][1]


def test_relative_paths_are_those_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_suite(tmp_path / "suite")
    monkeypatch.chdir(tmp_path)
    found = compile_object(Path("suite/program.bpf.c"), FakeCache(Path("cache")))
    assert found.exists()


def test_error_holds_clangs_own_text(tmp_path: Path, cache: FakeCache) -> None:
    source = write_suite(tmp_path / "suite", SOURCE.replace("ANSWER;", "NO_ANSWER;"))
    with pytest.raises(CompileError) as caught:
        compile_object(source, cache)
    assert "program.bpf.c:8:9: error: use of undeclared identifier" in str(caught.value)


def test_warning_is_an_error(tmp_path: Path, cache: FakeCache) -> None:
    source = write_suite(tmp_path / "suite", SOURCE + "static int unused(void);\n")
    with pytest.raises(CompileError, match="unused"):
        compile_object(source, cache)


def test_missing_header_is_a_compile_error(tmp_path: Path, cache: FakeCache) -> None:
    source = write_suite(tmp_path / "suite")
    (source.parent / "answer.h").unlink()
    with pytest.raises(CompileError, match=r"'answer\.h' file not found"):
        compile_object(source, cache)


def test_missing_source_is_a_usage_error(tmp_path: Path, cache: FakeCache) -> None:
    with pytest.raises(UsageError, match=r"there is no program\.bpf\.c"):
        compile_object(tmp_path / "program.bpf.c", cache)


def test_missing_clang_names_the_package(
    tmp_path: Path, cache: FakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InfrastructureError, match="apt-get install clang"):
        compile_object(write_suite(tmp_path / "suite"), cache)


def test_object_is_taken_as_it_is(
    tmp_path: Path, cache: FakeCache, compiled: bytes
) -> None:
    path = tmp_path / "ready.bpf.o"
    path.write_bytes(compiled)
    assert compile_object(path, cache) == path
    assert cache.built == []


# ---------------------------------------------------------------------- objects

OBJECT = Path("suite/ready.bpf.o")


def test_file_that_is_no_elf_is_named(tmp_path: Path, cache: FakeCache) -> None:
    path = tmp_path / "ready.bpf.o"
    path.write_bytes(b"#!/bin/sh\n")
    with pytest.raises(ObjectError, match=r"ready\.bpf\.o: not an ELF file"):
        compile_object(path, cache)


@pytest.mark.parametrize("data", [b"", b"\x7fEL", b"text"])
def test_short_file_is_no_elf(data: bytes) -> None:
    with pytest.raises(ObjectError, match="not an ELF file"):
        read(data, OBJECT)


def test_object_for_another_machine_is_named(compiled: bytes) -> None:
    # e_machine stands at byte 18; 62 is EM_X86_64.
    data = compiled[:18] + struct.pack("<H", 62) + compiled[20:]
    with pytest.raises(ObjectError, match="an object for EM_X86_64, not for BPF"):
        read(data, OBJECT)


def test_object_without_btf_says_how_to_get_it(compiled: bytes) -> None:
    data = compiled.replace(b".BTF\0", b".XTF\0")
    with pytest.raises(ObjectError, match=r"no \.BTF section(.|\n)*-g"):
        read(data, OBJECT)


def test_object_with_countless_sections_is_damaged(compiled: bytes) -> None:
    # e_shnum of 0 means that section 0's size tells; sections start at e_shoff.
    data = bytearray(compiled)
    (sections,) = struct.unpack_from("<Q", data, 0x28)
    struct.pack_into("<H", data, 0x3C, 0)
    struct.pack_into("<Q", data, sections + 0x20, 2**63)
    with pytest.raises(ObjectError, match="truncated or damaged"):
        read(bytes(data), OBJECT)


@given(st.integers(min_value=0))
def test_truncated_object_is_refused(compiled: bytes, length: int) -> None:
    with pytest.raises(ObjectError):
        read(compiled[: length % len(compiled)], OBJECT)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(min_value=0), st.binary(min_size=1, max_size=8))))
def test_damaged_object_is_refused_or_passes(
    compiled: bytes, edits: list[tuple[int, bytes]]
) -> None:
    data = bytearray(compiled)
    for position, new in edits:
        # The header and the table of sections, at the end, are what is read.
        start = position % (2 * 64)
        start = start if start < 64 else len(data) - start
        data[start : start + len(new)] = new
    try:
        read(bytes(data), OBJECT)
    except ObjectError:
        return


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x.bpf.c: clang refuses it\nx.bpf.c:20:5: error: no", "x.bpf.c:20"),
        ("./x.bpf.c:7:1: fatal error: no", "x.bpf.c:7"),
        ("/usr/include/bpf/y.h:9:1: error: no\nx.bpf.c:3:1: error: no", "x.bpf.c:3"),
        ("x.bpf.c:20:5: warning: hm", ""),
        ("error: license changed binding", ""),
    ],
)
def test_clang_tells_the_line(text: str, line: str) -> None:
    assert CompileError(text).source == line


# ------------------------------------------------------------- architectures

REGISTERS = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#if defined(__TARGET_ARCH_s390)
int which = 390;
#elif defined(__TARGET_ARCH_arm64)
int which = 64;
#elif defined(__TARGET_ARCH_x86)
int which = 86;
#endif
int swapped = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
SEC("kprobe/a") int on_a(void *ctx) { return which + swapped; }
"""
WHICH = {"x86_64": (86, 0), "arm64": (64, 0), "s390x": (390, 1)}


def variables(path: Path) -> tuple[int, ...]:
    found = bpf_object.read(path.read_bytes())
    data = found.section(".data")
    order = "little" if found.order == "<" else "big"
    values = {
        it.name: data.data[it.value : it.value + 4]
        for it in found.symbols
        if data is not None and it.name in ("which", "swapped")
        if found.sections[it.section].name == ".data"
    }
    return int.from_bytes(values["which"], order), int("swapped" in values)  # type: ignore[arg-type]


def test_each_architecture_has_an_object_of_its_own(tmp_path: Path) -> None:
    source = tmp_path / "program.bpf.c"
    source.write_text(REGISTERS)
    cache = FakeCache(tmp_path / "cache")
    built = {
        name: compile_object(source, cache, build=PLAIN.on(arch.named(name)))
        for name in WHICH
    }

    assert len(set(built.values())) == len(WHICH)
    for name, path in built.items():
        which, swapped = WHICH[name]
        assert variables(path) == (which, swapped)
        order = bpf_object.read(path.read_bytes()).order
        assert order == (">" if arch.named(name).elf.byte_order == "big" else "<")
    # A second run takes each from the cache, and none for another's.
    again = {
        name: compile_object(source, cache, build=PLAIN.on(arch.named(name)))
        for name in WHICH
    }
    assert again == built


def test_headers_of_another_architecture_are_no_substitute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The x86_64 headers of this machine would compile, and say little-endian.
    monkeypatch.setattr(compiling, "_installed_headers", lambda architecture: None)
    source = tmp_path / "program.bpf.c"
    source.write_text(REGISTERS)

    with pytest.raises(InfrastructureError, match="no headers of s390x") as caught:
        compile_object(
            source, FakeCache(tmp_path / "cache"), build=PLAIN.on(arch.S390X)
        )

    # Without --arch it looks at what this machine's own guests need.
    assert caught.value.hint.startswith(
        "apt-get install linux-libc-dev-s390x-cross; `python -m runner doctor --arch "
        "s390x --fix` "
    )


@pytest.mark.parametrize(
    ("of", "on", "words"),
    [
        ("x86_64", "s390x", "is a little-endian object, and kernels of s390x are big"),
        ("arm64", "s390x", "is a little-endian object, and kernels of s390x are big"),
        ("s390x", "arm64", "is a big-endian object, and kernels of arm64 are little"),
    ],
)
def test_a_built_object_of_the_other_byte_order_is_refused(
    tmp_path: Path, of: str, on: str, words: str
) -> None:
    source = tmp_path / "program.bpf.c"
    source.write_text(REGISTERS)
    cache = FakeCache(tmp_path / "cache")
    built = compile_object(source, cache, build=PLAIN.on(arch.named(of)))

    with pytest.raises(ByteOrderError, match=words) as caught:
        compile_object(built, cache, build=PLAIN.on(arch.named(on)))

    assert f"-D__TARGET_ARCH_{arch.named(on).tree.target}" in (caught.value.hint or "")
    # One that nothing is known of, and one of the same order.
    assert compile_object(built, cache) == built
    assert compile_object(built, cache, build=PLAIN.on(arch.named(of))) == built
