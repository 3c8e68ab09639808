"""What changes for an object from each kernel to the next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from runner.bpf.object import BpfObject
from runner.preflight import targets
from runner.preflight.changes import (
    Change,
    FeatureChange,
    SignatureChange,
    changes,
    feature_changes,
    new_findings,
    signature_changes,
)
from runner.preflight.engine import Engine
from runner.preflight.history import has_field, is_field
from runner.preflight.model import Finding, Prediction
from runner.preflight.predict import Loader, PredictedObject, predict
from runner.preflight.targets import BtfSource


@dataclass(frozen=True, kw_only=True)
class KernelStep:
    """Two kernels behind each other."""

    before: BtfSource
    after: BtfSource
    # In the order of the object's relocations, each once.
    changes: tuple[Change, ...]
    # In the order of the object's features.
    features: tuple[FeatureChange, ...] = ()
    # Arguments that programs read.
    signatures: tuple[SignatureChange, ...] = ()
    # What is wrong on the second kernel, and was right on the first.
    findings: tuple[Finding, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes."""
        return not (self.changes or self.features or self.signatures or self.findings)


def steps(
    item: BpfObject, sources: Sequence[BtfSource], engine: Engine, loader: Loader
) -> Iterator[KernelStep]:
    """Yield what changes from each kernel to the next, as they are ordered.

    Where a kernel lacks something, the place that it had in the kernel before says
    what is there now. Raises RunnerError for an object or BTF that can't be used.
    """
    subject = PredictedObject(item, engine)
    last: tuple[BtfSource, Prediction] | None = None
    for source in sources:
        target = targets.load(source)
        engine.load_target(target.btf, target.modules)
        like = last[1] if last else None
        prediction = predict(subject, target, engine, loader, like=like)
        if last:
            lately = _without_old(prediction, last, engine)
            found = _once(changes(last[1], lately))
            yield KernelStep(
                before=last[0],
                after=source,
                changes=found,
                features=tuple(feature_changes(last[1], prediction)),
                signatures=tuple(signature_changes(last[1], prediction)),
                findings=tuple(new_findings(last[1], prediction)),
            )
        last = source, prediction


def _without_old(
    prediction: Prediction, last: tuple[BtfSource, Prediction], engine: Engine
) -> Prediction:
    """Drop what the kernel before had as well: that is not what became of a field.

    But for the field itself, where it has another type now.
    """
    names = {
        candidate.access
        for was, it in zip(last[1].relocations, prediction.relocations, strict=True)
        for candidate in it.candidates
        if was.field and not it.has_another_type and is_field(candidate.access)
    }
    if not names:
        return prediction
    target = targets.load(last[0])
    engine.load_target(target.btf, target.modules)
    old = {name for name in names if has_field(name, engine)}
    relocations = (
        it
        if it.has_another_type
        else replace(
            it, candidates=tuple(c for c in it.candidates if c.access not in old)
        )
        for it in prediction.relocations
    )
    return replace(prediction, relocations=tuple(relocations))


def _once(found: Iterator[Change]) -> tuple[Change, ...]:
    """Keep one change of each field, however often the object reads that."""
    known = {(it.access, it.difference, it.before, it.after): it for it in found}
    return tuple(known.values())
