"""What became of a run's cases when they were run again, and what was not the same."""

import platform
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from runner import __version__
from runner.replay.bundle import Bundle
from runner.results import CaseKey, CaseResult, KernelRun, Outcome, RunResults

BAD = (Outcome.FAILED, Outcome.ERROR)


class ReplayChange(StrEnum):
    """What became of a case."""

    SAME = "the same"
    PASSES = "passes now"
    ANOTHER = "another result"
    NONE = "no result"


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A case, there and here."""

    before: CaseResult
    # None when it did not run here.
    after: CaseResult | None

    @property
    def change(self) -> ReplayChange:
        """What became of it; classes count, texts do not."""
        if self.after is None:
            return ReplayChange.NONE
        if _kind(self.before) == _kind(self.after):
            return ReplayChange.SAME
        return (
            ReplayChange.PASSES
            if self.after.outcome is Outcome.PASSED
            else ReplayChange.ANOTHER
        )

    @property
    def words(self) -> str:
        """Return "failed [wrong_value]", or both results where they differ."""
        there = _told(self.before)
        if self.change is ReplayChange.SAME or self.after is None:
            return there
        return f"{there} there, {_told(self.after)} here"


@dataclass(frozen=True, kw_only=True)
class Circumstance:
    """Something that a result may depend on, there and here."""

    what: str
    there: str
    here: str

    @property
    def is_same(self) -> bool:
        """Whether it is the same; what is not known is not."""
        return bool(self.there) and self.there == self.here


def replayed(
    before: RunResults, after: RunResults, keys: Collection[CaseKey]
) -> list[Replayed]:
    """Return what became of these cases, in their order."""
    found = {case.key: case for case in after.cases}
    return [
        Replayed(before=case, after=found.get(case.key))
        for case in before.cases
        if case.key in keys
    ]


def circumstances(
    bundle: Bundle,
    before: RunResults,
    after: RunResults,
    different: Mapping[str, str],
    suites: Sequence[str],
) -> Iterator[Circumstance]:
    """Yield what the results may depend on."""
    yield Circumstance(what="runner", there=bundle.runner, here=__version__)
    yield Circumstance(what="architecture", there=bundle.arch, here=platform.machine())
    for name in suites:
        # Read by their checksums: else nothing would have run.
        yield Circumstance(
            what=f"suite {name} and its objects", there="kept", here="kept"
        )
    found = [it for it in bundle.suites if it.name in suites]
    if any(file.executable for suite in found for file in suite.files):
        yield Circumstance(
            what="shared libraries of programs",
            there="that machine's",
            here="this machine's",
        )
    known = {it.id: it for it in before.kernels}
    for kernel in after.kernels:
        there = known.get(kernel.id)
        if there is not None:
            yield from _of_kernel(there, kernel, different.get(kernel.id, ""))
    for name, version in bundle.settings.loaders.items():
        yield Circumstance(what=f"loader {name}", there=version, here="as pinned here")


def _of_kernel(there: KernelRun, here: KernelRun, why: str) -> Iterator[Circumstance]:
    id_ = there.id
    yield Circumstance(
        what=f"{id_}: kernel",
        there=_named(there.release, there.image_sha256),
        here=_named(here.release, here.image_sha256) + (f" ({why})" if why else ""),
    )
    yield Circumstance(
        what=f"{id_}: BTF",
        there=there.btf_sha256 or there.btf_source,
        here=here.btf_sha256 or here.btf_source,
    )
    yield Circumstance(
        what=f"{id_}: libbpf",
        there=_named(there.libbpf, there.libbpf_sha256),
        here=_named(here.libbpf, here.libbpf_sha256),
    )
    for name in ("bpftool", "qemu", "accelerator"):
        yield Circumstance(
            what=f"{id_}: {name}", there=getattr(there, name), here=getattr(here, name)
        )


def _named(text: str, sha256: str) -> str:
    return f"{text} sha256:{sha256[:12]}" if sha256 else text


def _kind(case: CaseResult) -> tuple[Outcome, str]:
    return case.outcome, case.failure_class


def _told(case: CaseResult) -> str:
    named = f" [{case.failure_class}]" if case.failure_class else ""
    return f"{case.outcome.value}{named}"
