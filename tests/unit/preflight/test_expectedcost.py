"""What programs may cost on kernels that nobody booted."""

from pathlib import Path

import pytest

from runner.preflight.expectedcost import CheckedObject, ExpectedCost, expected
from runner.preflight.showcost import show_costs
from runner.preflight.targets import BtfSource
from runner.results import ProgramCost, RunResults
from runner.versions import KernelVersion
from tests.unit.reports.runs import P, case, kernel, run

THIS, OTHER = "1" * 64, "2" * 64


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep each row of a table on a line of its own."""
    monkeypatch.setenv("COLUMNS", "120")


CHECKED = CheckedObject(name="probe.bpf.o", sha256=THIS)
LIMIT = 1_000_000


def booted(
    *costs: tuple[str, int],
    sha256: str = THIS,
    started: str = "2026-01-01",
    refused: bool = False,
) -> RunResults:
    """Return a run in which on_open of an object took this on kernels."""
    return run(
        *(
            case(
                id_,
                P,
                object_path="suite/probe.bpf.c",
                object_sha256=sha256,
                cost=(
                    ProgramCost(
                        program="on_open",
                        verified_insns=insns,
                        insns_limit=LIMIT,
                        bytes_xlated=None if refused else 256,
                    ),
                ),
            )
            for id_, insns in costs
        ),
        kernels=tuple(kernel(id_) for id_, _ in costs),
        started=f"{started}T00:00:00+00:00",
    )


def on(*kernels: str) -> list[BtfSource]:
    return [
        BtfSource(name=it, path=Path("vmlinux"), version=KernelVersion.parse(it))
        for it in kernels
    ]


def ranges(*runs: RunResults, kernels: tuple[str, ...]) -> list[tuple[int, int, bool]]:
    found = expected([CHECKED], on(*kernels), runs)
    return [(it.least, it.most, it.guess) for it in found]


def test_what_was_booted_is_known() -> None:
    assert list(expected([CHECKED], on("6.1"), [booted(("6.1", 700))])) == [
        ExpectedCost(
            object="probe.bpf.o",
            program="on_open",
            kernel="6.1",
            least=700,
            most=700,
            limit=LIMIT,
            booted=("6.1",),
            refused=(),
            guess=False,
        )
    ]


def test_a_kernel_between_two_has_what_both_took() -> None:
    found = booted(("5.10", 900), ("6.1", 700), ("6.12", 1_200))

    assert ranges(found, kernels=("5.15", "6.6")) == [
        (700, 900, True),
        (700, 1_200, True),
    ]


def test_a_kernel_at_an_end_has_what_the_nearest_took() -> None:
    found = booted(("5.10", 900), ("6.1", 700))

    assert ranges(found, kernels=("5.4", "6.12")) == [
        (900, 900, True),
        (700, 700, True),
    ]


def test_an_earlier_build_is_a_guess_on_its_own_kernel() -> None:
    assert ranges(booted(("6.1", 700), sha256=OTHER), kernels=("6.1",)) == [
        (700, 700, True)
    ]


def test_the_same_object_counts_before_a_later_build() -> None:
    own = booted(("6.1", 700), started="2026-01-01")
    later = booted(("6.1", 9_999), sha256=OTHER, started="2026-02-01")

    assert ranges(later, own, kernels=("6.1",)) == [(700, 700, False)]


def test_a_later_run_counts_before_an_earlier_one() -> None:
    first = booted(("6.1", 700), started="2026-01-01")
    second = booted(("6.1", 800), started="2026-02-01")

    assert ranges(second, first, kernels=("6.1",)) == [(800, 800, False)]


def test_an_object_that_no_run_has_is_unknown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = CheckedObject(name="filter.bpf.o", sha256=OTHER)
    found = list(expected([other], on("6.1"), [booted(("6.1", 700))]))

    show_costs(found)

    assert found == []
    assert "No cost is known" in capsys.readouterr().out


def test_a_guess_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    runs = [booted(("5.10", 900), ("6.1", 700))]

    show_costs(list(expected([CHECKED], on("5.15", "6.1"), runs)))

    head, guess, known, remark = capsys.readouterr().out.strip().splitlines()
    assert "instructions" in head
    assert "~700 to 900" in guess
    assert "5.10, 6.1" in guess
    assert " 700 " in known
    assert "booted" in known
    assert "is a guess" in remark


def test_a_program_that_was_refused_is_told_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = [booted(("6.1", 122_904), refused=True)]

    show_costs(list(expected([CHECKED], on("6.1", "6.12"), runs)))

    _, known, guess, _ = capsys.readouterr().out.strip().splitlines()
    assert "booted (refused)" in known
    assert "6.1 (refused)" in guess
