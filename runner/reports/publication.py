"""The reports of a release, as a project keeps them in its repository."""

from runner.reports import resultsfile
from runner.reports.formats import FORMATS, Format, release_notes
from runner.results import CaseResult, KernelRun, Outcome, RunResults


def published(results: RunResults) -> RunResults:
    """Return results without what is about one machine, or fills a repository.

    Commands and folders of the machine go, and so do the logs of cases that did what
    their suite says. The rest serves as a baseline as before.
    """
    return results.model_copy(
        update={
            "kernels": tuple(_kernel(it) for it in results.kernels),
            "cases": tuple(_case(it) for it in results.cases),
        }
    )


def _kernel(run: KernelRun) -> KernelRun:
    return run.model_copy(update={"qemu_command": "", "libbpf_source": ""})


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
        "compatibility",
        "compatibility.md",
        "which kernels the release works on",
        release_notes,
    ),
    next(it for it in FORMATS if it.name == "matrix"),
)
