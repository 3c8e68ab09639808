"""What is predicted of all cases on a version, and what its boot depends on."""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.bisect.foresight import CaseObjects, Foresight, foresee, objects_of
from runner.bpf.kinds import IDS
from runner.errors import RunnerError
from runner.files.cache import Cache
from runner.kernels import guestconfig
from runner.kernels.artifact import Artifact
from runner.preflight.model import Prediction
from runner.suites.model import Case
from runner.suites.suitefile import LoadedSuite

# Options on which a kernel's BPF depends, besides those that cases name.
_OPTIONS = re.compile(
    r"BPF\w*|HAVE_EBPF_JIT|DEBUG_INFO_BTF\w*|KPROBES|KPROBE_EVENTS|UPROBE_EVENTS"
    r"|FPROBE|FUNCTION_TRACER|DYNAMIC_FTRACE\w*|FTRACE_SYSCALLS|TRACEPOINTS|PERF_EVENTS"
    r"|CGROUP_BPF|NET_CLS_BPF|NET_ACT_BPF|XDP_SOCKETS|LSM|SECURITY|MODULES|SMP|HZ"
)


@dataclass(frozen=True, kw_only=True)
class SweptCase:
    """A case, and its object if it can be predicted."""

    suite: str
    case: Case
    # None if nothing can be predicted, for the reason.
    objects: CaseObjects | None
    why_not: str = ""

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.suite}::{self.case.name}"

    @classmethod
    def of(cls, place: LoadedSuite, case: Case, cache: Cache) -> "SweptCase":
        """Return a case, compiled. Never raises: its run says what is wrong."""
        objects, why_not = None, ""
        if not case.object:
            why_not = "a program of its own loads what it needs"
        elif case.vmlinux is not None:
            why_not = "its source includes the types of a kernel"
        else:
            try:
                objects = objects_of(place, case, cache)
            except RunnerError as error:
                why_not = error.message
        return cls(suite=place.name, case=case, objects=objects, why_not=why_not)


class CasePredictions:
    """Predictions of all cases, kept by versions."""

    def __init__(self, cases: Sequence[SweptCase], cache: Cache, engine: Path) -> None:
        self._cases = cases
        self._cache = cache
        self._engine = engine
        self._found: dict[str, dict[str, Foresight]] = {}

    def of(self, version: str) -> dict[str, Foresight]:
        """Return what was predicted on a version, by the cases' names."""
        return self._found.get(version, {})

    def shape(self, version: str, artifact: Artifact) -> dict[str, Hashable]:
        """Predict all cases on a version; return what their boots depend on.

        By what people call it: a case, a field, a feature, an option.
        """
        found = self._found[version] = {
            it.name: self._foresee(it, artifact) for it in self._cases
        }
        parts: dict[str, list[Hashable]] = {}
        for name, foresight in found.items():
            # Why nothing is predicted is the same for all of a sweep, or a difference.
            parts[name] = [foresight.shown, foresight.gap or foresight.why_not]
            if foresight.prediction is not None:
                _add(foresight.prediction, parts)
        return {
            **{name: frozenset(values) for name, values in parts.items()},
            **self._options(artifact),
        }

    def _foresee(self, case: SweptCase, artifact: Artifact) -> Foresight:
        if case.objects is None:
            return Foresight(why_not=case.why_not)
        # What is known of kernels that somebody booted would make them differ from
        # their neighbours.
        return foresee(
            case.case,
            case.objects,
            artifact,
            self._cache,
            self._engine,
            seen=None,
        )

    def _options(self, artifact: Artifact) -> dict[str, Hashable]:
        text = artifact.config_text()
        if text is None:
            return {}
        named = {option for it in self._cases for option in it.case.options}
        return {
            f"CONFIG_{name}": value
            for name, value in guestconfig.parse(text).items()
            if _OPTIONS.fullmatch(name) or f"CONFIG_{name}" in named
        }


def _add(prediction: Prediction, parts: dict[str, list[Hashable]]) -> None:
    for it in prediction.relocations:
        value = None if it.kind in IDS else it.value
        parts.setdefault(it.access, []).append(
            (it.kind, it.status, value, it.guard, it.difference)
        )
    for each in prediction.features:
        name = f"{each.need.value.replace('_', ' ')} {each.name}"
        parts.setdefault(name, []).append(each.presence)
