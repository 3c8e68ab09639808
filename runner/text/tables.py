"""Tables on the terminal: no blanks at the ends of lines, and no empty columns."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from runner.text import console
from runner.text.wrap import print_wrapped

# Between columns.
_GAP = 2
# Longer words are broken: names of packages are not, but rather than a column is lost.
_LONGEST_WORDS = (28, 20)


def print_rows(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: Collection[str] = (),
    whole: Collection[str] = (),
    spare: Sequence[str] = (),
) -> None:
    """Print rows of markup, without the columns in which every row is empty.

    `right` are the columns that are aligned to the right, `whole` those that are never
    broken into lines, such as names that people copy. No word is broken that is not
    very long: where the terminal is too narrow, columns of `spare` are left out, in
    this order, and then each row is printed as lines.
    """
    to = console.make()
    all_rows = list(rows)
    shown = {
        name: [row[number] for row in all_rows]
        for number, name in enumerate(columns)
        if not all_rows or any(row[number] for row in all_rows)
    }
    for most in _LONGEST_WORDS:
        least = {
            name: _least([name, *cells], None if name in whole else most)
            for name, cells in shown.items()
        }
        if _width(least, shown) <= to.width:
            break
    for name in spare:
        if _width(least, shown) > to.width:
            shown.pop(name, None)
    if _width(least, shown) > to.width:
        _print_lines(to, shown, len(all_rows))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, width in _widths(least, shown, to.width).items():
        justify: JustifyMethod = "right" if name in right else "left"
        table.add_column(name, overflow="fold", justify=justify, width=width)
    for cells in zip(*shown.values(), strict=True):
        table.add_row(*cells)
    print_table(to, table)


def _least(cells: Iterable[str], most: int | None) -> int:
    """Return the width of the longest word of a column, but at most `most`.

    That of the longest cell where `most` is None.
    """
    texts = [Text.from_markup(it).plain for it in cells]
    if most is None:
        return max(map(cell_len, texts))
    words = (cell_len(word) for it in texts for word in it.split())
    return min(max(words, default=0), most)


def _widths(
    least: Mapping[str, int], shown: Mapping[str, Sequence[str]], room: int
) -> dict[str, int]:
    """Return how wide each column is: as its cells, or else narrower, the widest first.

    rich narrows all columns in proportion, and breaks words then.
    """
    widths = {name: _least([name, *cells], None) for name, cells in shown.items()}
    while _width(widths, shown) > room:
        wide = [name for name in shown if widths[name] > least[name]]
        widest = max(wide, key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def _width(least: Mapping[str, int], shown: Collection[str]) -> int:
    return sum(least[name] for name in shown) + _GAP * (len(shown) - 1)


def _print_lines(to: Console, shown: Mapping[str, Sequence[str]], rows: int) -> None:
    """Print each row as lines: its first cell, and the others below, with titles."""
    (_, titles), *others = shown.items()
    for number in range(rows):
        print_wrapped(to, Text.from_markup(f"[bold]{titles[number]}[/]"))
        for name, cells in others:
            if cells[number]:
                head = f"{name}: "
                text = Text(head, "dim").append_text(Text.from_markup(cells[number]))
                print_wrapped(to, text, "  ", " " * len(head))


def print_table(to: Console, table: Table) -> None:
    """Print a table; what is copied from it ends where its text ends."""
    for segments in to.render_lines(table, pad=False):
        line = Text.assemble(*((it.text, it.style or "") for it in segments))
        line.rstrip()
        to.print(line, soft_wrap=True, highlight=False)
