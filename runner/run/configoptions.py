"""Options that suites ask for and no kernel's configuration has."""

from collections.abc import Iterator, Sequence

from runner.suites.known import KnownKernel
from runner.suites.model import Case
from runner.text.nearest import nearest

# So much is BPF_LMS like BPF_LSM, and BPF_JIT is not.
_MISTYPED = 0.85
_ALIKE = 0.6
_PREFIX = "CONFIG_"


def unknown(case: Case, kernels: Sequence[KnownKernel]) -> list[str]:
    """Say which options of a case are in no configuration that is known.

    A configuration has an option that is set, or that "is not set".
    """
    return [
        _sentence(name, *_like(name, known, _ALIKE))
        for name, known in _missing(case, kernels)
    ]


def mistyped(case: Case, kernels: Sequence[KnownKernel]) -> list[str]:
    """Say the same only of those that are much like another option.

    Others may be options that only kernels have whose configuration is not known.
    """
    return [
        _sentence(name, *alike)
        for name, known in _missing(case, kernels)
        if (alike := _like(name, known, _MISTYPED))
    ]


def _missing(
    case: Case, kernels: Sequence[KnownKernel]
) -> Iterator[tuple[str, frozenset[str]]]:
    known = frozenset[str]().union(*(it.options for it in kernels))
    if known:
        yield from ((name, known) for name in case.options if name not in known)


def _like(name: str, known: frozenset[str], cutoff: float) -> list[str]:
    # All have the prefix, which says nothing.
    bare = [it.removeprefix(_PREFIX) for it in sorted(known)]
    return nearest(name.removeprefix(_PREFIX), bare, cutoff=cutoff)


def _sentence(name: str, *alike: str) -> str:
    meant = f"; did you mean '{_PREFIX}{alike[0]}'?" if alike else ""
    return f"no kernel of the run has the option {name}{meant}"
