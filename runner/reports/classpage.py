"""A class of failures as `explain` shows it: its meaning, its looks, its cure."""

from collections.abc import Iterable

from rich.console import Console

from runner.failures.classes import CLASSES, PLACES, related_to
from runner.reports import failure, styled
from runner.results import CaseResult

_MOST_SEEN = 10


def render(name: str, seen: Iterable[CaseResult], console: Console) -> None:
    """Print the page of a class; `seen` are the cases of the last run."""
    of_class = CLASSES[name]
    cases = [it for it in seen if it.failure_class == name]
    looks = (
        (words, [it.pattern for it in getattr(of_class, place)])
        for place, words in PLACES
    )
    text = styled.template("class.j2", failure.FILTERS).render(
        failure=of_class,
        looks=[(words, patterns) for words, patterns in looks if patterns],
        related=related_to(of_class),
        seen=[f"{it.suite}::{it.case}@{it.kernel}" for it in cases[:_MOST_SEEN]],
        more=max(0, len(cases) - _MOST_SEEN),
    )
    styled.print_text(console, text.lstrip("\n"))
