"""What became of cases, and what was not the same."""

import pytest

from runner.replay import outcome
from runner.replay.bundle import Bundle
from runner.replay.outcome import ReplayChange
from runner.results import Outcome
from tests.unit.replay.artifacts import RESULTS, index
from tests.unit.reports.runs import E, F, P, S, case, kernel, run

BUNDLE = Bundle.model_validate(index(runner="0.1.0", arch="riscv64"))


@pytest.mark.parametrize(
    ("after", "failure_class", "change"),
    [
        (F, "poison_reachable", ReplayChange.SAME),
        (F, "wrong_value", ReplayChange.ANOTHER),
        (P, "", ReplayChange.PASSES),
        (E, "", ReplayChange.ANOTHER),
        (S, "", ReplayChange.ANOTHER),
    ],
)
def test_classes_count(
    after: Outcome, failure_class: str, change: ReplayChange
) -> None:
    before = run(case("6.1", F))
    now = run(case("6.1", after, failure_class=failure_class, message="other words"))
    (found,) = outcome.replayed(before, now, {before.cases[0].key})
    assert found.change is change


def test_a_case_that_did_not_run_has_no_result() -> None:
    (found,) = outcome.replayed(RESULTS, run(), {RESULTS.cases[1].key})
    assert found.change is ReplayChange.NONE
    assert found.words == "failed [poison_reachable]"


def test_what_is_not_the_same_is_told() -> None:
    after = run(
        case("6.1", F),
        kernels=(kernel("6.1", image_sha256="bb" * 32, qemu="9.2", libbpf="1.4"),),
    )
    found = {
        it.what: it
        for it in outcome.circumstances(
            BUNDLE, RESULTS, after, {"6.1": "it is gone"}, ["task"]
        )
    }
    assert not found["architecture"].is_same
    assert not found["6.1: kernel"].is_same
    assert found["6.1: kernel"].here.endswith("(it is gone)")
    assert not found["6.1: qemu"].is_same
    assert found["suite task and its objects"].is_same
