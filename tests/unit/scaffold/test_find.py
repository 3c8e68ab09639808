from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.scaffold import find
from tests.unit.scaffold import objects

# ELF, 64 bits, little-endian, for BPF.
_HEAD = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x01\x00\xf7\x00"


def _object(path: Path, more: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(objects.small() + more)
    return path


def _source(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_what_the_build_makes_counts_more_than_its_source(tmp_path: Path) -> None:
    source = _source(tmp_path / "src/tool.bpf.c")
    built = _object(tmp_path / "build/tool.bpf.o")

    (found,) = find.search_all([tmp_path])

    assert (found.built, found.source) == (built, source)
    assert (found.path, found.name, found.stem) == (built, "tool", "tool")


def test_builds_of_libbpfs_examples_are_found(tmp_path: Path) -> None:
    _source(tmp_path / "minimal.bpf.c")
    built = _object(tmp_path / ".output/minimal.bpf.o")
    _object(tmp_path / ".output/minimal.tmp.bpf.o", b"part")

    (found,) = find.search_all([tmp_path])

    assert found.built == built


def test_objects_for_other_machines_are_left_out(tmp_path: Path) -> None:
    _object(tmp_path / "probe.bpf.o")
    (tmp_path / "main.o").write_bytes(_HEAD[:18] + b"\x3e\x00" + bytes(60))
    # Of bpf2go, in the other byte order.
    (tmp_path / "probe_bpfeb.o").write_bytes(_HEAD[:5] + b"\x02" + _HEAD[6:])
    (tmp_path / "short.o").write_bytes(b"\x7fELF")

    assert [it.name for it in find.search_all([tmp_path])] == ["probe"]


def test_what_looks_like_an_object_and_is_none_is_told(tmp_path: Path) -> None:
    _object(tmp_path / "probe.bpf.o")
    (tmp_path / "empty.bpf.o").touch()
    (tmp_path / "text.bpf.o").write_text("an error message of a compiler, for example")
    (tmp_path / "cut.bpf.o").write_bytes(objects.small()[:300])
    (tmp_path / "cut.o").write_bytes(objects.small()[:64])
    (tmp_path / "gone.bpf.o").symlink_to("nowhere")
    (tmp_path / "gone.bpf.c").symlink_to("nowhere")
    (tmp_path / "loop.bpf.c").symlink_to("loop.bpf.c")
    # Of this machine, as in every build.
    (tmp_path / "main.o").write_bytes(_HEAD[:18] + b"\x3e\x00" + bytes(60))
    told: list[str] = []

    found = find.search_all([tmp_path], told.append)

    assert [it.name for it in found] == ["probe"]
    assert [it.removeprefix(f"{tmp_path}/") for it in told] == [
        "gone.bpf.c: a link to nothing; left out",
        "loop.bpf.c: a link to nothing; left out",
        "cut.bpf.o: is a truncated or damaged ELF file; left out",
        "cut.o: is a truncated or damaged ELF file; left out",
        "empty.bpf.o: an empty file, not a BPF object; left out",
        "gone.bpf.o: a link to nothing; left out",
        "text.bpf.o: not a BPF object in little-endian byte order; left out",
    ]


def test_a_source_stands_in_for_its_broken_object(tmp_path: Path) -> None:
    source = _source(tmp_path / "tool.bpf.c")
    (tmp_path / "tool.bpf.o").touch()

    (found,) = find.search_all([tmp_path])

    assert found.path == source


def test_a_broken_object_that_is_named_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cut.bpf.o").write_bytes(objects.small()[:300])

    with pytest.raises(UsageError, match="truncated or damaged"):
        find.search_all([tmp_path / "cut.bpf.o"])


def test_names_are_told_apart_by_folders(tmp_path: Path) -> None:
    _source(tmp_path / "one/probe.bpf.c")
    _source(tmp_path / "two/probe.bpf.c")

    names = [it.name for it in find.search_all([tmp_path])]

    assert names == ["probe", "two-probe"]


def test_a_copy_of_an_object_is_no_second_one(tmp_path: Path) -> None:
    _object(tmp_path / "build/probe.bpf.o")
    _object(tmp_path / "dist/probe.bpf.o")

    assert len(find.search_all([tmp_path])) == 1


def test_a_folder_without_objects_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="and no BPF object below") as caught:
        find.search_all([tmp_path])

    assert "init build/probe.bpf.o" in caught.value.hint


@pytest.mark.parametrize("name", ["missing.o", "main.c", "text.o"])
def test_a_file_that_is_neither_is_refused(name: str, tmp_path: Path) -> None:
    if name != "missing.o":
        (tmp_path / name).write_text("text")

    with pytest.raises(UsageError, match=name):
        find.search_all([tmp_path / name])


def test_what_suites_load_already_is_known(tmp_path: Path) -> None:
    suite = tmp_path / "tests/bpf/mine/suite.yaml"
    suite.parent.mkdir(parents=True)
    suite.write_text("cases: [{name: a, object: ../../../build/x.bpf.o}, 7]\n")
    (tmp_path / "tests/suite.yaml").write_text("cases: {broken\n")

    assert find.covered(tmp_path) == {tmp_path / "build/x.bpf.o": suite}
