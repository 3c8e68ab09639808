"""The lines around a line of source."""

from pathlib import Path

import pytest

from runner.files import excerpts


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "probe.bpf.c"
    path.write_text("".join(f"line {number}\n" for number in range(1, 31)))
    return path


def test_the_line_stands_between_its_neighbours(source: Path) -> None:
    found = excerpts.around(source, 10)
    assert found is not None
    assert found.first == 5
    assert found.lines == tuple(f"line {number}" for number in range(5, 16))


@pytest.mark.parametrize(("line", "first", "count"), [(1, 1, 6), (30, 25, 6)])
def test_at_the_ends_there_are_fewer(
    source: Path, line: int, first: int, count: int
) -> None:
    found = excerpts.around(source, line)
    assert found is not None
    assert (found.first, len(found.lines)) == (first, count)


@pytest.mark.parametrize("line", [0, 31, 99])
def test_a_line_that_is_not_there_has_none(source: Path, line: int) -> None:
    assert excerpts.around(source, line) is None


def test_a_missing_file_has_none(tmp_path: Path) -> None:
    assert excerpts.around(tmp_path / "gone.c", 1) is None
    assert excerpts.around(tmp_path, 1) is None


def test_long_lines_and_strange_bytes_are_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "a.c"
    path.write_bytes(b"\xff\tx\r\n" + b"y" * 10_000)
    found = excerpts.around(path, 2)
    assert found is not None
    assert found.lines == ("\ufffd       x", "y" * 200)
