"""Cases that are to run with several loaders: one case for each."""

from collections.abc import Iterable, Iterator

from runner.suites.model import Case, Loader


def loaders_of(case: Case) -> tuple[Loader, ...]:
    """Return the loaders of a case that lists some; empty for all other cases."""
    if not isinstance(case.loader, tuple):
        return ()
    return tuple(it for it in case.loader if isinstance(it, str))


def expanded(cases: Iterable[Case]) -> Iterator[Case]:
    """Yield cases, and in place of one with a list of loaders one for each of them.

    They are called NAME[LOADER]. The first one succeeds the case that was called NAME
    before it had a list.
    """
    for case in cases:
        loaders = loaders_of(case)
        if not loaders:
            yield case
        for loader in loaders:
            yield case.model_copy(
                update={
                    "name": f"{case.name}[{loader}]",
                    "loader": loader,
                    "was": (case.name, *case.was) if loader == loaders[0] else (),
                }
            )
