"""What preflight said and could not say is in each report, and fails nothing."""

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from runner.errors import ExitStatus
from runner.reports import (
    annotations,
    foretold,
    junit,
    markdown,
    page,
    sarif,
    summary_text,
)
from runner.reports.criteria import Report
from runner.results import (
    CaseResult,
    Outcome,
    PredictedFinding,
    RunResults,
    exit_status,
)
from tests.unit.reports.runs import P, case, run

MOVED = PredictedFinding(
    kind="argument_changed",
    effect="wrong_value",
    subject="vfs_unlink, argument 2",
    reason="vfs_unlink, argument 2 is struct inode *dir, and is taken for dentry",
    cure="two programs with `alternatives`",
    program="on_unlink",
    source="task.bpf.c:12",
)
SHORT = MOVED.model_copy(
    update={"kind": "record_short", "effect": "not_attached", "reason": "too short"}
)
MEANT = MOVED.model_copy(update={"subject": "meant", "accepted": True})
REFUSED = MOVED.model_copy(update={"effect": "not_loaded", "reason": "refused"})
LONG = "not followed to its end: its programs take more than 200,000 steps"
NEED = "attach target kprobe/do_unlinkat"


def told(kernel: str, name: str = "state", **more: Any) -> CaseResult:
    return case(kernel, P, name, **more)


RUN = run(
    told("6.1", findings=(MOVED,), predicted="loads", not_known=(NEED,)),
    told("6.12", findings=(MOVED, SHORT), predicted="loads", not_known=(NEED,)),
    told("6.12", "other", findings=(MOVED, MEANT, REFUSED), predicted="loads"),
    told("6.1", "long", not_predicted=LONG),
)
COUNTS = "2 warnings, 1 case not predicted, 2 needs not known"


def terminal(results: RunResults) -> str:
    return " ".join(summary_text(Report(results=results), width=200).split())


def test_each_finding_is_told_once_with_its_kernels_and_cases() -> None:
    found = foretold.findings(RUN)
    assert [(it.kernels, it.names, it.finding.effect) for it in found] == [
        (["6.1", "6.12"], ["task::state", "task::other"], "wrong_value"),
        (["6.12"], ["task::state"], "not_attached"),
    ]
    assert [(it.file, it.line) for it in found] == [("suites/task/task.bpf.c", 12)] * 2
    assert foretold.counts(RUN) == COUNTS
    assert foretold.counts(run(told("6.1"))) == ""
    unfollowed = MOVED.model_copy(update={"effect": "unknown"})
    (it,) = foretold.findings(run(told("6.1", findings=(unfollowed,))))
    assert it.text.startswith("unknown: task.bpf.c:12:")
    assert foretold.counts(run(told("6.1", findings=(unfollowed,)))) == (
        "1 object not followed"
    )


def test_a_source_that_is_not_the_case_s_keeps_its_own_name() -> None:
    other = MOVED.model_copy(update={"source": "common.h:7"})
    (found,) = foretold.findings(run(told("6.1", findings=(other,))))
    assert (found.file, found.line) == ("common.h", 7)


@pytest.mark.parametrize("render", [markdown.render, page.render])
def test_pages_tell_warnings_and_what_is_not_known(render: Any) -> None:
    text = render(RUN)
    for part in (COUNTS, MOVED.reason, SHORT.reason, LONG, NEED):
        assert part in text
    without = render(run(told("6.1")))
    assert "redicted" not in without.partition("<script")[0]
    assert "need" not in without.partition("\n\n")[0]


def test_the_page_tells_of_a_case_all_that_was_said_of_it() -> None:
    text = page.render(RUN)
    data = json.loads(
        text.partition('<script type="application/json" id="data">')[2].partition(
            "</script>"
        )[0]
    )
    said = [it for it in data["strings"] if it.startswith("loads\n")]
    assert any(MOVED.cure in it and "(accepted)" in it for it in said)
    assert any(it.endswith(LONG) for it in data["strings"])


def test_the_terminal_counts_and_tells_each_warning_once() -> None:
    text = terminal(RUN)
    assert COUNTS in text
    assert text.count(MOVED.reason) == 1
    assert "6.1, 6.12 task::state and 1 more: warning: task.bpf.c:12:" in text
    assert f"not predicted: {LONG}" in text
    assert MEANT.subject not in text


def test_junit_has_them_as_properties_and_output_and_no_failure() -> None:
    (first, second) = (text for _, text in junit.documents(RUN))
    assert all(ET.fromstring(text).get("failures") == "0" for text in (first, second))
    assert MOVED.reason in first
    assert f'name="not_predicted long" value="{LONG}"' in first
    assert f'name="not_known state" value="{NEED}"' in first
    assert 'name="predicted other" value="loads"' in second


def test_code_scanning_and_annotations_have_warnings_at_the_line() -> None:
    found = json.loads(sarif.document(RUN))["runs"][0]["results"]
    assert [(it["ruleId"], it["level"]) for it in found] == [
        ("argument_changed", "warning"),
        ("record_short", "warning"),
    ]
    place = found[0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "suites/task/task.bpf.c"
    assert place["region"] == {"startLine": 12}
    assert MOVED.cure in found[0]["message"]["text"]
    lines = annotations.lines(RUN)
    assert len(lines) == 2
    assert lines[0].startswith("::warning file=suites/task/task.bpf.c,line=12,")


def test_none_of_it_turns_a_pass_into_something_else() -> None:
    assert exit_status(RUN) is ExitStatus.COMPATIBLE
    assert all(it.outcome is Outcome.PASSED for it in RUN.cases)
