"""What a folder holds of libbpf."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import UsageError
from runner.libbpf import source
from tests.unit.libbpf import made


def kernel(folder: Path) -> Path:
    """Write what looks like a kernel's tree."""
    inner = folder / "tools/lib/bpf"
    shutil.copytree(made.source(folder / "checkout") / "src", inner)
    shutil.rmtree(folder / "checkout")
    (folder / "tools/include").mkdir()
    (folder / "tools/include/btf.h").write_text("")
    (folder / "kernel.c").write_text("")
    return folder


def test_what_a_distribution_installs_is_a_libbpf() -> None:
    found = source.read(Path("/usr"))

    assert found.layout == "prefix"
    assert found.version.startswith("1.")
    assert found.files["lib/libbpf.a"] == made.library().read_bytes()
    assert "include/bpf/libbpf.h" in found.files


def test_a_source_is_all_that_it_is_built_of(tmp_path: Path) -> None:
    found = source.read(made.source(tmp_path))

    assert (found.layout, found.version) == ("source", "1.1")
    assert sorted(found.files) == [
        "include/uapi/linux/bpf.h",
        "src/Makefile",
        "src/bpf.c",
        "src/libbpf.map",
        "src/libbpf_version.h",
        "src/relo_core.h",
    ]


def test_of_a_kernels_tree_only_its_tools_count(tmp_path: Path) -> None:
    found = source.read(kernel(tmp_path))

    assert found.layout == "kernel"
    assert "tools/lib/bpf/bpf.c" in found.files
    assert "tools/include/btf.h" in found.files
    assert "kernel.c" not in found.files


def test_the_folder_inside_names_the_same(tmp_path: Path) -> None:
    checkout, tree = made.source(tmp_path / "libbpf"), kernel(tmp_path / "linux")

    for outer, inner in ((checkout, "src"), (tree, "tools/lib/bpf")):
        assert source.read(outer / inner).sha256 == source.read(outer).sha256


def test_what_was_built_in_a_source_does_not_count(tmp_path: Path) -> None:
    before = source.read(made.source(tmp_path)).sha256
    (tmp_path / "src/staticobjs").mkdir()
    (tmp_path / "src/staticobjs/bpf.o").write_bytes(b"\x7fELF")
    (tmp_path / "src/libbpf.a").write_bytes(b"!<arch>\n")
    (tmp_path / "src/gone.h").symlink_to("nowhere")

    assert source.read(tmp_path).sha256 == before


def test_a_line_that_changes_is_another_libbpf(tmp_path: Path) -> None:
    before = source.read(made.source(tmp_path)).sha256
    (tmp_path / "src/bpf.c").write_text("int something;\n")

    assert source.read(tmp_path).sha256 != before


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--libbpf .*none: no such folder"):
        source.read(tmp_path / "none")


def test_a_folder_without_libbpf_is_refused_with_what_would_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no libbpf in it") as caught:
        source.read(tmp_path)

    assert "tools/lib/bpf" in caught.value.hint
    assert "lib/libbpf.a" in caught.value.hint


def test_a_libbpf_without_relocation_to_ask_is_too_old(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"this is libbpf 0\.7") as caught:
        source.read(made.source(tmp_path, (0, 7)))

    assert caught.value.hint == "the oldest supported version is 0.8"


def test_a_libbpf_that_tells_no_version_is_too_old(tmp_path: Path) -> None:
    made.source(tmp_path)
    (tmp_path / "src/libbpf_version.h").unlink()

    with pytest.raises(UsageError, match=r"older than 0\.6"):
        source.read(tmp_path)


def test_headers_alone_are_refused(tmp_path: Path) -> None:
    shutil.copytree("/usr/include/bpf", tmp_path / "include/bpf")

    with pytest.raises(
        UsageError, match=r"no libbpf\.a, only the headers of libbpf 1\."
    ) as caught:
        source.read(tmp_path)

    assert "static" in caught.value.hint


@given(header=st.binary(max_size=80))
def test_any_header_tells_a_version_or_is_refused(
    header: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("libbpf")
    (folder / "src").mkdir()
    (folder / "src/libbpf.map").touch()
    (folder / "src/libbpf_version.h").write_bytes(
        b"#define LIBBPF_MAJOR_VERSION 1\n#define LIBBPF_MINOR_VERSION " + header
    )

    try:
        version = source.read(folder).version
    except UsageError:
        return
    assert version.startswith("1.")
