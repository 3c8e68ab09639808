"""Cases that run several times: with several loaders, or of several builds."""

from collections.abc import Iterable, Iterator

from runner.suites import builds
from runner.suites.builds import Variant
from runner.suites.model import Case, Loader, Suite


def loaders_of(case: Case) -> tuple[Loader, ...]:
    """Return the loaders of a case that lists some; empty for all other cases."""
    if not isinstance(case.loader, tuple):
        return ()
    return tuple(it for it in case.loader if isinstance(it, str))


def of_case(suite: Suite, case: Case) -> tuple[Variant, ...]:
    """Return the builds that a case runs with: its own, or else those of its suite.

    Without any, it runs once, as it is. A suite's are for sources only.
    """
    if "variants" in case.model_fields_set:
        return builds.listed(case.variants)
    return builds.listed(suite.variants) if case.object.endswith(".c") else ()


def of_suite(suite: Suite) -> Suite:
    """Return a suite whose cases are those that run: one for each variant."""
    return suite.model_copy(update={"cases": tuple(each(suite, suite.cases))})


def each(suite: Suite, cases: Iterable[Case]) -> Iterator[Case]:
    """Yield the cases that run in the place of some that a suite lists.

    A case with variants is called NAME[VARIANT], one with several loaders
    NAME[LOADER]. The first one succeeds the case that was called NAME before it had
    some.
    """
    for case in cases:
        for built in _built(case, of_case(suite, case)):
            yield from _loaded(built)


def _built(case: Case, variants: tuple[Variant, ...]) -> Iterator[Case]:
    if not variants:
        yield case
    for variant in variants:
        expected = case.expect_failure
        if expected is not None and not expected.of_variant(variant.label):
            expected = None
        yield case.model_copy(
            update={
                **_named(case, variant.label, is_first=variant is variants[0]),
                "variants": (variant,),
                "variables": {**case.variables, **variant.variables},
                "expect_failure": expected,
            }
        )


def _loaded(case: Case) -> Iterator[Case]:
    loaders = loaders_of(case)
    if not loaders:
        yield case
    for loader in loaders:
        named = _named(case, loader, is_first=loader == loaders[0])
        yield case.model_copy(update={**named, "loader": loader})


def _named(case: Case, what: str, *, is_first: bool) -> dict[str, object]:
    return {
        "name": f"{case.name}[{what}]",
        "was": (case.name, *case.was) if is_first else (),
    }
