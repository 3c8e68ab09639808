from pathlib import Path

from runner.files.cache import Cache
from runner.scaffold import read
from runner.scaffold.find import ObjectFound
from tests.unit.scaffold import sources
from tests.unit.scaffold.objects import compiled


def _none() -> None:
    return None


def _read(tmp_path: Path, **more: Path) -> read.ObjectRead:
    return read.read(ObjectFound(name="tool", **more), Cache(tmp_path / "cache"), _none)


def test_a_built_object_is_read(tmp_path: Path) -> None:
    built = compiled(tmp_path, "tool", sources.EVENTS)

    found = _read(tmp_path, built=built)

    assert not found.problem
    assert [it.name for it in found.inventory.programs] == ["on_exec"]


def test_a_source_is_compiled(tmp_path: Path) -> None:
    source = tmp_path / "tool.bpf.c"
    source.write_text(sources.HEAD + sources.EVENTS)

    found = _read(tmp_path, source=source)

    assert not found.wants_types
    assert found.inventory.records


def test_a_source_with_a_kernels_types_gets_them(tmp_path: Path) -> None:
    source = tmp_path / "tool.bpf.c"
    source.write_text('#include "vmlinux.h"\n' + sources.PACKETS)
    headers = tmp_path / "types"
    headers.mkdir()
    (headers / "vmlinux.h").write_text(
        "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n"
    )

    found = read.read(
        ObjectFound(name="tool", source=source),
        Cache(tmp_path / "cache"),
        lambda: headers,
    )

    assert (found.wants_types, found.problem) == (True, "")
    assert len(found.inventory.programs) == 2


def test_a_header_of_its_own_may_want_them(tmp_path: Path) -> None:
    (tmp_path / "mine.h").write_text('#include "vmlinux.h"\n')
    source = tmp_path / "tool.bpf.c"
    source.write_text('#include "mine.h"\n' + sources.PACKETS)

    assert _read(tmp_path, source=source).wants_types


def test_a_vmlinux_h_next_to_the_source_is_enough(tmp_path: Path) -> None:
    (tmp_path / "vmlinux.h").write_text("#include <linux/bpf.h>\n")
    source = tmp_path / "tool.bpf.c"
    source.write_text(
        '#include "vmlinux.h"\n#include <bpf/bpf_helpers.h>\n' + sources.PACKETS
    )

    assert not _read(tmp_path, source=source).wants_types


def test_a_source_that_does_not_compile_is_read_as_text(tmp_path: Path) -> None:
    source = tmp_path / "tool.bpf.c"
    source.write_text('#include "project.h"\n' + sources.PACKETS)

    found = _read(tmp_path, source=source)

    assert found.problem == "tool.bpf.c:1: 'project.h' file not found"
    assert [it.name for it in found.inventory.programs] == ["pass", "keep"]


def test_an_object_without_types_is_told_by_its_source(tmp_path: Path) -> None:
    built = tmp_path / "tool.bpf.o"
    built.write_bytes(b"\x7fELF")
    source = tmp_path / "tool.bpf.c"
    source.write_text(sources.PACKETS)

    found = _read(tmp_path, built=built, source=source)

    assert "damaged" in found.problem
    assert len(found.inventory.programs) == 2
