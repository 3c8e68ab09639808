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
