from pathlib import Path

from runner.files.cache import Cache
from runner.scaffold import read
from runner.scaffold.find import ObjectFound
from runner.scaffold.read import KernelTypes
from tests.unit.scaffold import sources
from tests.unit.scaffold.objects import compiled


def _types(folder: Path | None, kernel: str = "6.1") -> KernelTypes:
    return KernelTypes(kernel=kernel, folder=lambda: folder)


def _read(tmp_path: Path, *types: KernelTypes, **more: Path) -> read.ObjectRead:
    given = types or (_types(None),)
    return read.read(ObjectFound(name="tool", **more), Cache(tmp_path / "cache"), given)


def _headers(folder: Path, more: str = "") -> Path:
    """Write types as a kernel's BTF gives them."""
    folder.mkdir()
    (folder / "vmlinux.h").write_text(
        f"#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n{more}"
    )
    return folder


def test_a_built_object_is_read(tmp_path: Path) -> None:
    built = compiled(tmp_path, "tool", sources.EVENTS)

    found = _read(tmp_path, built=built)

    assert not found.problem
    assert [it.name for it in found.inventory.programs] == ["on_exec"]


def test_a_source_is_compiled(tmp_path: Path) -> None:
    source = tmp_path / "tool.bpf.c"
    source.write_text(sources.HEAD + sources.EVENTS)

    found = _read(tmp_path, source=source)

    assert not found.types_of
    assert found.inventory.records


def test_a_source_with_a_kernels_types_gets_them(tmp_path: Path) -> None:
    source = tmp_path / "tool.bpf.c"
    source.write_text('#include "vmlinux.h"\n' + sources.PACKETS)

    found = _read(tmp_path, _types(_headers(tmp_path / "types")), source=source)

    assert (found.types_of, found.problem) == ("6.1", "")
    assert len(found.inventory.programs) == 2


def test_the_first_kernel_counts_whose_types_fit(tmp_path: Path) -> None:
    source = tmp_path / "tool.bpf.c"
    source.write_text('#include "vmlinux.h"\nstruct older its;\n' + sources.PACKETS)
    newer = _headers(tmp_path / "newer")
    older = _headers(tmp_path / "older", "struct older { int it; };\n")

    found = _read(tmp_path, _types(newer, "6.12"), _types(older, "6.1"), source=source)

    assert (found.types_of, found.problem) == ("6.1", "")


def test_a_header_of_its_own_may_want_them(tmp_path: Path) -> None:
    (tmp_path / "mine.h").write_text('#include "vmlinux.h"\n')
    source = tmp_path / "tool.bpf.c"
    source.write_text('#include "mine.h"\n' + sources.PACKETS)

    assert _read(tmp_path, source=source).types_of == "6.1"


def test_a_vmlinux_h_next_to_the_source_is_enough(tmp_path: Path) -> None:
    (tmp_path / "vmlinux.h").write_text("#include <linux/bpf.h>\n")
    source = tmp_path / "tool.bpf.c"
    source.write_text(
        '#include "vmlinux.h"\n#include <bpf/bpf_helpers.h>\n' + sources.PACKETS
    )

    assert not _read(tmp_path, source=source).types_of


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
