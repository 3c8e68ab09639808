"""Tables on the terminal: no blanks at the ends of lines, and no empty columns."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text


def filled(
    columns: Sequence[str], rows: Iterable[Sequence[str]]
) -> tuple[list[str], list[list[str]]]:
    """Return columns and rows without the columns in which every row is empty."""
    all_rows = list(rows)
    kept = [
        number
        for number, _ in enumerate(columns)
        if not all_rows or any(row[number] for row in all_rows)
    ]
    return (
        [columns[number] for number in kept],
        [[row[number] for number in kept] for row in all_rows],
    )


def print_table(console: Console, table: Table) -> None:
    """Print a table; what is copied from it ends where its text ends."""
    for segments in console.render_lines(table, pad=False):
        line = Text.assemble(*((it.text, it.style or "") for it in segments))
        line.rstrip()
        console.print(line, soft_wrap=True, highlight=False)
