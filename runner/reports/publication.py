"""The reports of a release, as a project keeps them in its repository."""

from runner.reports import resultsfile
from runner.reports.formats import FORMATS, Format, release_files
from runner.reports.paths import without_paths
from runner.results import CaseResult, KernelRun, Outcome, RunResults


def published(results: RunResults) -> RunResults:
    """Return results without what is about one machine, or fills a repository.

    Commands and folders of the machine go, and so do the logs of cases that did what
    their suite says. The rest serves as a baseline as before.
    """
    known = frozenset(it.source_path for it in results.cases if it.source_path)
    return results.model_copy(
        update={
            "kernels": tuple(_kernel(it) for it in results.kernels),
            "cases": tuple(_anywhere(_case(it), known) for it in results.cases),
        }
    )


def _kernel(run: KernelRun) -> KernelRun:
    return run.model_copy(update={"qemu_command": "", "libbpf_source": ""})


def _anywhere(case: CaseResult, known: frozenset[str]) -> CaseResult:
    """Return a case without paths of the machine; the names it has stay."""
    names = ("kernel", "suite", "case", "was")
    kept = {name: getattr(case, name) for name in names}
    return without_paths(case, known).model_copy(update=kept)


def _case(case: CaseResult) -> CaseResult:
    if case.outcome not in (Outcome.PASSED, Outcome.SKIPPED):
        return case
    return case.model_copy(update={"log": "", "console": "", "commands": ()})


# In the order in which they are written.
FORMATS_OF_A_RELEASE = (
    Format(
        "json",
        "results.json",
        "what a later run compares itself with",
        lambda it: resultsfile.dump(published(it.results)),
    ),
    Format(
        "release",
        "release.*",
        "which kernels the release works on",
        release_files,
    ),
    next(it for it in FORMATS if it.name == "matrix"),
)
