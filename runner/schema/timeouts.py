"""The reference table of timeouts, made from the table that the runner uses."""

from runner import timeouts
from runner.schema.page import BEGIN


def filled(page: str) -> str:
    """Return a page with the table below the mark.

    Raises ValueError when there is no mark.
    """
    introduction, mark, _ = page.partition(BEGIN)
    if not mark:
        raise ValueError(f"the page lacks the line {BEGIN}")
    rows = [
        f"| {it.name} | {it.seconds:g} | {it.why} | `{it.option}` |\n"
        for it in timeouts.TABLE
    ]
    head = "| what | seconds | why | raised by |\n| --- | --- | --- | --- |\n"
    return f"{introduction}{BEGIN}\n\n{head}{''.join(rows)}"
