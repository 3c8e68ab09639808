"""What kernels agree about is decided when all of them have given their rows."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from runner.errors import ExitStatus
from runner.reports import (
    agreement,
    cells,
    explanation,
    junit,
    markdown,
    merging,
    resultsfile,
    sarif,
    style,
)
from runner.reports.criteria import Criteria
from runner.reports.explanation import ExplainedRun
from runner.reports.groups import Group
from runner.reports.merging import FoundRun
from runner.results import (
    Agreement,
    CaseResult,
    Outcome,
    PlannedCase,
    RunResults,
    Selection,
    Shard,
    exit_status,
)
from runner.suites.checks import normal
from runner.suites.checks.normal import NormalRows
from runner.suites.comparable import AgreeExpectation
from tests.unit.reports.runs import kernel, run

WANTED = AgreeExpectation.model_validate({"map": "m", "agree": True})
EVERYTHING = Selection(all_kernels=True)


def gave(on: str, *values: JsonValue, **more: Any) -> CaseResult:
    """Return a case that passed on its own, and gave rows with these values."""
    rows: list[JsonValue] = [{"key": 0, "value": it} for it in values]
    unnamed, checked = more.pop("unnamed", {}), more.pop("checked", 0)
    missing = more.pop("missing", ())
    made = NormalRows(rows=rows, unnamed=unnamed, missing=missing)
    found = normal.found(WANTED, made, expectation=0)
    keys = ("declared", "gap", "case_sha256")
    compared = {it: more.pop(it) for it in keys if it in more}
    given_ = {"outcome": Outcome.PASSED, "checked": checked, **more}
    return CaseResult(
        kernel=on,
        suite="task",
        case="state",
        agreement=Agreement(found=(found,), **compared),
        **given_,
    )


def ended(*cases: CaseResult, **more: Any) -> dict[str, CaseResult]:
    results = agreement.judged(run(*cases, **more))
    return {it.kernel: it for it in results.cases}


def test_kernels_that_gave_the_same_agree() -> None:
    found = ended(gave("5.10", 1), gave("6.1", 1), gave("6.12", 1))

    assert {it.outcome for it in found.values()} == {Outcome.PASSED}
    assert {it.checked for it in found.values()} == {1}
    (match,) = found["6.1"].matches
    assert match.expected == "the same on 5.10, 6.1 and 6.12"


def test_the_odd_one_out_fails_and_the_others_do_not() -> None:
    found = ended(gave("5.10", 1), gave("6.1", 1), gave("6.12", 2))

    assert found["5.10"].outcome is found["6.1"].outcome is Outcome.PASSED
    odd = found["6.12"]
    assert (odd.outcome, odd.failure_class) == (Outcome.FAILED, "kernels_disagree")
    assert odd.message == (
        "map m: 5.10 and 6.1 agree; 6.12 differs: key 0: 1 on 5.10 and 6.1, 2 on 6.12"
        "; it changes between 6.1 and 6.12"
    )
    assert [str(it) for it in odd.mismatches] == [
        "map m key 0: expected 1 on 5.10 and 6.1, observed 2 on 6.12"
    ]
    assert odd.cure


def test_without_a_majority_all_fail_because_nobody_knows_who_is_right() -> None:
    found = ended(*(gave(it, it > "6.1") for it in ("5.10", "5.15", "6.1", "6.12")))
    two = ended(gave("5.10", 1), gave("6.1", 2))

    assert "no two of 5.10 and 6.1 agree" in two["6.1"].message
    assert {it.failure_class for it in two.values()} == {"kernels_disagree"}
    assert found["6.12"].outcome is Outcome.FAILED  # three against one
    assert found["5.10"].outcome is Outcome.PASSED


def test_groups_and_their_boundary_are_told_in_words() -> None:
    found = ended(gave("5.10", 1), gave("6.1", 1), gave("6.12", 2), gave("sid", 2))

    assert {it.outcome for it in found.values()} == {Outcome.FAILED}
    assert found["sid"].message == (
        "map m: no majority: 5.10 and 6.1 have the same; 6.12 and sid have the same: "
        "key 0: 1 on 5.10 and 6.1, 2 on 6.12 and sid; it changes between 6.1 and 6.12"
    )


def test_a_change_that_comes_and_goes_has_no_boundary() -> None:
    found = ended(gave("5.10", 1), gave("6.1", 2), gave("6.12", 1))

    assert "it changes" not in found["6.1"].message


def test_the_number_of_rows_counts() -> None:
    found = ended(gave("5.10", 1, 1), gave("6.1", 1, 1), gave("6.12", 1))

    assert found["6.12"].failure_class == "kernels_disagree"


def test_rows_that_are_not_kept_count_too() -> None:
    many = [*range(600)]
    found = ended(gave("5.10", *many), gave("6.1", *many, 9), gave("6.12", *many))

    assert "checksum" in found["6.1"].message
    assert found["6.1"].failure_class == "kernels_disagree"


# ------------------------------------------------------------ nothing to compare


def test_kernels_that_all_gave_nothing_agree_about_nothing() -> None:
    found = ended(gave("5.10"), gave("6.1"))

    assert {it.outcome for it in found.values()} == {Outcome.FAILED}
    assert {it.failure_class for it in found.values()} == {"nothing_to_agree_with"}
    assert "add a trigger that makes the program fill map m" in found["6.1"].cure


def test_kernels_that_all_gave_empty_values_agree_about_nothing() -> None:
    rows = NormalRows(rows=[{"value": {"list": []}}])
    kept = Agreement(found=(normal.found(WANTED, rows, expectation=0),))
    cases = [gave(it).model_copy(update={"agreement": kept}) for it in ("5.10", "6.1")]

    found = ended(*cases)

    assert {it.failure_class for it in found.values()} == {"nothing_to_agree_with"}
    # Another kernel may have something there, and then they differ.
    odd = ended(*cases, gave("6.12", 1))
    assert odd["6.12"].failure_class == "kernels_disagree"


def test_a_kernel_that_gave_nothing_differs_from_those_that_gave_something() -> None:
    found = ended(gave("5.10", 1), gave("6.1", 1), gave("6.12"))

    assert found["6.12"].failure_class == "kernels_disagree"


def test_a_key_that_bpftool_shows_nowhere_is_no_agreement() -> None:
    one, other = {"missing": ["typo", "btf_id"]}, {"missing": ["typo"]}

    found = ended(gave("5.10", 1, **one), gave("6.1", 1, **other))

    assert {it.failure_class for it in found.values()} == {"nothing_to_agree_with"}
    assert "because bpftool shows no typo" in found["6.1"].message
    alone = ended(gave("5.10", 1, **one), gave("6.1", 1))
    assert {it.outcome for it in alone.values()} == {Outcome.PASSED}


def test_a_run_of_one_kernel_is_not_green() -> None:
    results = agreement.judged(run(gave("6.1", 1)))
    (case,) = results.cases

    assert (case.outcome, case.failure_class) == (
        Outcome.SKIPPED,
        "nothing_to_agree_with",
    )
    assert "6.1 is the only kernel of this run" in case.message
    # Nobody declared anything.
    words = "1 case not compared, 1 check not available"
    assert style.counts(results) == words
    ((_, (cell,)),) = cells.rows(results)
    assert cell is not None
    assert cell.words == "1 case not compared"
    text = markdown.render(results)
    assert "Not compared with other kernels" in text
    assert "eclared gap" not in text
    assert exit_status(results) is ExitStatus.INFRASTRUCTURE


def test_what_the_case_checks_besides_still_counts_on_one_kernel() -> None:
    (case,) = ended(gave("6.1", 1, checked=2)).values()

    assert (case.outcome, case.checked) == (Outcome.PASSED, 2)
    assert "not compared with other kernels" in case.message
    assert len(case.not_available) == 1


def skipped(on: str) -> CaseResult:
    return CaseResult(
        kernel=on,
        suite="task",
        case="state",
        outcome=Outcome.SKIPPED,
        message="needs >=6.12",
        failure_class="declared_gap",
    )


def test_if_the_whole_matrix_leaves_one_kernel_to_run_it_the_case_fails() -> None:
    narrowed = ended(skipped("5.10"), gave("6.12", 1))
    whole = ended(skipped("5.10"), gave("6.12", 1), selection=EVERYTHING)

    assert narrowed["6.12"].outcome is Outcome.SKIPPED
    assert whole["6.12"].outcome is Outcome.FAILED
    assert whole["6.12"].failure_class == "nothing_to_agree_with"
    assert "5.10: skipped: needs >=6.12" in whole["6.12"].message
    assert whole["5.10"].outcome is Outcome.SKIPPED


def test_a_kernel_that_did_not_come_up_is_named() -> None:
    lost = CaseResult(
        kernel="sid",
        suite="task",
        case="state",
        outcome=Outcome.ERROR,
        message="no mirror",
        failure_class="infrastructure",
    )
    results = agreement.judged(run(gave("6.1", 1), lost, selection=EVERYTHING))

    assert "sid: error: no mirror" in results.cases[0].message
    assert exit_status(results) is ExitStatus.INFRASTRUCTURE


def test_kernels_that_a_stopped_run_left_out_are_named() -> None:
    planned = (PlannedCase(suite="task", case="state", kernels=("6.1", "6.12")),)
    results = agreement.judged(
        run(
            gave("6.1", 1),
            planned=planned,
            kernels=(kernel("6.1"), kernel("6.12")),
        )
    )

    assert not results.complete
    assert "6.12: did not run, because the run ended before" in results.cases[0].message


# --------------------------------------------------------- who has a say, and when


def test_a_kernel_that_is_not_required_does_not_outvote_those_that_are() -> None:
    kernels = (
        kernel("6.1"),
        kernel("6.12", required=False),
        kernel("sid", required=False),
    )
    results = agreement.judged(
        run(gave("6.1", 1), gave("6.12", 2), gave("sid", 2), kernels=kernels)
    )

    outcomes = [it.outcome for it in results.cases]
    assert outcomes == [Outcome.PASSED, Outcome.FAILED, Outcome.FAILED]
    assert exit_status(results) is ExitStatus.COMPATIBLE


def test_a_kernel_that_is_declared_to_differ_is_a_gap_and_has_no_vote() -> None:
    known = {"declared": "the field is new", "gap": True}
    found = ended(gave("5.10", 1), gave("6.12", 2, **known), gave("sid", 2, **known))

    assert found["5.10"].outcome is Outcome.PASSED
    assert {found[it].outcome for it in ("6.12", "sid")} == {Outcome.SKIPPED}
    assert "the field is new" in found["sid"].message


def test_a_kernel_that_agrees_although_it_is_declared_to_differ_fails() -> None:
    found = ended(gave("5.10", 1), gave("6.1", 1, declared="it was so", gap=True))

    assert found["6.1"].failure_class == "unexpected_pass"


def test_a_case_that_failed_before_keeps_its_class_and_says_both() -> None:
    failed = {"outcome": Outcome.FAILED, "failure_class": "wrong_value", "message": "x"}
    found = ended(gave("5.10", 1), gave("6.1", 1), gave("6.12", 2, **failed))

    assert found["6.12"].failure_class == "wrong_value"
    assert found["6.12"].message.startswith("x; also, map m: 5.10 and 6.1 agree")


def test_a_number_that_equals_a_pid_everywhere_gives_advice() -> None:
    pid = {"unnamed": {"value": "child.pid"}}
    found = ended(gave("5.10", 130, **pid), gave("6.1", 131, **pid))
    chance = ended(gave("5.10", 130, **pid), gave("6.1", 131))

    assert "add `normalise: {value: pid}`" in found["6.1"].cure
    assert "add" not in chance["6.1"].cure.replace("add it", "")


# ------------------------------------------------------------- parts and reports


def part(index: int, *cases: CaseResult, **more: Any) -> FoundRun:
    own = tuple(it.kernel for it in cases)
    shard = Shard(index=index, count=2, planned=("5.10", "6.1", "6.12"), own=own)
    planned = (PlannedCase(suite="task", case="state", kernels=own),)
    results = agreement.judged(run(*cases, shard=shard, planned=planned, **more))
    return FoundRun(folder=Path(f"part-{index}"), results=results)


def test_shards_are_compared_when_they_are_merged() -> None:
    first, second = part(1, gave("5.10", 1), gave("6.12", 1)), part(2, gave("6.1", 2))
    (alone,) = second.results.cases
    assert alone.outcome is Outcome.SKIPPED
    assert "this is shard 2/2; `merge` compares" in alone.message

    merged = merging.merge([first, second])

    outcomes = {it.kernel: it.outcome for it in merged.cases}
    assert outcomes == {
        "5.10": Outcome.PASSED,
        "6.1": Outcome.FAILED,
        "6.12": Outcome.PASSED,
    }
    assert exit_status(merged) is ExitStatus.INCOMPATIBLE


def test_a_majority_within_a_shard_may_be_none_of_the_run() -> None:
    first = part(1, gave("5.10", 1), gave("6.1", 2))
    assert {it.outcome for it in first.results.cases} == {Outcome.FAILED}

    merged = merging.merge([first, part(2, gave("6.12", 2))])

    outcomes = {it.kernel: it.outcome for it in merged.cases}
    assert outcomes["5.10"] is Outcome.FAILED
    assert outcomes["6.1"] is outcomes["6.12"] is Outcome.PASSED


def test_parts_with_other_suites_are_not_compared() -> None:
    other = part(
        2,
        gave("6.12", 1, case_sha256="b"),
        selection=Selection(suites_sha256="b"),
    )
    first = part(1, gave("5.10", 1, case_sha256="a"), gave("6.1", 1, case_sha256="a"))

    merged = merging.merge([first, other], allow_mixed=True)

    assert {it.failure_class for it in merged.cases} == {"nothing_to_agree_with"}
    assert {it.outcome for it in merged.cases} == {Outcome.FAILED}
    assert "not the same in all parts" in merged.cases[0].message


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.booleans(), st.booleans()),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
def test_to_decide_twice_changes_nothing(
    kernels: list[tuple[int, bool, bool]], everything: bool
) -> None:
    cases = [
        gave(
            f"6.{number}",
            *[value][: value + 1],
            declared="x" if declared else "",
            checked=int(checks),
        )
        for number, (value, declared, checks) in enumerate(kernels)
    ]
    once = agreement.judged(run(*cases, selection=Selection(all_kernels=everything)))

    assert agreement.judged(once) == once
    assert resultsfile.dump(agreement.judged(once)) == resultsfile.dump(once)
    # Nothing passes that checked nothing.
    assert all(it.checked for it in once.cases if it.outcome is Outcome.PASSED)


@pytest.fixture
def odd() -> RunResults:
    return agreement.judged(run(gave("5.10", 1), gave("6.1", 1), gave("6.12", 2)))


def test_every_report_has_it(odd: RunResults) -> None:
    documents = {it.id: text for it, text in junit.documents(odd)}
    scan = json.dumps(json.loads(sarif.document(odd)))

    assert "kernels_disagree" in documents["6.12"]
    assert "<failure" not in documents["5.10"]
    assert "kernels_disagree" in scan
    assert Criteria().report(odd).status is ExitStatus.INCOMPATIBLE


def test_the_command_that_repeats_a_case_has_the_kernels_to_compare(
    odd: RunResults,
) -> None:
    (case,) = [it for it in odd.cases if it.outcome is Outcome.FAILED]
    known = ExplainedRun(results=odd, file=Path("reports/results.json"))

    steps = explanation.of_group(Group(cases=(case,)), known).next

    assert "--kernels 5.10,6.1,6.12" in steps[0].text


def test_values_stand_side_by_side_with_their_kernels(odd: RunResults) -> None:
    assert [str(it) for it in agreement.differences(odd)] == [
        "map m key 0: 1 on 5.10, 6.1; 2 on 6.12"
    ]
