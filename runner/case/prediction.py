"""What preflight says of a case before it runs, and whether its boot agrees."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from runner.bpf import object as bpf_object
from runner.errors import RunnerError
from runner.facts.model import Presence
from runner.guest.guest import Guest
from runner.guest.objectsettings import ObjectSettings
from runner.preflight import securityhooks
from runner.preflight.check import Checker, CheckJob
from runner.preflight.model import Effect, KernelNeed, Prediction, Verdict
from runner.preflight.predict import Loader
from runner.preflight.targets import BtfSource
from runner.suites.model import OTHER_LOADERS, Case

log = logging.getLogger(__name__)

# What a kernel refuses objects for when a relocation went wrong there, or kills it for.
OF_RELOCATIONS = frozenset(
    {
        "poison_reachable",
        "guard_undecided",
        "relocation_ambiguous",
        "signed_field_resized",
        "unreached_call_oops",
    }
)


# What they are refused for that prototypes show, and what else an object asks for.
_OF_ARGUMENTS = frozenset({"target_argument_missing", "target_arguments_unsupported"})
_OF_NEEDS = {
    "kfunc_missing": (KernelNeed.KFUNC,),
    "extern_missing": (KernelNeed.KFUNC, KernelNeed.KSYM),
}


# What a target says of a program.
_OF_TARGETS = ("type", "target")


@dataclass(frozen=True, kw_only=True)
class Foretold:
    """What preflight says of a case, or why it says nothing."""

    prediction: Prediction | None = None
    # Empty where it was not asked.
    why_not: str = ""
    # Whether the boot must agree: predictions are about libbpf.
    binds: bool = True


def predicted(
    case: Case,
    object_path: Path,
    wanted: ObjectSettings,
    guest: Guest,
    extended: Path | None = None,
) -> Foretold:
    """Return what preflight says; it never holds a case up for long.

    `wanted` is what is set of the object before it is loaded, `extended` the object
    that it extends.
    """
    artifact, loader = guest.artifact, case.loader_on(guest.on)
    is_other = loader in OTHER_LOADERS
    if artifact.btf is None or not guest.engine.exists():
        return Foretold()
    if case.btf is not None:
        return _unknown(guest, "the case gives its loader a BTF of its own")
    source = BtfSource(
        name=guest.kernel.id,
        path=artifact.btf,
        version=artifact.version,
        modules=guest.module_btfs,
        config=artifact.config,
        facts=guest.facts,
        architecture=artifact.architecture,
        lsm=guest.security_modules if _has_hooks(object_path) else None,
    )
    try:
        job = replace(
            job_of(
                object_path,
                wanted,
                loader="compat" if loader == "compat" else "libbpf",
                index=guest.cache.folder("preflight"),
                engine=guest.engine,
                extended=extended,
            ),
            wanted=guest.life.starts.wanted,
        )
        with Checker(job) as checker:
            result = checker.check(source)
    except RunnerError as error:
        # What can't be predicted is judged by its boot alone.
        return _unknown(guest, error.message)
    if result.error:
        return _unknown(guest, result.error)
    (prediction,) = result.predictions
    if prediction.verdict is Verdict.UNKNOWN:
        return _unknown(guest, prediction.reasons[0])
    if is_other:
        why = f"predictions are about libbpf, and {loader} loads this object"
        return Foretold(prediction=prediction, why_not=why, binds=False)
    return Foretold(prediction=prediction)


def _has_hooks(object_path: Path) -> bool:
    """Whether an object has programs of BPF LSM."""
    try:
        programs = bpf_object.read(object_path.read_bytes()).programs
    except (bpf_object.ObjectError, OSError):
        # The agent says what is wrong with it.
        return False
    return any(securityhooks.is_hook(it.section) for it in programs)


def job_of(
    object_path: Path,
    wanted: ObjectSettings,
    *,
    loader: Loader,
    index: Path,
    engine: Path,
    extended: Path | None = None,
) -> CheckJob:
    """Return what is asked of preflight, with all that is set of an object."""
    return CheckJob(
        objects=(object_path,),
        index=index,
        loader=loader,
        engine=engine,
        load=tuple(wanted.load.items()),
        targets=tuple(wanted.targets.items()),
        variables=tuple(wanted.variables.items()),
        given=tuple(_given(wanted)),
        not_created=tuple(name for name, it in wanted.maps.items() if not it.create),
        extended=(extended,),
    )


def _given(wanted: ObjectSettings) -> Iterator[str]:
    """Yield what a suite sets of what objects leave to their loader."""
    yield from (f"target of {name}" for name in wanted.extends)
    yield from (f"type of {name}" for name, (type_, _) in wanted.types.items() if type_)
    yield from (f"{what} of {name}" for name in wanted.targets for what in _OF_TARGETS)
    for name, it in wanted.maps.items():
        if it.max_entries or not it.create:
            yield f"max_entries of {name}"
        if it.value_size or not it.create:
            yield f"value_size of {name}"
        if it.inner_map or not it.create:
            yield f"inner map of {name}"


def _unknown(guest: Guest, why: str) -> Foretold:
    log.info("%s: no prediction: %s", guest.kernel.id, why)
    return Foretold(why_not=why)


def _claims(prediction: Prediction, failure_class: str) -> bool:
    """Tell whether a prediction that it loads says that this is not the reason."""
    if failure_class in OF_RELOCATIONS:
        return True
    needs = _OF_NEEDS.get(failure_class)
    if needs is not None:
        asked = [it for it in prediction.features if it.need in needs]
        return bool(asked) and all(it.presence is Presence.PRESENT for it in asked)
    # An attachment that is refused was told as one.
    told = any(it.effect is Effect.NOT_ATTACHED for it in prediction.findings)
    of_arguments = failure_class in _OF_ARGUMENTS and bool(prediction.signatures)
    return of_arguments and not told


def disagreement(prediction: Prediction, *, loaded: bool, failure_class: str) -> str:
    """Return how a boot disagrees with a prediction; empty when it does not.

    `loaded` is whether all programs were loaded; the class is empty for a pass.
    """
    if loaded and prediction.verdict is not Verdict.LOADS:
        # What BTF can't tell may well have kept the verifier away.
        if prediction.by_config:
            return ""
        reason = prediction.reasons[0] if prediction.reasons else ""
        return (
            f"preflight predicted that it is {prediction.verdict.value} ({reason}), "
            "and it loads"
        )
    refused = not loaded and _claims(prediction, failure_class)
    if refused and prediction.verdict is Verdict.LOADS:
        return f"preflight predicted that it loads, and it ends as {failure_class}"
    return ""
