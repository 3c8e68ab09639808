"""Statements about ranges of kernels."""

import pytest

from runner.reports import support
from runner.reports.support import ranges
from runner.results import KernelRun, Outcome, RunResults
from tests.unit.reports.runs import E, F, P, S, case, kernel, on_all, run


@pytest.mark.parametrize(
    ("outcomes", "statement", "minimum"),
    [
        ((P, P, P), "5.10 – 6.12", "5.10"),  # noqa: RUF001
        ((P, F, P), "5.10 – 6.12, except 6.1", "5.10"),  # noqa: RUF001
        ((F, P, P), "6.1 – 6.12", "6.1"),  # noqa: RUF001
        ((F, F, P), "6.12", "6.12"),
        ((F, F, F), "none", ""),
        ((P, E, P), "5.10 – 6.12; not known: 6.1", "5.10"),  # noqa: RUF001
        # A gap alone says nothing.
        ((S, P, P), "6.1 – 6.12; not known: 5.10", "6.1"),  # noqa: RUF001
    ],
)
def test_statements(
    outcomes: tuple[Outcome, ...], statement: str, minimum: str
) -> None:
    found = ranges(on_all(*outcomes))
    assert (found.statement, found.minimum) == (statement, minimum)


def test_the_oldest_is_first_whatever_the_order_of_the_matrix() -> None:
    found = ranges(run(*(case(it, P) for it in ("6.12", "4.4", "5.10"))))
    assert found.statement == "4.4 – 6.12"  # noqa: RUF001


def test_a_failure_counts_for_all_kernels_of_a_version() -> None:
    kernels = (kernel("a", release="6.1.1"), kernel("b", release="6.1.2-cloud"))
    assert ranges(run(case("a", P), case("b", F), kernels=kernels)).statement == "none"


def test_kernels_without_a_version_are_last() -> None:
    kernels = (kernel("mine", release=""), kernel("6.1"))
    found = ranges(run(case("mine", P), case("6.1", P), kernels=kernels))
    assert found.statement == "6.1 – mine"  # noqa: RUF001


def of_archs(**outcomes: tuple[Outcome, ...]) -> RunResults:
    """Return a run of 5.10, 6.1 and 6.12, as far as an architecture has outcomes."""
    made = {
        f"{version}-{arch}": (arch, outcome)
        for arch, all_ in outcomes.items()
        for version, outcome in zip(("5.10", "6.1", "6.12"), all_, strict=False)
    }
    kernels = [
        kernel(id_, release=f"{id_.partition('-')[0]}.0-1-x").model_copy(
            update={"arch": arch}
        )
        for id_, (arch, _) in made.items()
    ]
    cases = [case(id_, outcome) for id_, (_, outcome) in made.items()]
    return run(*cases, kernels=tuple(kernels))


@pytest.mark.parametrize(
    ("outcomes", "statement", "minimum"),
    [
        # Of one architecture nothing is said of it.
        ({"arm64": (P, P, P)}, "5.10 – 6.12", "5.10"),  # noqa: RUF001
        (
            {"arm64": (F, P, P), "x86_64": (P, P, P)},
            "x86_64: 5.10 – 6.12; arm64: 6.1 – 6.12",  # noqa: RUF001
            "5.10 (x86_64), 6.1 (arm64)",
        ),
        # 6.1 works on one and fails on the other: neither hides the other.
        (
            {"x86_64": (P, F, P), "s390x": (F, P, F)},
            "x86_64: 5.10 – 6.12, except 6.1; s390x: 6.1",  # noqa: RUF001
            "5.10 (x86_64), 6.1 (s390x)",
        ),
        # One on which nothing works is named, and so is what is not known.
        ({"x86_64": (P,), "arm64": (F,)}, "x86_64: 5.10; arm64: none", "5.10 (x86_64)"),
        (
            {"x86_64": (P, E), "arm64": (E, P)},
            "x86_64: 5.10; arm64: 6.1; not known: x86_64 6.1, arm64 5.10",
            "5.10 (x86_64), 6.1 (arm64)",
        ),
        (
            {"x86_64": (P,), "arm64": (E,)},
            "x86_64: 5.10; not known: arm64 5.10",
            "5.10 (x86_64)",
        ),
        ({"x86_64": (F,), "arm64": (F,)}, "x86_64: none; arm64: none", ""),
    ],
)
def test_each_architecture_has_a_statement(
    outcomes: dict[str, tuple[Outcome, ...]], statement: str, minimum: str
) -> None:
    found = ranges(of_archs(**outcomes))
    assert (found.statement, found.minimum) == (statement, minimum)


def test_vendors_have_a_statement_for_each_architecture() -> None:
    release = "5.14.0-427.13.1.el9_4.x86_64"
    kernels = tuple(
        kernel(f"el9-{arch}", release=release.replace("x86_64", machine)).model_copy(
            update={"arch": arch}
        )
        for arch, machine in (("x86_64", "x86_64"), ("arm64", "aarch64"))
    )
    results = run(case("el9-x86_64", P), case("el9-arm64", F), kernels=kernels)

    found = ranges(results)

    assert found.statement == "x86_64: RHEL 9.4; arm64: none"
    assert [name for name, _ in support.by_family(found.tested)] == ["RHEL", "RHEL"]


def test_only_what_was_run_counts_for_a_program() -> None:
    results = run(case("5.10", P), case("6.1", P, "other"))
    about = [it for it in results.cases if it.case == "other"]
    assert ranges(results, about).statement == "6.1"


def test_vendors_kernels_are_never_claimed_by_upstreams_number() -> None:
    releases = {
        "5.4": "5.4.59",
        "6.1": "6.1.0-50-cloud-amd64",
        "el8": "4.18.0-553.66.1.el8_10.x86_64",
        "el9.4": "5.14.0-427.13.1.el9_4.x86_64",
        "el9.6": "5.14.0-570.32.1.el9_6.x86_64",
        "jammy": "5.15.0-91-generic",
        "al2": "5.10.186-179.751.amzn2.x86_64",
        "suse": "5.14.21-150500.55.7-default",
    }
    kernels = [kernel(id_, release=release) for id_, release in releases.items()]
    outcomes = {"el9.4": F, "suse": E}
    cases = [case(id_, outcomes.get(id_, P)) for id_ in releases]

    found = ranges(run(*cases, kernels=kernels))

    assert found.statement == (
        "5.4 – 6.1; Amazon Linux 2 (5.10); RHEL 8.10 – 9.6, except 9.4; "  # noqa: RUF001
        "Ubuntu 5.15.0-91; not known: SUSE 15.5"
    )
    assert found.minimum == "5.4"


def test_a_vendors_kernel_alone_is_the_minimum_by_the_vendors_name() -> None:
    kernels = [kernel("el9", release="5.14.0-570.el9")]
    found = ranges(run(case("el9", P), kernels=kernels))
    assert (found.statement, found.minimum) == ("RHEL 9.6", "RHEL 9.6")


@pytest.mark.parametrize(
    ("id_", "release", "title"),
    [
        ("5.14", "5.14.0-570.12.1.el9_6.x86_64", "5.14 (RHEL 9.6)"),
        ("rhel-9.6", "5.14.0-570.12.1.el9_6.x86_64", "rhel-9.6"),
        ("6.1", "6.1.0-44-cloud-amd64", "6.1"),
        ("5.5", "5.5.0", "5.5"),
        ("4.4", "", "4.4"),
        ("5.15", "5.15.0-91-generic", "5.15 (Ubuntu 5.15.0-91)"),
    ],
)
def test_title_tells_whose_kernel_it_is(id_: str, release: str, title: str) -> None:
    kernel = KernelRun(id=id_, release=release)
    assert support.title(kernel) == title


def test_title_tells_also_that_a_kernel_does_not_count() -> None:
    kernel = KernelRun(id="5.14", release="5.14.0-570.el9.x86_64", required=False)
    assert support.title(kernel) == "5.14 (RHEL 9.6, not required)"
