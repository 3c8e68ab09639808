"""Paths as people write them."""

from pathlib import Path

from runner.files.plainpath import plain


def test_a_way_back_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "tests/bpf").mkdir(parents=True)

    path = tmp_path / "tests/bpf/../../src/a.bpf.c"

    assert plain(path) == tmp_path / "src/a.bpf.c"


def test_a_way_above_stays() -> None:
    assert plain(Path("bpf/../../src/a.bpf.c")) == Path("../src/a.bpf.c")


def test_behind_a_link_the_way_back_stays(tmp_path: Path) -> None:
    (tmp_path / "far/bpf").mkdir(parents=True)
    (tmp_path / "tests").symlink_to(tmp_path / "far/bpf")

    path = tmp_path / "tests/../a.bpf.c"

    assert plain(path) == path
