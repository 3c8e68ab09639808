"""Why an object does not load, each reason at its place in the source."""

from collections.abc import Iterator

from runner.preflight.model import (
    Effect,
    Finding,
    FindingKind,
    InstructionPlace,
    Prediction,
    Verdict,
)

_REFUSED = (Verdict.REJECTED, Verdict.CRASHES)


def refusals(prediction: Prediction, file: str) -> Iterator[Finding]:
    """Yield the reasons of a refusal that no finding of the prediction tells.

    What concerns the object as a whole is in `file`, at no line of it.
    """
    if prediction.verdict not in _REFUSED:
        return
    told = {str(it) for it in prediction.findings}
    whole = InstructionPlace(program="", section="", instruction=0, file=file)
    places = {str(it.place): it for it in prediction.relocations}
    for reason in prediction.reasons:
        if reason in told:
            continue
        at, _, words = reason.partition(": ")
        relocation = places.get(at)
        yield Finding(
            kind=FindingKind.REFUSED,
            effect=Effect.NOT_LOADED,
            place=relocation.place if relocation else whole,
            subject=relocation.access if relocation else file,
            reason=words if relocation else reason,
        )
