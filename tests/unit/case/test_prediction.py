"""A boot that belies a prediction is told; one that it can't judge is not."""

from dataclasses import replace

import pytest

from runner.case.prediction import Booted, disagreement
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
LOADED = Booted(loaded=True, failure_class="")


def refused(failure_class: str) -> Booted:
    return Booted(loaded=False, failure_class=failure_class)


@pytest.mark.parametrize("prediction", [REJECTED, CRASHES])
def test_what_loads_against_a_prediction_is_told_with_its_reason(
    prediction: Prediction,
) -> None:
    said = disagreement(prediction, LOADED)

    assert "it loads" in said
    assert prediction.reasons[0] in said


@pytest.mark.parametrize(
    "name", ["poison_reachable", "relocation_ambiguous", "unreached_call_oops"]
)
def test_what_a_relocation_breaks_against_a_prediction_is_told(name: str) -> None:
    assert name in disagreement(LOADS, refused(name))


@pytest.mark.parametrize(
    ("prediction", "booted"),
    [
        (LOADS, LOADED),
        (LOADS, Booted(loaded=True, failure_class="wrong_value")),
        (REJECTED, refused("poison_reachable")),
        # The verifier has more to say than relocations and features.
        (LOADS, refused("stack_uninitialised")),
        # What BTF does not tell may guard it.
        (replace(REJECTED, by_config=True), LOADED),
    ],
)
def test_what_agrees_or_can_not_be_judged_is_not_told(
    prediction: Prediction, booted: Booted
) -> None:
    assert disagreement(prediction, booted) == ""
