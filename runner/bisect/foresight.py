"""What is predicted of cases on kernels that are in the cache, but not booted."""

from dataclasses import dataclass
from pathlib import Path

from runner.bisect.search import Foreseen
from runner.bpf.compile import compile_object
from runner.case import programs_of_object, settings
from runner.case.prediction import job_of
from runner.errors import RunnerError
from runner.facts.model import Facts
from runner.files.cache import Cache
from runner.kernels.artifact import Artifact, known_kernel
from runner.preflight.check import Checker
from runner.preflight.model import Prediction, Verdict
from runner.preflight.targets import BtfSource
from runner.suites.known import KnownKernel
from runner.suites.model import OTHER_LOADERS, Case
from runner.suites.suitefile import LoadedSuite

_REFUSED = (Verdict.REJECTED, Verdict.CRASHES)


@dataclass(frozen=True, kw_only=True)
class Foresight:
    """What is predicted of a case on a kernel, or why nothing is."""

    prediction: Prediction | None = None
    # Why nothing is predicted that a boot would have to agree with.
    why_not: str = ""
    # Why the case does not run there, as its suite declares.
    gap: str = ""

    @property
    def found(self) -> Foreseen:
        """What it says of loading."""
        it = self.prediction
        if it is None or self.why_not:
            return Foreseen.UNKNOWN
        if it.verdict is Verdict.LOADS:
            return Foreseen.LOADS
        # What the configuration decides may well keep the verifier away.
        if it.verdict in _REFUSED and not it.by_config:
            return Foreseen.REFUSED
        return Foreseen.UNKNOWN

    @property
    def shown(self) -> str:
        """The same in a word or two, for tables."""
        if self.gap:
            return "gap"
        return str(self.found)

    @property
    def reason(self) -> str:
        """Why it is so, in a sentence; empty where it loads."""
        if self.gap or self.why_not:
            return self.gap or self.why_not
        reasons = self.prediction.reasons if self.prediction else ()
        return reasons[0] if reasons else ""


@dataclass(frozen=True, kw_only=True)
class CaseObjects:
    """The compiled objects of a case."""

    loaded: Path
    # What its programs extend (freplace); None where they extend nothing.
    extended: Path | None = None


def objects_of(place: LoadedSuite, case: Case, cache: Cache) -> CaseObjects:
    """Compile what a case loads, and what that extends, as a run does.

    The case has an object. Raises RunnerError for what can't be compiled.
    """
    assert case.object
    extended = None
    if case.extends is not None:
        other = place.file(case.extends.object)
        extended = compile_object(other, cache, build=case.build)
    loaded = compile_object(place.file(case.object), cache, build=case.build)
    return CaseObjects(loaded=loaded, extended=extended)


def foresee(
    case: Case,
    objects: CaseObjects,
    artifact: Artifact,
    cache: Cache,
    engine: Path,
    *,
    seen: Facts | None,
) -> Foresight:
    """Return what is predicted of a case, with what it sets of its object.

    `seen` is what the kernel said when somebody booted it. Never raises for what can't
    be predicted.
    """
    known = known_kernel(artifact, seen)
    gap = case.gap_on(known)
    if gap:
        return Foresight(gap=gap, why_not=gap)
    if artifact.btf is None:
        return Foresight(why_not=f"{artifact.release} has no BTF")
    loader = case.loader_on(known)
    try:
        data = objects.loaded.read_bytes()
        named = programs_of_object.expanded(case, data)
        wanted = settings.of_kernel(named, data, known)
        if wanted is None:
            return Foresight(why_not="the case sets what only its guest knows")
        job = job_of(
            objects.loaded,
            wanted,
            loader="compat" if loader == "compat" else "libbpf",
            index=cache.folder("preflight"),
            engine=engine,
            extended=objects.extended,
        )
        source = source_of(artifact, artifact.release, seen)
        with Checker(job) as checker:
            result = checker.check(source)
    except RunnerError as error:
        return Foresight(why_not=error.message)
    if result.error:
        return Foresight(why_not=result.error)
    (prediction,) = result.predictions
    return Foresight(prediction=prediction, why_not=_why_not(case, loader, known))


def _why_not(case: Case, loader: str, known: KnownKernel) -> str:
    if loader in OTHER_LOADERS:
        return f"predictions are about libbpf, and {loader} loads this object"
    if case.failure_on(known) is not None:
        return "the suite expects a failure there"
    return ""


def source_of(artifact: Artifact, name: str, seen: Facts | None) -> BtfSource:
    """Return a kernel's BTF under a name that tables show; it has some."""
    assert artifact.btf is not None
    return BtfSource(
        name=name,
        path=artifact.btf,
        version=artifact.version,
        config=artifact.config,
        facts=seen,
        architecture=artifact.architecture,
    )
