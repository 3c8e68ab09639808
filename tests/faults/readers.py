"""Whoever reads what a run left behind says incomplete, or the same as all others."""

import json
from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from runner.errors import ExitStatus
from runner.reports import markdown, merging, pictures, sarif
from runner.reports.criteria import Criteria
from runner.reports.merging import FoundRun
from runner.results import RunResults

# What files for people say of a run that did not pass.
_NOT_PASSED = ("incomplete", "incompatible", "no verdict", "fails on")


def of_results(found: RunResults) -> Iterator[str]:
    """Yield the readers of an incomplete results.json that take it for a whole one."""
    if found.complete:
        return
    if Criteria().report(found).status is ExitStatus.COMPATIBLE:
        yield "an incomplete run passes the gate"
    if "incomplete" not in pictures.badge(found):
        yield "the badge of an incomplete run does not say so"
    if "incomplete" not in markdown.render(found):
        yield "the summary of an incomplete run does not say so"
    ran = json.loads(sarif.document(found))["runs"][0]["invocations"][0]
    if ran["executionSuccessful"]:
        yield "SARIF of an incomplete run says that it was successful"
    part = FoundRun(folder=Path(), results=found)
    if merging.merge([part], allow_mixed=True).complete:
        yield "a merged incomplete run is complete"


def of_files(folder: Path) -> Iterator[str]:
    """Yield files that look like those of a run that passed, or can't be read.

    One case of each kernel fails on purpose, so that none of them did.
    """
    for path in sorted(folder.glob("*/junit.xml")):
        try:
            root = etree.parse(str(path)).getroot()
        except (etree.XMLSyntaxError, OSError) as error:
            yield f"{path}: {error}"
            continue
        if root.get("errors") == "0" and root.get("failures") == "0":
            yield f"{path} is green"
    for name in ("badge.svg", "summary.md"):
        path = folder / name
        if path.exists() and not any(it in path.read_text() for it in _NOT_PASSED):
            yield f"{name} says that the run passed"
