"""release.md, release.html and release.json: one release report for three readers."""

import base64
import hashlib
import json
from collections.abc import Iterable

from markupsafe import Markup, escape

from runner.reports import markdown, templating
from runner.reports.release import Release
from runner.reports.support import Support
from runner.reports.text import clean

MARKDOWN, HTML, JSON = "release.md", "release.html", "release.json"

# What stands before the name of a requirement.
_WORDS = {
    "base": "the system call ",
    "btf": "",
    "program": "programs of ",
    "map": "maps of type ",
    "helper": "the helper ",
}
# What colours a verdict.
_LOOKS = {
    Support.WORKS: "passed",
    Support.FAILS: "failed",
    Support.UNKNOWN: "error",
}


def notes(release: Release) -> str:
    """Return it as Markdown."""
    environment = templating.of_text({"code": markdown.code, "codes": _codes})
    template = environment.get_template("release.md.j2")
    text = template.render(release=release, row=markdown.row, words=_WORDS)
    return text.strip() + "\n"


def page(release: Release) -> str:
    """Return it as a web page, which needs no network."""
    style = templating.style("report.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return templating.render(
        "release.html.j2",
        release=release,
        words=_WORDS,
        looks=_LOOKS,
        spans=_spans,
        style=Markup(style),
        style_hash=f"sha256-{digest}",
    )


def document(release: Release) -> str:
    """Return it as JSON."""
    # Lone surrogates, of bytes that were no UTF-8, have no other form.
    data = release.model_dump(mode="json")
    text = json.dumps(data, indent=1, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode() + "\n"


def _spans(text: str) -> Markup:
    """Return a text as HTML, in which what stands in backticks is code."""
    parts = clean(text).split("`")
    if len(parts) % 2 == 0:
        # One has no partner.
        return escape(clean(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )


def _codes(found: Iterable[str], between: str = ", ") -> str:
    return between.join(markdown.code(it) for it in found if it)
