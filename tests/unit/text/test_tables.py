"""What tables look like where they are copied from."""

import io

from rich.console import Console
from rich.table import Table

from runner.text.tables import filled, print_table


def test_lines_end_where_their_text_ends() -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("id", "a long title"):
        table.add_column(column)
    table.add_row("4.4", "[red]x[/]")
    console = Console(file=io.StringIO(), width=40)

    print_table(console, table)

    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "id   a long title\n4.4  x\n"


def test_an_empty_column_is_left_out() -> None:
    rows = [("4.4", "", "x"), ("5.10", "", "")]

    assert filled(("id", "about", "note"), rows) == (
        ["id", "note"],
        [["4.4", "x"], ["5.10", ""]],
    )


def test_a_table_without_rows_keeps_its_columns() -> None:
    assert filled(("id", "note"), []) == (["id", "note"], [])
