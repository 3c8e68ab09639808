"""The templates: of the page and the pictures, which escape all text, and of text."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from runner.reports.text import clean

# Characters of a log that a page holds: the start says what was relocated, the end
# why it was refused. The whole is in results.json.
_HEAD, _TAIL = 4_000, 12_000


def render(template: str, **values: object) -> str:
    """Return what a template says; every text is cleaned and escaped but Markup."""
    return _environment().get_template(template).render(values)


def of_text(
    filters: Mapping[str, Callable[..., object]],
    finalize: Callable[[str], Markup] | None = None,
) -> Environment:
    """Return the templates of plain text, in which block tags leave no blank lines.

    `finalize` says how text stands in it; without one it stands as it is.
    """
    environment = Environment(
        loader=PackageLoader(__package__ or "", "templates"),
        autoescape=finalize is not None,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment


@cache
def own_text(name: str) -> str:
    """Return a file that lies next to the templates."""
    return (
        resources.files(__package__)
        .joinpath("templates", name)
        .read_text(encoding="utf-8")
    )


def style(*names: str) -> str:
    """Return the style that all pages of this project have, and those named."""
    return "".join(own_text(name) for name in ("theme.css", *names))


def excerpt(text: str, *, head: int = _HEAD, tail: int = _TAIL) -> str:
    """Return a log without terminal sequences, and without its middle if it is long."""
    if len(text) > 3 * (head + tail):
        # Whole logs of a large run take seconds to clean.
        text = _cut(text, 2 * head, 2 * tail)
    text = clean(text).strip("\n")
    return text if len(text) <= head + tail else _cut(text, head, tail)


def _cut(text: str, head: int, tail: int) -> str:
    left = len(text) - head - tail
    note = f"\n[… {left} characters are left out; see results.json …]\n"
    return text[:head] + note + text[-tail:]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__ or "", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finished,
    )
    environment.filters["excerpt"] = excerpt
    return environment


def _finished(value: object) -> object:
    """Return a value as it may be shown, before it is escaped."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return clean(value)
    return value
