"""What tables look like where they are copied from."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from runner.text.tables import print_rows, print_table


def test_lines_end_where_their_text_ends() -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("id", "a long title"):
        table.add_column(column)
    table.add_row("4.4", "[red]x[/]")
    console = Console(file=io.StringIO(), width=40)

    print_table(console, table)

    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "id   a long title\n4.4  x\n"


def test_an_empty_column_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(("id", "about", "note"), [("4.4", "", "[red]x[/]"), ("5.10", "", "")])

    assert capsys.readouterr().out == "id    note\n4.4   x\n5.10\n"


def test_a_table_without_rows_keeps_its_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_rows(("id", "note"), [])

    assert capsys.readouterr().out == "id  note\n"


def test_numbers_are_aligned_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(("id", "size"), [("a", "9 MB"), ("b", "120 MB")], right=["size"])

    assert capsys.readouterr().out == "id    size\na     9 MB\nb   120 MB\n"


ROWS = [
    ("4.4", "snapshot linux-image-4.4.0-1-amd64", "auto", "[dim]@legacy[/] @lts"),
    ("6.1", "debian", "kernel", ""),
]


def printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    columns = ("id", "source", "btf", "tags")
    print_rows(columns, ROWS, whole=("id",), spare=("btf", "tags"))
    return capsys.readouterr().out.splitlines()


def test_a_table_that_fits_is_as_wide_as_its_cells(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert printed(capsys, monkeypatch, 80) == [
        "id   source                              btf     tags",
        "4.4  snapshot linux-image-4.4.0-1-amd64  auto    @legacy @lts",
        "6.1  debian                              kernel",
    ]


def test_cells_are_broken_between_words_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert printed(capsys, monkeypatch, 50) == [
        "id   source                     btf     tags",
        "4.4  snapshot                   auto    @legacy",
        "     linux-image-4.4.0-1-amd64          @lts",
        "6.1  debian                     kernel",
    ]


def test_columns_that_can_be_spared_go_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(capsys, monkeypatch, 36)
    assert lines[0] == "id   source                tags"
    assert all(len(line) <= 36 for line in lines)


def test_a_row_is_lines_where_nothing_else_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert printed(capsys, monkeypatch, 20) == [
        "4.4",
        "  source: snapshot",
        "          linux-image-4.4.0-1-amd64",
        "6.1",
        "  source: debian",
    ]
