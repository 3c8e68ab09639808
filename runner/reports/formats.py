"""The files that reports are made of: one row a format."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from runner.errors import UsageError
from runner.reports import junit, markdown, page, pictures, resultsfile, sarif
from runner.reports.terms import Report

# A file's path below the folder of reports, and its text.
File = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A way to tell a run."""

    # As --format names it.
    name: str
    # What is in it, for people.
    about: str
    # Names of the files, or patterns of them.
    pattern: str
    files: Callable[[Report], Iterator[File]]


def _one(
    path: str, text: Callable[[Report], str]
) -> Callable[[Report], Iterator[File]]:
    def files(report: Report) -> Iterator[File]:
        yield path, text(report)

    return files


def _junit(report: Report) -> Iterator[File]:
    for kernel, text in junit.documents(report.results):
        yield f"{kernel.id}/junit.xml", text


def _release(report: Report) -> Iterator[File]:
    if report.release is not None:
        yield "release.md", markdown.release_notes(report.results, report.release)


def _summary(report: Report) -> str:
    return markdown.render(
        report.results, report.comparison, release=report.release, gate=report.gate
    )


# In the order in which they are written.
FORMATS = (
    # First: all the others can be made from it, and a disk may be full.
    Format(
        name="json",
        about="everything, for other programs and as a baseline",
        pattern="results.json",
        files=_one("results.json", lambda it: resultsfile.dump(it.results)),
    ),
    Format(
        name="junit",
        about="JUnit for each kernel",
        pattern="*/junit.xml",
        files=_junit,
    ),
    Format(
        name="markdown",
        about="a summary for a job or a comment",
        pattern="summary.md",
        files=_one("summary.md", _summary),
    ),
    Format(
        name="sarif",
        about="failures for code scanning",
        pattern="results.sarif",
        files=_one(
            "results.sarif", lambda it: sarif.document(it.results, it.comparison)
        ),
    ),
    Format(
        name="release",
        about="the compatibility report of a release; with --release",
        pattern="release.md",
        files=_release,
    ),
    Format(
        name="html",
        about="a web page with search and details; needs no network",
        pattern="report.html",
        files=_one(
            "report.html",
            lambda it: page.render(it.results, it.comparison, it.release, it.gate),
        ),
    ),
    Format(
        name="badge",
        about="which kernels work, for a README",
        pattern="badge.svg",
        files=_one("badge.svg", lambda it: pictures.badge(it.results)),
    ),
    Format(
        name="matrix",
        about="a picture of kernels and suites, for a README",
        pattern="matrix.svg",
        files=_one("matrix.svg", lambda it: pictures.matrix(it.results)),
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
