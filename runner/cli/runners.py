"""Labels of a GitHub workflow's machines: which shard runs on which."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from runner.arch import ARCHITECTURES, Architecture, find
from runner.errors import UsageError
from runner.text.nearest import near

DEFAULT = "ubuntu-latest"
# Behind a label: its machines have /dev/kvm.
_KVM = " kvm"


@dataclass(frozen=True, kw_only=True)
class RunnerLabel:
    """What `runs-on` of a job says."""

    # One label, or several that a machine must have.
    labels: str | tuple[str, ...]
    # Whether its machines have KVM, as the user says.
    has_kvm: bool = False
    # Whether it is that of all shards which have no label of their own.
    is_default: bool = False

    @property
    def value(self) -> JsonValue:
        """What fromJSON makes `runs-on` of."""
        return self.labels if isinstance(self.labels, str) else list(self.labels)


@dataclass(frozen=True, kw_only=True)
class RunnerLabels:
    """Which machines suit which kernels."""

    default: RunnerLabel
    # By the architecture's name: those whose own guests may run under KVM there.
    own: dict[str, RunnerLabel]

    def suiting(self, architectures: Sequence[str]) -> RunnerLabel:
        """Return the label for kernels of these architectures.

        Machines of another architecture run them, too, by TCG: that is the default.
        """
        names = set(architectures)
        return (
            self.own.get(names.pop(), self.default)
            if len(names) == 1
            else (self.default)
        )


def parse(default: str, words: Sequence[str]) -> RunnerLabels:
    """Return what --runner and ARCH=LABEL mean. Raises UsageError."""
    own: dict[str, RunnerLabel] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not text.strip():
            raise UsageError(
                f"--runner-for {word}: must be ARCH=LABEL",
                hint="for example: --runner-for arm64=ubuntu-24.04-arm, or "
                '--runner-for \'s390x=["self-hosted", "s390x"] kvm\'',
            )
        architecture = _architecture(name.strip(), word)
        has_kvm = text.endswith(_KVM)
        own[architecture.name] = RunnerLabel(
            labels=_labels(text.removesuffix(_KVM).strip(), f"--runner-for {word}"),
            has_kvm=has_kvm,
        )
    label = RunnerLabel(labels=_labels(default, f"--runner {default}"), is_default=True)
    return RunnerLabels(default=label, own=own)


def _architecture(name: str, word: str) -> Architecture:
    found = find(name)
    if found is None:
        known = [it.name for it in ARCHITECTURES]
        raise UsageError(
            f"--runner-for {word}: there is no architecture {name!r}"
            f"{near(name, known, '')}",
            hint=f"the architectures are {', '.join(known)}",
        )
    return found


def _labels(text: str, where: str) -> str | tuple[str, ...]:
    """Return a label, or those of a JSON list. Raises UsageError."""
    if not text.startswith("["):
        return text
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(it, str) for it in found):
        raise UsageError(
            f"{where}: is not a JSON list of labels",
            hint='for example: ["self-hosted", "arm64"]',
        )
    return tuple(found)
