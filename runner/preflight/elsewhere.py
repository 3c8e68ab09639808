"""What a kernel lacks only because a module is not loaded."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from runner.facts.model import Presence
from runner.kernels.moduleowners import ModuleOwners
from runner.preflight.model import Difference, Guard, KernelNeed, Prediction
from runner.text.nearest import nearest

# How much names resemble each other, from 0 to 1.
_LIKE = 0.85
_IN_MODULES = (KernelNeed.KFUNC, KernelNeed.KSYM, KernelNeed.ATTACH_TARGET)
# "struct nf_conn___l.status (0:1 @ offset 8)": the type that a path begins with.
_ROOT = re.compile(r"^(?:(?:struct|union|enum) )?(\w+)")


@dataclass(frozen=True, kw_only=True)
class InModules:
    """A name that the kernel lacks, and the modules that have it."""

    name: str
    modules: tuple[str, ...]

    @property
    def cure(self) -> str:
        """Return what brings it."""
        first = self.modules[0]
        return f"load it: `guest: {{modules: [{first}]}}`, or `check --modules {first}`"

    def __str__(self) -> str:
        word = "module" if len(self.modules) == 1 else "modules"
        return f"{self.name} is in the {word} {', '.join(self.modules)}"


@dataclass(frozen=True, kw_only=True)
class SimilarInModules(InModules):
    """A name that no module has either, and a similar one that some have."""

    similar: str

    @property
    def cure(self) -> str:
        """Return what it may be."""
        return f"if {self.similar} is meant, write that, and {super().cure}"

    def __str__(self) -> str:
        words = "module {} has" if len(self.modules) == 1 else "modules {} have"
        has = words.format(", ".join(self.modules))
        return f"no module has {self.name}; the {has} {self.similar}"


def lacking(prediction: Prediction, *, certainly: bool = True) -> list[str]:
    """Return the names that an object looks for and its target lacks.

    Unless `certainly`, those also of which BTF does not tell whether they are there.
    """
    return list(dict.fromkeys(_lacking(prediction, certainly=certainly)))


def _lacking(prediction: Prediction, *, certainly: bool) -> Iterator[str]:
    for it in prediction.features:
        absent = it.presence is Presence.ABSENT
        unsure = it.presence is Presence.UNKNOWN and not certainly
        if it.need in _IN_MODULES and (absent or unsure):
            yield it.name.rpartition("/")[2].partition("+")[0]
    for relocation in prediction.relocations:
        root = _ROOT.match(relocation.local)
        is_reached = relocation.guard is Guard.REACHABLE
        if is_reached and relocation.difference is Difference.NO_TYPE and root:
            yield root[1]


def found_in(names: Sequence[str], owners: ModuleOwners) -> list[InModules]:
    """Return those of some names that modules have."""
    found = (InModules(name=it, modules=owners.of(it)) for it in names)
    return [it for it in found if it.modules]


def similar_in(names: Sequence[str], owners: ModuleOwners) -> list[SimilarInModules]:
    """Return functions of modules that resemble those of some names no module has."""
    found = []
    for name in names:
        known = () if owners.of(name) else owners.like(name)
        found += [
            SimilarInModules(name=name, similar=it, modules=owners.functions[it])
            for it in nearest(name, known, cutoff=_LIKE)
        ]
    return found


def with_modules(prediction: Prediction, found: Sequence[InModules]) -> Prediction:
    """Return a prediction that also says which modules have what is missing."""
    more = tuple(f"{it}: {it.cure}" for it in found)
    return replace(prediction, reasons=(*prediction.reasons, *more), in_modules=more)
