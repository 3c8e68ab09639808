"""Known flaky cases: what their entries excuse, and what they never do."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from runner import cli
from runner.errors import ExitStatus, UsageError
from runner.reports import (
    annotations,
    junit,
    markdown,
    page,
    pictures,
    resultsfile,
    sarif,
    support,
)
from runner.reports.compare import Gate, compare
from runner.reports.criteria import Criteria, Report
from runner.reports.flaky import FlakyList
from runner.results import CaseKey, Outcome, RunResults
from tests.unit.reports.runs import F, P, case, run

NOW = datetime.now(UTC)
TOMORROW = str(NOW.date() + timedelta(days=1))
ENTRY = {"case": "task::state", "owner": '"@ada"', "until": "2026-01-31"}
TODAY = date(2026, 1, 2)


def read(folder: Path, *entries: dict[str, str]) -> FlakyList:
    path = write(folder, *entries)
    return FlakyList.read(path, TODAY)


def write(folder: Path, *entries: dict[str, str]) -> Path:
    path = folder / "flaky.yaml"
    lines = ["flaky:"]
    for entry in entries:
        lines += [
            f"{'  ' if number else '- '}{key}: {value}"
            for number, (key, value) in enumerate(entry.items())
        ]
    path.write_text("\n".join(lines) + "\n")
    return path


def failing(**more: str) -> RunResults:
    results = run(case("6.1", F), case("6.12", P))
    return results.model_copy(update=more)


def judged(
    flaky: FlakyList, results: RunResults, gate: Gate = Gate.ALL, **more: object
) -> Report:
    return Criteria(flaky=flaky, gate=gate, **more).report(results)  # type: ignore[arg-type]


def test_a_listed_failure_does_not_count(tmp_path: Path) -> None:
    assert Criteria().report(failing()).status is ExitStatus.INCOMPATIBLE

    report = judged(read(tmp_path, ENTRY), failing())

    assert report.status is ExitStatus.COMPATIBLE
    known = report.results.cases[0].known_flaky
    assert known is not None
    assert (known.owner, str(known.until), known.ended) == ("@ada", "2026-01-31", False)


def test_it_is_no_pass_and_its_kernel_is_not_known(tmp_path: Path) -> None:
    results = judged(read(tmp_path, ENTRY), failing()).results

    assert results.cases[0].outcome is F
    assert support.ranges(results).statement == "6.12; not known: 6.1"


def test_past_its_end_date_it_counts_again_and_says_so(tmp_path: Path) -> None:
    flaky = read(tmp_path, ENTRY)

    last = judged(flaky, failing(started="2026-01-31T23:59:59+00:00"))
    after = judged(flaky, failing(started="2026-02-01T00:00:00+00:00"))

    assert last.status is ExitStatus.COMPATIBLE
    assert after.status is ExitStatus.INCOMPATIBLE
    assert "ended on 2026-01-31" in after.results.cases[0].cure


@pytest.mark.parametrize(
    ("more", "counts"),
    [
        ({"kernels": '["6.1"]'}, False),
        ({"kernels": '[">=6,<6.2"]'}, False),
        ({"kernels": '["6.12"]'}, True),
        ({"kernels": '["rhel>=9"]'}, True),
        ({"class": "poison_reachable"}, False),
        ({"class": "wrong_value"}, True),
        ({"case": "task::st*"}, False),
        ({"case": "task::other"}, True),
        ({"case": "other::state"}, True),
    ],
)
def test_only_what_the_entry_says_is_excused(
    more: dict[str, str], counts: bool, tmp_path: Path
) -> None:
    report = judged(read(tmp_path, {**ENTRY, **more}), failing())

    assert (report.status is ExitStatus.INCOMPATIBLE) is counts


def test_another_failure_still_fails_the_run(tmp_path: Path) -> None:
    results = run(case("6.1", F), case("6.1", F, "other"), case("6.1", P, "third"))

    assert judged(read(tmp_path, ENTRY), results).status is ExitStatus.INCOMPATIBLE


def test_a_run_of_nothing_but_excused_failures_has_no_verdict(tmp_path: Path) -> None:
    report = judged(read(tmp_path, ENTRY), run(case("6.1", F)))

    assert report.status is ExitStatus.INFRASTRUCTURE


def test_of_two_entries_the_one_that_has_not_ended_counts(tmp_path: Path) -> None:
    ended = {**ENTRY, "until": "2025-12-31"}

    for entries in ((ended, ENTRY), (ENTRY, ended)):
        assert judged(read(tmp_path, *entries), failing()).status == 0


def test_a_listed_failure_is_no_regression(tmp_path: Path) -> None:
    baseline = run(case("6.1", P), case("6.12", P))

    report = judged(
        read(tmp_path, ENTRY), failing(), Gate.REGRESSIONS, baseline=baseline
    )

    assert report.status is ExitStatus.COMPATIBLE
    assert report.comparison is not None
    assert not report.comparison.regressions


@pytest.mark.parametrize("allow", [False, True])
def test_a_failure_that_was_excused_in_the_baseline_counts_as_a_regression(
    allow: bool, tmp_path: Path
) -> None:
    excused = judged(read(tmp_path, ENTRY), failing()).results

    report = Criteria(
        baseline=excused, gate=Gate.REGRESSIONS, allow_new_failures=allow
    ).report(failing())

    assert report.status is ExitStatus.INCOMPATIBLE


def test_a_flaky_case_that_passes_again_is_no_fix(tmp_path: Path) -> None:
    excused = judged(read(tmp_path, ENTRY), failing()).results

    found = compare(excused, run(case("6.1", P), case("6.12", P)))

    assert not found.fixes


def test_every_report_has_its_owner_and_end_date(tmp_path: Path) -> None:
    report = judged(read(tmp_path, {**ENTRY, "reason": "it races"}), failing())
    (of_6_1, *_) = (text for _, text in junit.documents(report.results))

    for text in (
        of_6_1,
        markdown.render(report.results),
        sarif.document(report.results),
        "\n".join(annotations.lines(report.results)),
        resultsfile.dump(report.results),
        page.render(report.results),
    ):
        assert "@ada" in text
        assert "2026-01-31" in text
        assert "it races" in text


def test_junit_has_it_as_skipped_and_sarif_as_a_note(tmp_path: Path) -> None:
    results = judged(read(tmp_path, ENTRY), failing()).results

    texts = "".join(text for _, text in junit.documents(results))

    assert "<failure" not in texts
    assert "<skipped" in texts
    assert '"level": "note"' in sarif.document(results)
    assert annotations.lines(results)[0].startswith("::warning")


def test_results_keep_it_for_later_commands(tmp_path: Path) -> None:
    path = kept(tmp_path, TOMORROW)

    assert cli.main(["report", str(path), "--gate", "all"]) == 0


def kept(folder: Path, until: str) -> Path:
    """Return the results.json of a run of January, made with a list until a day."""
    path = folder / "results.json"
    flaky = read_until(folder, until)
    resultsfile.write(flaky.marked(failing()), path)
    return path


def read_until(folder: Path, until: str) -> FlakyList:
    day = date.fromisoformat(until) - timedelta(days=1)
    return FlakyList.read(write(folder, {**ENTRY, "until": until}), day)


def test_a_kept_mark_is_named_with_its_owner_and_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["report", str(kept(tmp_path, TOMORROW)), "--gate", "all"])

    (note,) = (it for it in capsys.readouterr().err.splitlines() if "note" in it)
    assert "task::state" in note
    assert "@ada" in note
    assert TOMORROW in note


def test_a_kept_mark_that_has_ended_since_counts_again(tmp_path: Path) -> None:
    path = kept(tmp_path, "2026-01-31")
    assert resultsfile.read(path).cases[0].is_excused

    assert cli.main(["report", str(path), "--gate", "all"]) == 1

    found = resultsfile.read(path).cases[0]
    assert found.cure.startswith("its entry in the list of known flaky cases ended")
    assert "does not count until" not in found.cure
    assert found.cure.endswith("; guard it")


@pytest.mark.parametrize(
    "change",
    [{"case": "task::other"}, {"until": "2026-01-31"}, {"kernels": '["6.12"]'}],
)
def test_a_list_replaces_the_marks_of_an_earlier_one(
    change: dict[str, str], tmp_path: Path
) -> None:
    path = kept(tmp_path, TOMORROW)
    corrected = write(tmp_path, {**ENTRY, "until": TOMORROW, **change})

    words = ["report", str(path), "--gate", "all", "--flaky", str(corrected)]
    assert cli.main(words) == 1

    assert not resultsfile.read(path).cases[0].is_excused


def test_marks_that_a_list_removes_leave_nothing_behind(tmp_path: Path) -> None:
    marked = read(tmp_path, ENTRY).marked(failing())
    other = read(tmp_path, {**ENTRY, "case": "task::other"})

    assert other.marked(marked) == failing()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"case": "task::stat"}, "no case matches task::stat; did you mean"),
        ({"case": "tsak::state"}, "no case matches tsak::state; did you mean"),
        ({"case": "task::STATE"}, "no case matches task::STATE"),
        ({"kernels": '["5:10"]'}, "this run has no kernel of 5:10"),
        ({"kernels": '["5.11"]'}, "this run has no kernel of 5.11"),
    ],
)
def test_report_names_an_entry_that_matches_nothing(
    change: dict[str, str],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "results.json"
    resultsfile.write(failing(), path)
    flaky = write(tmp_path, {**ENTRY, "until": TOMORROW, **change})

    cli.main(["report", str(path), "--flaky", str(flaky)])

    said = capsys.readouterr().err
    assert "note: " in said
    assert f"flaky.yaml:{2 if 'case' in change else 5}" in said
    assert told in said


def test_report_marks_a_run_that_was_made_without_the_list(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    resultsfile.write(failing(), path)
    flaky = write(tmp_path, {**ENTRY, "until": TOMORROW})

    assert cli.main(["report", str(path), "--gate", "all"]) == 1
    words = ["report", str(path), "--gate", "all", "--flaky", str(flaky)]
    assert cli.main(words) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"owner": '""'}, "owner"),
        ({"owner": '"  "'}, "owner"),
        ({"owner": '"?"'}, "owner"),
        ({"kernels": "[]"}, "name a kernel"),
        ({"until": "soon"}, "not a date"),
        ({"until": "2026-04-03"}, "the latest is 2026-04-02"),
        ({"case": "state"}, "SUITE::CASE"),
        ({"case": '"*::state"'}, "wildcards"),
        ({"case": "task::*"}, "whole suite"),
        ({"case": "task::*?[a-z]*"}, "whole suite"),
        ({"class": "wrong_valu"}, "wrong_value"),
        ({"kernels": '["@lts"]'}, "ids or ranges"),
        ({"expires": "2026-01-01"}, "expires"),
    ],
)
def test_a_mistake_is_refused_with_its_line(
    change: dict[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as raised:
        read(tmp_path, {**ENTRY, **change})

    assert "flaky.yaml:" in str(raised.value)
    assert message in str(raised.value)


@pytest.mark.parametrize("key", ENTRY)
def test_owner_case_and_end_date_are_required(key: str, tmp_path: Path) -> None:
    entry = {name: value for name, value in ENTRY.items() if name != key}

    with pytest.raises(UsageError, match=key):
        read(tmp_path, entry)


def test_an_entry_for_a_case_that_is_gone_is_a_mistake(tmp_path: Path) -> None:
    flaky = read(tmp_path, {**ENTRY, "case": "task::stat"})

    with pytest.raises(UsageError, match=r"flaky.yaml:2.*task::state"):
        flaky.require_known([CaseKey("6.1", "task", "state")])


def test_entries_of_other_suites_and_of_tests_of_programs_are_not(
    tmp_path: Path,
) -> None:
    entries = ({**ENTRY, "case": it} for it in ("other::x", "task::state::TestX"))

    read(tmp_path, *entries).require_known([CaseKey("6.1", "task", "state")])


def test_an_entry_of_another_suite_is_a_mistake_where_there_are_no_others(
    tmp_path: Path,
) -> None:
    flaky = read(tmp_path, {**ENTRY, "case": "tsak::state"})
    keys = [CaseKey("6.1", "task", "state")]

    flaky.require_known(keys)
    with pytest.raises(UsageError, match=r"flaky.yaml:2.*task::state"):
        flaky.require_known(keys, all_suites=True)


@pytest.mark.parametrize("kernel", ["5.11", "5:10"])
def test_a_kernel_that_the_matrix_does_not_have_is_a_mistake(
    kernel: str, tmp_path: Path
) -> None:
    flaky = read(tmp_path, {**ENTRY, "kernels": f'["6.1", ">=5.4", "{kernel}"]'})

    with pytest.raises(UsageError, match=f"flaky.yaml:5.*no kernel '{kernel}'"):
        flaky.require_kernels(["5.10", "6.1"])
    flaky.require_kernels(["5.10", "6.1", kernel])


def test_outcomes_other_than_failures_are_left_alone(tmp_path: Path) -> None:
    flaky = read(tmp_path, ENTRY)
    for outcome in set(Outcome) - {F}:
        results = run(case("6.1", outcome))
        assert flaky.marked(results) == results


def test_a_badge_of_nothing_but_kernels_with_excused_failures_is_not_green(
    tmp_path: Path,
) -> None:
    results = run(case("6.1", F), case("6.1", P, "other"))

    report = judged(read(tmp_path, ENTRY), results)

    assert report.status is ExitStatus.COMPATIBLE
    badge = pictures.badge_of(report.results, "kernels")
    assert (badge.message, badge.colour) == ("no verdict", "#7a5a00")
