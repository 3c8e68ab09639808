"""What a search found: for people, and as JSON."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from runner.bisect.candidates import OfferedKernel
from runner.bisect.caseprobe import BisectedCase
from runner.bisect.foresight import Foresight
from runner.bisect.search import SearchAnswer
from runner.bisect.triallog import Trial
from runner.cli.called import program
from runner.errors import ArtifactError
from runner.failures import classes
from runner.kernels.artifact import Artifact
from runner.kernels.kernelimage import built
from runner.preflight import show as preflight_show
from runner.preflight.steps import KernelStep


@dataclass(frozen=True, kw_only=True)
class BisectFindings:
    """An answer, with all that is known of the versions on both of its sides."""

    about: BisectedCase
    # From the good end to the bad one.
    versions: tuple[OfferedKernel, ...]
    answer: SearchAnswer
    trials: tuple[Trial, ...]
    # By the versions' numbers.
    foreseen: Mapping[int, Foresight] = field(default_factory=dict)
    artifacts: Mapping[int, Artifact | ArtifactError] = field(default_factory=dict)
    # From the older version to the newer one; nothing where there is no object or BTF.
    steps: tuple[KernelStep, ...] = ()
    # Whether the good end is the newer one.
    is_fix: bool = False

    @property
    def is_certain(self) -> bool:
        """Whether it is one version, and no boot casts doubt on it."""
        sides = {self.answer.good, self.answer.bad}
        return not self.answer.between and not sides & {*self.answer.flaky}

    @property
    def failure(self) -> Trial:
        """The failure on the first bad version."""
        id_ = self.versions[self.answer.bad].id
        return next(it for it in self.trials if it.kernel == id_ and it.failure_class)

    @property
    def is_foreseen(self) -> bool:
        """Whether predictions tell the two sides apart."""
        found = (self.foreseen.get(it) for it in (self.answer.good, self.answer.bad))
        good, bad = found
        return good is not None and bad is not None and good.found != bad.found

    @property
    def repeat(self) -> tuple[str, ...]:
        """Commands that show the two sides again."""
        ids = [self.versions[it].id for it in (self.answer.good, self.answer.bad)]
        words = self.about.run.arguments(ids)
        commands = [shlex.join([*program().split(), *words])]
        if self.about.source_path is not None and self.about.objects is not None:
            matrix = _matrix_of(self.about.run.options)
            source = str(self.about.source_path)
            check = ["check", "--changes", source]
            kernels = ["--kernels", ",".join(ids), *matrix]
            commands.append(shlex.join([*program().split(), *check, *kernels]))
        return tuple(commands)


def _matrix_of(words: tuple[str, ...]) -> tuple[str, ...]:
    place = words.index("--matrix") if "--matrix" in words else None
    return () if place is None else words[place : place + 2]


# ------------------------------------------------------------------------ for people


def show(found: BisectFindings) -> None:
    """Print it."""
    print()
    for line in _lines(found):
        print(line)
    if found.steps:
        name = found.about.shown_object or found.about.name
        preflight_show.show_steps(name, found.steps)
        if not any(it.changes or it.features for it in found.steps):
            print(
                "nothing that the object reads or needs changed there: the cause is in "
                "what the kernel does"
            )
    print("\nto see it again:")
    for command in found.repeat:
        print(f"  {command}")


def _lines(found: BisectFindings) -> Iterator[str]:
    answer = found.answer
    good, bad = found.versions[answer.good], found.versions[answer.bad]
    if found.is_fix:
        yield f"the first good version is {good.id}: {_told(found, answer.good)}"
        yield f"the last bad version is {bad.id}: {_told(found, answer.bad)}"
    else:
        yield f"the first bad version is {bad.id}: {_told(found, answer.bad)}"
        yield f"the last good version is {good.id}: {_told(found, answer.good)}"
    if answer.between:
        ids = ", ".join(found.versions[it].id for it in answer.suspects)
        yield f"it may be any of these, because the others say nothing: {ids}"
    trial = found.failure
    yield f"it fails there with {trial.failure_class}: {trial.message}"
    known = classes.CLASSES.get(trial.failure_class)
    if known is not None and known.cure:
        yield f"  {known.cure}"
    predicted = found.foreseen.get(answer.bad)
    if found.is_foreseen and predicted is not None and predicted.reason:
        yield f"predicted, too: {predicted.reason}"
    for number in answer.flaky:
        id_ = found.versions[number].id
        yield f"the case is flaky on {id_}: the answer is doubtful"
    for number in answer.lies:
        yield f"the prediction was wrong on {found.versions[number].id}"
    yield _count(found)


def _count(found: BisectFindings) -> str:
    answer = found.answer
    boots = sum(bool(it.reports) for it in found.trials)
    text = f"{len(found.versions)} versions, {boots} boots"
    predicted = sum(it.prediction is not None for it in found.foreseen.values())
    text += f", {predicted} predicted" if predicted else ""
    return text + (f", {len(answer.skipped)} skipped" if answer.skipped else "")


def _told(found: BisectFindings, number: int) -> str:
    it = found.versions[number]
    release, date = _release_of(found, number)
    words = [f"{it.package} {it.version}"]
    words += [f"uname -r {release}"] if release else []
    words += [f"built {date}"] if date else []
    return ", ".join(words)


def _release_of(found: BisectFindings, number: int) -> tuple[str, str]:
    """Return what `uname -r` says, and when the kernel was built; as far as known."""
    artifact = found.artifacts.get(number)
    date = found.versions[number].date
    if not isinstance(artifact, Artifact):
        return "", date
    return artifact.release, built(artifact.vmlinuz.read_bytes()) or date


# -------------------------------------------------------------------------- as JSON


def as_json(found: BisectFindings) -> dict[str, JsonValue]:
    """Return it for programs."""
    answer, trial = found.answer, found.failure
    return {
        "schema_version": 1,
        "case": found.about.name,
        "object": found.about.shown_object,
        "found": "fix" if found.is_fix else "regression",
        "certain": found.is_certain,
        "bad": _side(found, answer.bad),
        "good": _side(found, answer.good),
        "suspects": [found.versions[it].id for it in answer.suspects],
        "skipped": [found.versions[it].id for it in answer.skipped],
        "flaky": [found.versions[it].id for it in answer.flaky],
        "wrong_predictions": [found.versions[it].id for it in answer.lies],
        "failure": {"class": trial.failure_class, "message": trial.message},
        "changes": [_plain(it) for it in preflight_show.steps_as_json(found.steps)],
        "versions": [_version(found, it) for it in range(len(found.versions))],
        "boots": [_plain(it.model_dump(mode="json")) for it in found.trials],
        "commands": list(found.repeat),
    }


def dump(result: Mapping[str, JsonValue]) -> str:
    """Return the text of the file."""
    return json.dumps(result, indent=1) + "\n"


def _plain(value: object) -> JsonValue:
    found: JsonValue = json.loads(json.dumps(value))
    return found


def _side(found: BisectFindings, number: int) -> dict[str, JsonValue]:
    it = found.versions[number]
    release, date = _release_of(found, number)
    return {
        "kernel": it.id,
        "version": it.version,
        "package": it.package,
        "release": release,
        "built": date,
    }


def _version(found: BisectFindings, number: int) -> dict[str, JsonValue]:
    it = found.versions[number]
    seen = found.foreseen.get(number)
    states = [str(trial.state) for trial in found.trials if trial.kernel == it.id]
    return {
        "kernel": it.id,
        "version": it.version,
        "package": it.package,
        "predicted": seen.shown if seen else "",
        "why": seen.reason if seen else "",
        "booted": list(states),
    }
