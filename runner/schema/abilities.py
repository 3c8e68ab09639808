"""The reference table of abilities, made from the table that predictions use."""

from runner.facts.abilities import ABILITIES, Ability
from runner.schema.page import below_mark


def filled(page: str) -> str:
    """Return a page with the table below the mark.

    Raises ValueError when there is no mark.
    """
    rows = [
        f"| `{it.name}` | {it.words.replace('|', '/')} | {it.since} | {it.source} | "
        f"{_elsewhere(it)} |\n"
        for it in ABILITIES.values()
    ]
    head = (
        "| ability | what it is | since | known from | elsewhere |\n"
        "| --- | --- | --- | --- | --- |\n"
    )
    return below_mark(page, head + "".join(rows))


def _elsewhere(ability: Ability) -> str:
    return "; ".join(
        f"{name} {it.version or 'not yet'} ({it.source})"
        for name, it in ability.elsewhere.items()
    )
