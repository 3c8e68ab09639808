"""Asks about a case on versions of kernels: predictions, boots, and what changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.bisect import foresight
from runner.bisect.boots import RunOfCase
from runner.bisect.candidates import OfferedKernel
from runner.bisect.foresight import CaseObjects, Foresight
from runner.bisect.search import BootState, Foreseen, TriedBoot
from runner.bisect.triallog import Trial, TrialLog
from runner.bpf.object import read_whole
from runner.errors import ArtifactError
from runner.facts.model import Facts
from runner.files.cache import Cache
from runner.kernels import facts, fetch
from runner.kernels.artifact import Artifact
from runner.preflight.engine import Engine
from runner.preflight.steps import KernelStep, steps
from runner.suites.model import Case
from runner.text.progress import Progress


@dataclass(frozen=True, kw_only=True)
class BisectedCase:
    """A case, and how it is run."""

    run: RunOfCase
    # None for a Python test.
    case: Case | None
    # Compiled; None for a case without an object, and for one that is compiled for each
    # kernel.
    objects: CaseObjects | None
    # What it is compiled from, or the object itself, as a user would name it.
    source_path: Path | None
    # As reports name it; empty if it has none.
    shown_object: str
    # Of the suite, its sources and objects.
    sha256: str

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.run.name


@dataclass(frozen=True, kw_only=True)
class ProbeTools:
    """What predictions and fetches need."""

    cache: Cache
    progress: Progress
    engine: Path


class CaseProbe:
    """Asks about versions of kernels; a boot that the log has is not repeated."""

    def __init__(
        self,
        versions: Sequence[OfferedKernel],
        about: BisectedCase,
        log: TrialLog,
        tools: ProbeTools,
    ) -> None:
        self._versions = versions
        self._about = about
        self._log = log
        self._tools = tools
        self._artifacts: dict[int, Artifact | ArtifactError] = {}
        self._foreseen: dict[int, Foresight] = {}

    @property
    def trials(self) -> list[Trial]:
        """All boots."""
        return self._log.trials

    @property
    def foreseen(self) -> Mapping[int, Foresight]:
        """What was predicted, by the versions' numbers."""
        return self._foreseen

    def artifact(self, number: int) -> Artifact | ArtifactError:
        """Return a version's kernel, fetched once, or why it is unavailable."""
        if number not in self._artifacts:
            try:
                self._artifacts[number] = fetch.obtain(
                    self._versions[number].kernel,
                    self._tools.cache,
                    self._tools.progress,
                )
            except ArtifactError as error:
                self._artifacts[number] = error
        return self._artifacts[number]

    def foresee(self, number: int) -> Foreseen:
        """Predict; what can't be fetched is unknown."""
        if number not in self._foreseen:
            self._foreseen[number] = self._foresee(number)
        return self._foreseen[number].found

    def _foresee(self, number: int) -> Foresight:
        if self._about.case is None or self._about.objects is None:
            return Foresight(why_not="nothing is known of what it loads")
        artifact = self.artifact(number)
        if isinstance(artifact, ArtifactError):
            return Foresight(why_not=artifact.message)
        return foresight.foresee(
            self._about.case,
            self._about.objects,
            artifact,
            self._tools.cache,
            self._tools.engine,
            seen=self._seen(artifact),
        )

    def _seen(self, artifact: Artifact) -> Facts | None:
        return facts.known(self._tools.cache, artifact.image_sha256)

    def boot(self, number: int) -> TriedBoot:
        """Run the case, unless the log has it."""
        id_ = self._versions[number].id
        known = self._log.next_of(id_)
        if known is not None:
            return known.boot
        artifact = self.artifact(number)
        if isinstance(artifact, ArtifactError):
            trial = Trial(kernel=id_, state=BootState.SKIP, message=artifact.message)
        else:
            trial = self._about.run.run(id_, len(self._log.trials))
        self._log.add(trial)
        return trial.boot

    def changes(self, first: int, last: int) -> tuple[KernelStep, ...]:
        """Return what changes for the object from one version to another."""
        objects = self._about.objects
        sources = [
            foresight.source_of(it, self._versions[number].id, self._seen(it))
            for number in (first, last)
            if isinstance(it := self.artifact(number), Artifact) and it.btf is not None
        ]
        if objects is None or len(sources) < 2:
            return ()
        path = objects.loaded
        with Engine(self._tools.engine) as engine:
            item = read_whole(path.read_bytes(), path)
            return tuple(steps(item, sources, engine, "libbpf"))
