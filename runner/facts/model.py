"""What a kernel has, and where that was learnt."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import JsonValue, TypeAdapter, ValidationError

from runner.facts.traced import NOTHING_TRACED, Traced


class Presence(StrEnum):
    """Whether a kernel has what is needed."""

    PRESENT = "present"
    ABSENT = "absent"
    # Nothing tells.
    UNKNOWN = "unknown"


class Learnt(StrEnum):
    """Where it was learnt whether a kernel has something."""

    # The kernel was booted, and tried it.
    PROBED = "probed on the kernel"
    # The kernel's BTF has it, or lacks it.
    BTF = "its BTF"
    # The kernel's .config says so.
    CONFIG = "its configuration"
    # It is for one architecture.
    ARCHITECTURE = "its architecture"
    # Nobody has booted the kernel, and its BTF does not show it.
    VERSION = "its version number"
    # Nothing tells, or nothing was asked.
    NOTHING = ""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Whether a kernel has something, and where that was learnt."""

    presence: Presence
    learnt: Learnt = Learnt.NOTHING

    @property
    def is_known(self) -> bool:
        """Whether anything tells."""
        return self.presence is not Presence.UNKNOWN


UNKNOWN = Judgement(presence=Presence.UNKNOWN)


def judged(is_there: bool, learnt: Learnt) -> Judgement:
    """Return the judgement on something that is there, or not."""
    presence = Presence.PRESENT if is_there else Presence.ABSENT
    return Judgement(presence=presence, learnt=learnt)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a kernel said when it was tried; what it did not decide is left out.

    Helpers and types are known by their numbers, as bpf(2) takes them.
    """

    # As the kernel that was booted says it.
    release: str
    # By the names of runner/facts/abilities.py.
    abilities: Mapping[str, bool] = field(default_factory=dict)
    helpers: Mapping[int, bool] = field(default_factory=dict)
    programs: Mapping[int, bool] = field(default_factory=dict)
    maps: Mapping[int, bool] = field(default_factory=dict)
    # By types of programs: which helpers their programs may call.
    calls: Mapping[int, Mapping[int, bool]] = field(default_factory=dict)
    # How long the kernel took to answer, in the guest.
    milliseconds: float = 0.0
    # Its tracepoints and functions, which are kept apart: they are learnt later.
    traced: Traced = NOTHING_TRACED

    @property
    def digest(self) -> str:
        """Return a hash of what is known."""
        known = self.abilities, self.helpers, self.programs, self.maps
        words = [str(sorted(it.items())) for it in known]
        words += [f"{type_} {sorted(it.items())}" for type_, it in self.calls.items()]
        words += [self.traced.digest] if self.traced.digest else []
        return hashlib.sha256("\0".join(words).encode()).hexdigest()


_FACTS = TypeAdapter(Facts)


def as_json(facts: Facts) -> JsonValue:
    """Return facts as a file holds them, without what is kept apart."""
    found: JsonValue = _FACTS.dump_python(facts, mode="json", exclude={"traced"})
    return found


def from_json(value: JsonValue) -> Facts | None:
    """Return what `as_json` gave; None for anything else."""
    try:
        return _FACTS.validate_python(value)
    except ValidationError:
        return None


def probed(found: bool | None) -> Judgement:
    """Return what a kernel said of something; None is what it did not decide."""
    return UNKNOWN if found is None else judged(found, Learnt.PROBED)
