"""The files that reports are made of: one row a format."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from runner.errors import UsageError
from runner.reports import (
    junit,
    markdown,
    page,
    pictures,
    releasepages,
    resultsfile,
    sarif,
)
from runner.reports.criteria import Report


@dataclass(frozen=True)
class Format:
    """A way to tell a run."""

    # As --format names it.
    name: str
    # Names of the files, or patterns of them.
    pattern: str
    # What is in it, for people.
    about: str
    # The file's text; several files, by their names; or none at all.
    make: Callable[[Report], str | Mapping[str, str]]

    def files(self, report: Report) -> Mapping[str, str]:
        """Return the files' texts by their paths below the folder of reports."""
        made = self.make(report)
        return {self.pattern: made} if isinstance(made, str) else made


def _junit(report: Report) -> Mapping[str, str]:
    found = junit.documents(report.results)
    return {f"{kernel.id}/junit.xml": text for kernel, text in found}


def release_files(report: Report) -> Mapping[str, str]:
    """Return the release report; nothing of a run that is for no release."""
    if report.release is None:
        return {}
    return {
        releasepages.MARKDOWN: releasepages.notes(report.release),
        releasepages.HTML: releasepages.page(report.release),
        releasepages.JSON: releasepages.document(report.release),
    }


def _summary(report: Report) -> str:
    return markdown.render(
        report.results, report.comparison, release=report.release, gate=report.gate
    )


# In the order in which they are written.
FORMATS = (
    # First: all the others can be made from it, and a disk may be full.
    Format(
        "json",
        "results.json",
        "everything, for other programs and as a baseline",
        lambda it: resultsfile.dump(it.measured or it.results),
    ),
    Format("junit", "*/junit.xml", "JUnit for each kernel", _junit),
    Format("markdown", "summary.md", "a summary for a job or a comment", _summary),
    Format(
        "sarif",
        "results.sarif",
        "failures for code scanning",
        lambda it: sarif.document(it.results, it.comparison),
    ),
    Format(
        "release",
        "release.*",
        "the compatibility report of a release; with --release",
        release_files,
    ),
    Format(
        "html",
        "report.html",
        "a web page with search and details; needs no network",
        lambda it: page.render(it.results, it.comparison, it.release, it.gate),
    ),
    Format(
        "badge",
        "badge.svg",
        "which kernels work, for a README",
        lambda it: pictures.badge(it.results),
    ),
    Format(
        "matrix",
        "matrix.svg",
        "a picture of kernels and suites, for a README",
        lambda it: pictures.matrix(it.results),
    ),
)


def chosen(names: Sequence[str]) -> tuple[Format, ...]:
    """Return the formats of these names, all without any, in the order of writing.

    A name may be a comma list. Raises UsageError for one that there is not.
    """
    wanted = {word.strip() for name in names for word in name.split(",")}
    known = {it.name: it for it in FORMATS}
    for name in sorted(wanted):
        if name not in known:
            raise UsageError(
                f"--format {name}: there is no such format",
                hint=f"the formats are {', '.join(known)}",
            )
    return tuple(it for it in FORMATS if not wanted or it.name in wanted)
