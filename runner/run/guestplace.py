"""Which line of which file asks for the guest that a case can't have."""

from pathlib import Path

from runner.errors import UsageError
from runner.files import yamlfile
from runner.files.modelfile import Where
from runner.files.yamlfile import YamlSource
from runner.guest.environment import EnvironmentUnavailableError
from runner.kernels.rows import KernelChoice
from runner.suites.model import Case
from runner.suites.suitefile import LoadedSuite

_GUEST = "guest"


def located(
    error: EnvironmentUnavailableError,
    *,
    case: Case,
    suite: LoadedSuite,
    kernel: str,
    choice: KernelChoice,
) -> EnvironmentUnavailableError:
    """Return an error that begins with the place of what was asked for, as it counts.

    That is in the case, in its suite, on the command line or in the kernel's row. An
    error that does not tell what it is about stays as it is.
    """
    where = error.where
    if not where:
        return error
    found = _of_suite(where, case, suite) or _of_kernel(where, kernel, choice)
    if not found:
        return error
    return EnvironmentUnavailableError(
        f"{found}: {error.message}",
        hint=error.hint,
        name=error.failure_class,
        where=where,
    )


def _of_suite(where: Where, case: Case, suite: LoadedSuite) -> str:
    places = [(*suite.place(case), *where)]
    if where[0] == _GUEST:
        places.append(where)
    return next((_shown(suite.source, it) for it in places if suite.source.has(it)), "")


def _of_kernel(where: Where, kernel: str, choice: KernelChoice) -> str:
    if where[0] != _GUEST or len(where) == 1:
        return ""
    key = where[1]
    if any(word.partition("=")[0] == key for word in choice.guest):
        return f"--guest {key}"
    return _of_row(where, kernel, choice.matrix)


def _of_row(where: Where, kernel: str, matrix: Path) -> str:
    try:
        data, source = yamlfile.read(matrix)
    except UsageError:
        return ""
    rows = data.get("kernels") if isinstance(data, dict) else None
    for number, row in enumerate(rows if isinstance(rows, list) else []):
        at = ("kernels", number, *where)
        # A version of a row's source is ROW@VERSION.
        is_own = isinstance(row, dict) and row.get("id") == kernel.partition("@")[0]
        if is_own and source.has(at):
            return _shown(source, at)
    return ""


def _shown(source: YamlSource, where: Where) -> str:
    return f"{source.path}:{source.line(where)}: {yamlfile.shown(where)}"
