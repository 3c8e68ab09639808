"""The reference table of timeouts, made from the table that the runner uses."""

from runner import timeouts
from runner.schema.page import below_mark


def filled(page: str) -> str:
    """Return a page with the table below the mark.

    Raises ValueError when there is no mark.
    """
    rows = [
        f"| {it.name} | {it.seconds:g} | {it.why} | `{it.option}` |\n"
        for it in timeouts.TABLE
    ]
    head = "| what | seconds | why | raised by |\n| --- | --- | --- | --- |\n"
    return below_mark(page, head + "".join(rows))
