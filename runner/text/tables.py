"""Tables on the terminal: no blanks at the ends of lines, and no empty columns."""

from collections.abc import Collection, Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from runner.text import console


def print_rows(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: Collection[str] = (),
    whole: Collection[str] = (),
) -> None:
    """Print rows of markup, without the columns in which every row is empty.

    `right` are the columns that are aligned to the right, `whole` those that are never
    broken into lines, such as names that people copy.
    """
    all_rows = list(rows)
    kept = [
        number
        for number, _ in enumerate(columns)
        if not all_rows or any(row[number] for row in all_rows)
    ]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in map(columns.__getitem__, kept):
        table.add_column(
            name,
            overflow="fold",
            justify="right" if name in right else "left",
            no_wrap=name in whole,
        )
    for row in all_rows:
        table.add_row(*map(row.__getitem__, kept))
    print_table(console.make(), table)


def print_table(to: Console, table: Table) -> None:
    """Print a table; what is copied from it ends where its text ends."""
    for segments in to.render_lines(table, pad=False):
        line = Text.assemble(*((it.text, it.style or "") for it in segments))
        line.rstrip()
        to.print(line, soft_wrap=True, highlight=False)
