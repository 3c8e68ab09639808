"""A run of many kernels and cases, made of a recorded one."""

from collections.abc import Sequence

from runner.results import CaseResult, KernelRun, Outcome, Provenance, RunResults

# Upstream's series, each as often as its share of the kernels.
_SERIES = ("4.14", "4.19", "5.4", "5.10", "5.15", "6.1", "6.6", "6.12")
# A vendor's series, which are a family of their own: releases as RHEL has them.
_VENDOR = ("4.18.0-{}.el8", "5.14.0-{}.el9")
_BUILDS = (305, 348, 372, 425, 477, 503, 513, 553, 570, 611)


def many(recorded: RunResults, *, kernels: int = 100, cases: int = 500) -> RunResults:
    """Return a run of as many kernels and cases, with the recorded cases' details.

    A case ends on all kernels of a series alike, as it ended on a recorded kernel; most
    pass everywhere.
    """
    rows = _kernels(kernels)
    templates = _templates(recorded)
    results = [
        _case(templates, number / kernels, kernel, at, cases)
        for number, kernel in enumerate(rows)
        for at in range(cases)
    ]
    return recorded.model_copy(
        update={
            "kernels": rows,
            "cases": tuple(results),
            "planned": None,
            "complete": True,
            "duration": 3600.0,
            "provenance": Provenance(
                project="team/probe", commit="0123456789abcdef" * 2, branch="main"
            ),
        }
    )


def _kernels(count: int) -> tuple[KernelRun, ...]:
    vendor = min(len(_VENDOR) * len(_BUILDS), count // 5)
    each = -(-(count - vendor) // len(_SERIES))
    releases = [
        f"{series}.{10 * number + 3}" for series in _SERIES for number in range(each)
    ][: count - vendor]
    builds = [text.format(build) for text in _VENDOR for build in _BUILDS]
    return tuple(
        KernelRun(
            id=release.replace(".el", "-el"),
            release=release,
            boots=(2.0 + number % 5,),
            tags=("lts",) if release.startswith(("5.10", "6.1.", "6.12")) else (),
        )
        for number, release in enumerate([*releases, *builds[:vendor]])
    )


# What a case came to, by kernel.
Template = Sequence[CaseResult]


def _templates(recorded: RunResults) -> tuple[list[Template], list[Template]]:
    """Return the recorded cases that pass everywhere, and the others."""
    lost = {it.id for it in recorded.kernels if it.error}
    found: dict[tuple[str, str], list[CaseResult]] = {}
    for case in recorded.cases:
        if case.kernel not in lost:
            found.setdefault((case.suite, case.case), []).append(case)
    most = max(map(len, found.values()))
    whole: list[Template] = [it for it in found.values() if len(it) == most]
    good: list[Template] = [
        it for it in whole if all(c.outcome is Outcome.PASSED for c in it)
    ]
    return good, [it for it in whole if it not in good]


def _case(
    templates: tuple[list[Template], list[Template]],
    place: float,
    kernel: KernelRun,
    at: int,
    cases: int,
) -> CaseResult:
    """Return a case's result on a kernel; `place` is the kernel's, from 0 to 1."""
    passing, others = templates
    # One of eight cases has trouble somewhere, and not all from the same kernel on.
    has_trouble = at % 8 == 5 and others
    known = others[at // 8 % len(others)] if has_trouble else passing[at % len(passing)]
    shifted = min(0.999, max(0.0, place + (at // 8 % 5 - 2) / 12))
    suites = max(1, cases // 25)
    return known[int(shifted * len(known))].model_copy(
        update={
            "kernel": kernel.id,
            "suite": f"suite_{at // 25 % suites:02}",
            "case": f"{known[0].case}_{at:03}",
            "flaky": "",
        }
    )
