"""The reference table of abilities, made from the table that predictions use."""

from runner.facts.abilities import ABILITIES
from runner.schema.page import below_mark


def filled(page: str) -> str:
    """Return a page with the table below the mark.

    Raises ValueError when there is no mark.
    """
    rows = [
        f"| `{it.name}` | {it.words.replace('|', '/')} | {it.since} | {it.source} |\n"
        for it in ABILITIES.values()
    ]
    head = "| ability | what it is | since | known from |\n| --- | --- | --- | --- |\n"
    return below_mark(page, head + "".join(rows))
