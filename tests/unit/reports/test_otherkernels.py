"""A cure speaks of other kernels only where the same run saw them."""

from pathlib import Path
from typing import Any

from runner.reports import merging, otherkernels
from runner.results import CaseResult, RunResults
from tests.unit.reports.runs import F, P, case, kernel, run

CURE = "test it right behind the call"


def refused(on: str, failure_class: str = "pointer_may_be_null") -> CaseResult:
    return case(on, F, failure_class=failure_class, cure=CURE)


def cures(*cases: CaseResult, **more: Any) -> dict[str, str]:
    found = otherkernels.told(run(*cases, **more))
    assert otherkernels.told(found) == found
    return {it.kernel: it.cure.removeprefix(CURE) for it in found.cases}


def test_nothing_is_said_of_kernels_that_were_not_seen() -> None:
    assert cures(refused("6.12")) == {"6.12": ""}
    assert cures(refused("6.1"), refused("6.12")) == {"6.1": "", "6.12": ""}


def test_older_and_newer_kernels_that_load_it_are_named() -> None:
    older = cures(case("5.10", P), case("6.1", P), refused("6.12"))
    assert older["6.12"] == (
        ". In this run 5.10, 6.1, which are older, load it: newer kernels ask for more "
        "here"
    )
    newer = cures(refused("5.10"), refused("6.1"), case("6.12", P))
    assert newer["5.10"] == newer["6.1"]
    assert newer["6.1"].endswith(
        "which is newer, loads it: newer kernels accept more here"
    )
    both = cures(case("5.10", P), refused("6.1"), case("6.12", P))
    assert both["6.1"] == ". In this run 5.10, 6.12 load it"


def test_what_is_expected_to_be_refused_does_not_load() -> None:
    expected = case("5.10", P, failure_class="pointer_may_be_null")
    assert cures(expected, refused("6.12"))["6.12"] == ""


def test_other_cases_other_architectures_and_other_classes_say_nothing() -> None:
    assert cures(case("5.10", P, "other"), refused("6.12"))["6.12"] == ""
    assert cures(case("5.10", P), refused("6.12", "poison_reachable"))["6.12"] == ""
    arms = (kernel("5.10", arch="arm64"), kernel("6.12"))
    assert cures(case("5.10", P), refused("6.12"), kernels=arms)["6.12"] == ""


def test_a_merge_says_what_its_parts_could_not() -> None:
    def part(*cases: CaseResult) -> merging.FoundRun:
        results: RunResults = otherkernels.told(run(*cases))
        return merging.FoundRun(folder=Path(cases[0].kernel), results=results)

    merged = merging.merge(
        [part(case("6.1", P)), part(refused("6.12"))], allow_mixed=True
    )
    (found,) = (it.cure for it in merged.cases if it.kernel == "6.12")
    assert found.endswith(
        "6.1, which is older, loads it: newer kernels ask for more here"
    )
