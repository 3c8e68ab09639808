"""A boot that disagrees with a prediction is reported; one it can't judge is not."""

from dataclasses import replace

import pytest

from runner.case.prediction import disagreement
from runner.preflight.model import Prediction, Verdict

LOADS = Prediction(
    object_sha256="",
    btf_sha256=(),
    pointer_size=8,
    relocations=(),
    features=(),
    verdict=Verdict.LOADS,
    reasons=(),
)
REJECTED = replace(LOADS, verdict=Verdict.REJECTED, reasons=("x.c:1: a.b is missing",))
CRASHES = replace(LOADS, verdict=Verdict.CRASHES, reasons=("x.c:1: a.b is guarded",))


def after_refusal(prediction: Prediction, failure_class: str) -> str:
    return disagreement(prediction, loaded=False, failure_class=failure_class)


@pytest.mark.parametrize("prediction", [REJECTED, CRASHES])
def test_what_loads_against_a_prediction_is_told_with_its_reason(
    prediction: Prediction,
) -> None:
    said = disagreement(prediction, loaded=True, failure_class="")

    assert "it loads" in said
    assert prediction.reasons[0] in said


@pytest.mark.parametrize(
    "name", ["poison_reachable", "relocation_ambiguous", "unreached_call_oops"]
)
def test_what_a_relocation_breaks_against_a_prediction_is_told(name: str) -> None:
    assert name in after_refusal(LOADS, name)


@pytest.mark.parametrize(
    ("prediction", "failure_class"),
    [
        (LOADS, ""),
        (LOADS, "wrong_value"),
        # What BTF does not show may guard it.
        (replace(REJECTED, by_config=True), ""),
    ],
)
def test_a_load_that_agrees_or_can_not_be_judged_is_not_reported(
    prediction: Prediction, failure_class: str
) -> None:
    assert not disagreement(prediction, loaded=True, failure_class=failure_class)


@pytest.mark.parametrize(
    ("prediction", "failure_class"),
    [
        (REJECTED, "poison_reachable"),
        # The verifier has more to say than relocations and features.
        (LOADS, "stack_uninitialised"),
    ],
)
def test_a_refusal_that_agrees_or_can_not_be_judged_is_not_reported(
    prediction: Prediction, failure_class: str
) -> None:
    assert not after_refusal(prediction, failure_class)
