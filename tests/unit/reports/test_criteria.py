"""What runs are held against."""

import re
from pathlib import Path
from typing import Any

import pytest

from runner.errors import ExitStatus, UsageError
from runner.reports import resultsfile
from runner.reports.compare import Gate
from runner.reports.criteria import Criteria
from tests.unit.reports.runs import F, P, case, on_all, run


def read(
    baseline: Path | None = None, gate: str | None = None, release: str | None = None
) -> Criteria:
    return Criteria.read(baseline=baseline, gate=gate, release=release)


def test_by_default_every_failure_counts() -> None:
    report = read().report(on_all(P, P, F))
    assert report.status is ExitStatus.INCOMPATIBLE
    assert report.comparison is None
    assert report.release is None


def test_a_gate_for_regressions_needs_a_baseline() -> None:
    with pytest.raises(UsageError, match="--gate regressions requires --baseline FILE"):
        read(gate="regressions")


def test_a_baseline_makes_a_comparison(tmp_path: Path) -> None:
    resultsfile.write(on_all(P, P, F), tmp_path / "old.json")
    terms = read(tmp_path / "old.json", "regressions")
    assert terms.gate is Gate.REGRESSIONS
    assert terms.report(on_all(P, P, F)).status is ExitStatus.COMPATIBLE
    assert terms.report(on_all(P, F, F)).status is ExitStatus.INCOMPATIBLE


def test_a_baseline_without_cases_is_none(tmp_path: Path) -> None:
    resultsfile.write(run(), tmp_path / "old.json")
    with pytest.raises(UsageError, match="no cases"):
        read(tmp_path / "old.json")


@pytest.mark.parametrize(
    ("number", "told"), [(1, "it has 1 case$"), (3, "it has 3 cases$")]
)
def test_a_baseline_that_was_stopped_is_none(
    number: int, told: str, tmp_path: Path
) -> None:
    cases = on_all(P, P, F).cases[:number]
    resultsfile.write(run(*cases, complete=False), tmp_path / "old.json")
    with pytest.raises(UsageError) as caught:
        read(tmp_path / "old.json")
    assert "old.json: that run was stopped before" in caught.value.message
    assert re.search(told, caught.value.message)
    assert "completed" in caught.value.hint


def test_what_gates_accept_is_kept(tmp_path: Path) -> None:
    resultsfile.write(on_all(P, P, P), tmp_path / "old.json")
    given: dict[str, Any] = {
        "baseline": tmp_path / "old.json",
        "gate": "regressions",
        "release": None,
    }
    after = run(case("6.1", P, "other"), case("6.1", F, "new"))
    for vanished in (False, True):
        for new in (False, True):
            terms = Criteria.read(
                **given, allow_vanished=vanished, allow_new_failures=new
            )
            passes = terms.report(after).status is ExitStatus.COMPATIBLE
            assert passes is (vanished and new)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x1b[31mv1", "v" * 101])
def test_a_release_s_name_is_one_line(name: str) -> None:
    with pytest.raises(UsageError, match="--release"):
        read(release=name)


def test_a_release_has_its_facts() -> None:
    report = read(release="v1.2 (beta)").report(on_all(P, P, P))
    assert report.release is not None
    assert report.release.name == "v1.2 (beta)"
