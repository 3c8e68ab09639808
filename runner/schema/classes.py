"""The reference page of failure classes, made from their table."""

import re
from collections.abc import Iterable

from runner.failures.classes import CLASSES, PLACES, FailureClass, related_to
from runner.schema.page import below_mark


def filled(page: str, classes: Iterable[FailureClass] = CLASSES.values()) -> str:
    """Return a page with a section for each class below the mark.

    Raises ValueError when there is no mark.
    """
    return below_mark(page, "\n".join(map(_section, classes)))


def _section(failure: FailureClass) -> str:
    lines = [
        f"## {failure.name}",
        "",
        f"**Means:** {failure.meaning}.",
        "",
        f"**What to do:** {failure.cure}.",
        "",
        f"**How sure:** {f'likely; {failure.doubt}' if failure.doubt else 'certain'}.",
        "",
    ]
    if failure.refines:
        name = f"[{failure.refines}](#{failure.refines})"
        lines += [f"**A kind of:** {name}; a suite that declares that accepts it.", ""]
    links = [f"[{it.name}](#{it.name})" for it in related_to(failure)]
    if links:
        lines += [f"**See also:** {', '.join(links)}.", ""]
    for place, words in PLACES:
        patterns: tuple[re.Pattern[str], ...] = getattr(failure, place)
        if patterns:
            lines += [f"Shown {words} by", ""]
            lines += [f"- `{pattern.pattern}`" for pattern in patterns]
            lines.append("")
    return "\n".join(lines)
