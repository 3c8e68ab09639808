import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from runner.reports import page, pagedata, templating
from runner.reports.compare import Gate, compare
from runner.reports.release import facts
from runner.results import (
    CaseResult,
    KernelRun,
    Match,
    Mismatch,
    Outcome,
    Phases,
    ProgramCost,
    Provenance,
    RunResults,
    SourceExcerpt,
)
from tests.unit.reports import hostile


def case(kernel: str = "6.1", **values: Any) -> CaseResult:
    known: dict[str, Any] = {"suite": "task", "case": "state"}
    known["outcome"] = Outcome.PASSED
    return CaseResult(kernel=kernel, **known | values)


def run(*cases: CaseResult, **values: Any) -> RunResults:
    known: dict[str, Any] = {
        "runner": "0.1.0",
        "started": "2026-01-02T03:04:05+00:00",
        "duration": 2.0,
        "kernels": tuple(
            KernelRun(id=id_, release=f"{id_}.7") for id_ in ("5.10", "6.1")
        ),
    }
    return RunResults(cases=cases, **known | values)


WRONG = case(
    outcome=Outcome.FAILED,
    message="task key 7: expected 1, observed 0",
    failure_class="wrong_value",
    cure="guard the read",
    source="task.bpf.c:41",
    source_path="suites/task/task.bpf.c",
    mismatches=(
        Mismatch(subject="map tasks", key="7", field="pid", expected="1", observed="0"),
    ),
    log="libbpf: loaded",
    console="last words",
    checked=1,
)


def parsed(text: str) -> Any:
    return html.document_fromstring(text)


def summary_of(tree: Any) -> str:
    """Return the line of the first failure."""
    return str(tree.xpath("//details[@data-cases]/summary")[0].text_content())


def data_of(text: str) -> Any:
    (found,) = parsed(text).xpath("//script[@id='data']")
    return json.loads(found.text)


def test_without_scripts_a_cell_tells_its_outcome_by_colour_and_sign() -> None:
    tree = parsed(page.render(run(case("5.10"), WRONG)))
    cells = tree.xpath("//table[@id='matrix']//td[@class]")
    assert [(it.get("class"), it.text) for it in cells] == [
        ("passed", "✓ 1/1"),
        ("failed", "✗ 0/1"),
    ]


def test_a_failure_is_told_with_expected_observed_class_cure_and_line() -> None:
    tree = parsed(page.render(run(WRONG)))
    (told,) = tree.xpath("//details[@data-cases]")
    text = " ".join(told.text_content().split())
    for part in (
        *("task::state", "on 6.1", "wrong_value", "guard the read"),
        *("suites/task/task.bpf.c:41", "last words"),
        "the object loads and runs, but what it read is not what you expect",
        "bpf-kernel-matrix --kernels 6.1 -k task::state",
    ):
        assert part in text
    cells = [cell.text_content() for cell in told.xpath(".//td")]
    assert cells == ["6.1", "map tasks", "7", "pid", "1", "0"]


def test_values_of_all_kernels_are_there_and_common_ones_once() -> None:
    other = Mismatch(
        subject="map tasks", key="8", field="pid", expected="8", observed="0"
    )
    cases = [
        WRONG.model_copy(update={"kernel": "5.10"}),
        WRONG,
        WRONG.model_copy(update={"kernel": "6.6", "mismatches": (other,)}),
    ]
    (told,) = parsed(page.render(run(*cases))).xpath("//details[@data-cases]")
    rows = [
        [cell.text_content() for cell in row.xpath("./td")]
        for row in told.xpath(".//tbody/tr")
    ]
    assert rows == [
        ["5.10, 6.1", "map tasks", "7", "pid", "1", "0"],
        ["6.6", "map tasks", "8", "pid", "8", "0"],
    ]


def test_a_failure_shows_its_source_with_the_line_marked() -> None:
    around = SourceExcerpt(first=40, lines=("int a;", "read(<b>);", "int c;"))
    failed = WRONG.model_copy(update={"excerpt": around})
    text = page.render(run(failed))
    (told,) = parsed(text).xpath("//details[@data-cases]")
    (marked,) = told.xpath(".//pre[@class='source']/mark")
    assert marked.text_content().strip() == "41read(<b>);"
    data = data_of(text)
    first, line, lines = data["details"][0]["source"]
    assert (first, line) == (40, 41)
    assert data["strings"][lines].splitlines()[1] == "read(<b>);"


def test_the_page_says_what_was_tested() -> None:
    results = run(
        case(),
        provenance=Provenance(
            project="team/probe",
            commit="a" * 40,
            branch="fix-state",
            changed=True,
            ci="GitHub Actions",
            ci_run="https://example.org/team/probe/actions/runs/7",
        ),
    )
    tree = parsed(page.render(results))
    assert tree.findtext(".//title") == "✓ Kernel matrix: team/probe fix-state"
    told = tree.xpath("//p[contains(@class, 'identity')]")[0]
    words = " ".join(told.text_content().split())
    for part in (
        "commit aaaaaaaaaaaa, with changes that are not committed",
        "branch fix-state",
        "started 2 Jan 2026, 03:04 UTC",
        "GitHub Actions run",
    ):
        assert part in words
    assert told.xpath(".//a/@href") == ["https://example.org/team/probe/actions/runs/7"]


@pytest.mark.parametrize("address", ["javascript:alert(1)", "//x", "data:text/html,x"])
def test_a_file_that_was_edited_links_to_no_script(address: str) -> None:
    results = run(case(), provenance=Provenance(ci_run=address))
    assert address not in parsed(page.render(results)).xpath("//@href")


def test_the_script_knows_what_it_shows_of_a_case() -> None:
    read = Match(subject="map tasks", key="7", expected="7", observed="7")
    passed = case("5.10", predicted="loads", matches=(read,), duration=0.5, checked=1)
    data = data_of(page.render(run(passed, WRONG)))
    strings = data["strings"]
    (row,) = data["rows"]
    suite, name, _, program, selection, outcomes, took, checked = row[:8]
    predicted, evidence, costs, details = row[8:]
    assert [it["id"] for it in data["kernels"]] == ["5.10", "6.1"]
    assert (data["suites"][suite], strings[name]) == ("task", "state")
    assert strings[program] == "bpf-kernel-matrix"
    assert strings[selection] == "-k task::state"
    words = [data["looks"][int(it)]["word"] for it in outcomes]
    assert words == ["passed", "failed"]
    assert (took, checked) == ([0.5, 0.0], 1)
    assert (strings[predicted[0]], predicted[1]) == ("loads", -1)
    assert evidence[1] == costs == -1
    (values,) = data["evidence"][evidence[0]]
    assert [strings[it] if it >= 0 else "" for it in values] == [
        *("map tasks", "7", "", "7", "7")
    ]
    # The one that passed has nothing more to say.
    assert list(details) == ["1"]
    detail = data["details"][details["1"]]
    assert strings[detail["log"]] == "libbpf: loaded"
    assert strings[detail["where"]] == "suites/task/task.bpf.c:41"
    assert [strings[it] for it in detail["mismatches"][0]] == [
        *("map tasks", "7", "pid", "1", "0")
    ]


def test_a_kernel_without_a_result_of_a_case_has_a_blank() -> None:
    kernels = tuple(KernelRun(id=id_) for id_ in ("5.4", "5.10", "6.1"))
    data = data_of(
        page.render(run(case("5.10"), case("5.4", case="b"), kernels=kernels))
    )
    assert [row[5] for row in data["rows"]] == [" 2 ", "2  "]


def test_evidence_together_fits_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagedata, "_ALL_MATCHES", 5)
    cases = [
        case(
            case=str(number),
            matches=(Match(subject="m", expected=str(number), observed="1"),),
        )
        for number in range(10)
    ]
    assert len(data_of(page.render(run(*cases)))["evidence"]) == 5


def test_what_many_kernels_say_is_kept_once() -> None:
    kernels = tuple(KernelRun(id=f"6.{number}") for number in range(50))
    cases = [WRONG.model_copy(update={"kernel": it.id}) for it in kernels]
    text = page.render(run(*cases, kernels=kernels))
    assert json.dumps(data_of(text)).count("last words") == 1


def test_nothing_but_the_own_style_and_script_is_allowed() -> None:
    tree = parsed(page.render(run(WRONG)))
    (policy,) = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none';")
    for found in tree.xpath("//style | //script[not(@type)]"):
        digest = base64.b64encode(hashlib.sha256(found.text.encode()).digest())
        assert f"'sha256-{digest.decode()}'" in policy
    assert "unsafe" not in policy


def test_the_page_asks_for_nothing_elsewhere() -> None:
    tree = parsed(page.render(run(WRONG)))
    asked = tree.xpath("//@src | //@href | //@action | //@style")
    assert [it for it in asked if not it.startswith(("#", "data:,"))] == []
    assert "@import" not in page.render(run(WRONG))


def test_hostile_texts_make_no_element_and_no_attribute() -> None:
    results = hostile.run()
    plain = page.render(
        results, comparison=compare(run(), results), release=facts(results, "v<b>1")
    )
    tree = parsed(plain)
    assert len(tree.xpath("//script")) == 2
    assert tree.xpath("//img | //iframe | //style[2] | //svg[@onload]") == []
    assert tree.xpath("//@*[starts-with(name(), 'on')]") == []
    shown = tree.text_content()
    assert "<script>alert(1)</script>" in shown
    assert "{{ 7 * 7 }}" in shown
    assert "\x1b" not in plain
    assert "\x00" not in plain
    plain.encode()


@given(st.text() | st.sampled_from(hostile.CORPUS))
def test_json_in_a_script_element_is_what_it_was(text: str) -> None:
    found = pagedata.embedded({"text": text})
    assert not set("<>&\u2028\u2029") & set(found)
    assert json.loads(found) == {"text": text}


@given(st.text(), st.integers(0, 50), st.integers(1, 50))
def test_an_excerpt_is_short_and_clean(text: str, head: int, tail: int) -> None:
    found = templating.excerpt(text, head=head, tail=tail)
    assert len(found) < head + tail + 120
    assert not re.search("[\x00-\x08\x1b]", found)


def test_a_long_log_keeps_its_start_and_its_end() -> None:
    log = "the start\n" + "x" * 1_000_000 + "\nthe end"
    text = page.render(run(case(outcome=Outcome.FAILED, log=log)))
    assert len(text) < 200_000
    assert "the start" in text
    assert "the end" in text
    assert "characters are left out; see results.json" in text


def test_logs_together_fit_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagedata, "_ALL_LOGS", 100)
    cases = [
        case(case=str(number), outcome=Outcome.FAILED, log=f"log {number} " * 10)
        for number in range(10)
    ]
    strings = data_of(page.render(run(*cases)))["strings"]
    assert sum(it.startswith("log ") for it in strings) < 5
    assert any("see results.json]" in it for it in strings)


def test_the_bars_of_time_are_to_one_scale() -> None:
    slow = case("5.10", phases=Phases(load=4.0, trigger=1.0, check=2.0))
    fast = case("6.1", phases=Phases(load=1.0))
    kernels = (KernelRun(id="5.10", boots=(3.0,)), KernelRun(id="6.1"))
    tree = parsed(page.render(run(slow, fast, kernels=kernels)))
    bars = [
        [(it.get("class"), float(it.get("width"))) for it in bar.xpath(".//rect")]
        for bar in tree.xpath("//svg[@class='bar']")
    ]
    assert bars == [
        [("boot", 30.0), ("load", 40.0), ("trigger", 10.0), ("check", 20.0)],
        [("load", 10.0)],
    ]
    words = tree.xpath("//svg[@class='bar']/@aria-label")[0]
    assert words == "boot 3.0 s, load 4.0 s, trigger 1.0 s, check 2.0 s"


def test_a_kernel_that_did_not_come_up_says_so() -> None:
    lost = KernelRun(id="5.10", error="no answer", cure="see it", console="panic!")
    text = page.render(run(kernels=(lost,)))
    told = parsed(text).xpath("//section[last()]")[0].text_content()
    for part in ("5.10 did not come up", "no answer", "see it", "panic!"):
        assert part in told


def test_a_comparison_tells_what_is_a_regression() -> None:
    baseline = run(case(), case(case="mended", outcome=Outcome.FAILED))
    results = run(WRONG, case(case="mended"))
    text = page.render(results, compare(baseline, results))
    tree = parsed(text)
    (section,) = tree.xpath("//section[@aria-labelledby='changes-title']")
    told = " ".join(section.text_content().split())
    assert "1 regression, 1 fix" in told
    assert "Regressions 6.1 task::state" in told
    assert "regression on 6.1" in summary_of(tree)
    data = data_of(text)
    assert [it.get("change") for it in data["details"]] == ["regression"]


def test_a_release_s_report_is_named() -> None:
    results = run(case("5.10"), case())
    text = page.render(results, release=facts(results, "v1.2"))
    tree = parsed(text)
    (link,) = tree.xpath("//a[@href='release.html']")
    assert link.text_content() == "Compatibility report of v1.2"
    assert tree.findtext(".//title") == "✓ Kernel matrix: v1.2"


@pytest.mark.parametrize(
    "results",
    [
        run(kernels=()),
        run(),
        run(complete=False),
        run(case("7.0")),
        run(case(outcome=Outcome.SKIPPED)),
    ],
    ids=["no kernels", "no cases", "stopped", "unknown kernel", "only gaps"],
)
def test_odd_runs_have_a_page(results: RunResults) -> None:
    assert data_of(page.render(results))["looks"]


@pytest.mark.parametrize(
    ("before", "said"), [(Outcome.FAILED, "✓ passes"), (Outcome.PASSED, "✗ fails")]
)
def test_a_gate_for_regressions_has_a_word_of_its_own(
    before: Outcome, said: str
) -> None:
    results = run(WRONG)
    baseline = run(WRONG.model_copy(update={"outcome": before}))
    comparison = compare(baseline, results)

    tree = parsed(page.render(results, comparison, gate=Gate.REGRESSIONS))

    assert f"Gate (regressions): {said}" in " ".join(tree.text_content().split())


def test_vanished_cases_and_kernels_that_did_not_run_are_told() -> None:
    results = run(case(), kernels=(KernelRun(id="6.1"),))
    baseline = run(case("5.10"), case(), case(case="gone"))
    tree = parsed(page.render(results, compare(baseline, results)))
    told = " ".join(tree.text_content().split())
    assert "Gate (all): ✗ fails; 1 baseline case vanished" in told
    assert "Vanished cases 6.1 task::gone" in told
    assert "1 baseline case vanished. If they were renamed, " in told
    assert "Kernels not run: 5.10" in told

    accepted = compare(baseline, results, allow_vanished=True)
    told = parsed(page.render(results, accepted)).text_content()
    assert "Gate (" not in told
    assert "--allow-vanished" not in told


def test_a_new_failure_is_marked() -> None:
    baseline, results = run(case(case="old")), run(case(case="old"), WRONG)
    tree = parsed(page.render(results, compare(baseline, results)))
    assert "new failure on 6.1" in summary_of(tree)


def test_a_gate_for_all_says_what_the_verdict_says() -> None:
    assert "Gate (" not in page.render(run(WRONG))


def test_neighbours_that_differ_are_listed() -> None:
    tree = parsed(page.render(run(case("5.10"), WRONG)))
    told = tree.xpath("//section[@aria-labelledby='neighbours-title']")[0]
    words = " ".join(told.text_content().split())
    assert "5.10 → 6.1 upstream 1 case ends otherwise" in words
    assert "task::state: ✓ passed → ✗ failed (wrong_value)" in words


def test_kernels_that_agree_have_no_section_of_differences() -> None:
    tree = parsed(page.render(run(case("5.10"), case())))
    assert tree.xpath("//section[@aria-labelledby='neighbours-title']") == []


def test_the_cost_of_programs_is_drawn_and_tabled() -> None:
    cases = [
        case(id_, cost=(ProgramCost(program="on_exec", verified_insns=count),))
        for id_, count in (("5.10", 41), ("6.1", 82))
    ]
    tree = parsed(page.render(run(*cases)))
    (told,) = tree.xpath("//section[@aria-labelledby='cost-title']")
    assert "41 to 82 instructions" in " ".join(told.text_content().split())
    heights = [float(it) for it in told.xpath(".//rect/@height")]
    assert heights == [20.0, 40.0]


def test_programs_that_cost_the_same_everywhere_are_only_counted() -> None:
    cost = ProgramCost(program="on_exec", verified_insns=41, stack_depth=8)
    text = page.render(run(case("5.10", cost=(cost,)), case(cost=(cost,))))
    (told,) = parsed(text).xpath("//section[@aria-labelledby='cost-title']")
    words = " ".join(told.text_content().split())
    assert "1 program costs the same on all kernels." in words
    assert told.xpath(".//rect") == []
    data = data_of(text)
    # One text for both, and no details.
    assert data["strings"][data["rows"][0][-2]] == (
        "on_exec: 41 instructions verified, 8 bytes of stack"
    )
    assert data["details"] == []


def test_without_costs_there_is_no_chart() -> None:
    tree = parsed(page.render(run(case(cost=(ProgramCost(program="on_exec"),)))))
    assert tree.xpath("//section[@aria-labelledby='cost-title']") == []


def test_kernels_that_ran_at_once_overlap_in_the_timeline() -> None:
    start = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
    cases = [
        case(id_, began=start + at, duration=5.0)
        for id_, at in (("5.10", 0.0), ("6.1", 2.5))
    ]
    tree = parsed(page.render(run(*cases, duration=10.0)))
    spans = [
        (float(it.get("x")), float(it.get("width")))
        for it in tree.xpath("//svg[@class='span']/rect")
    ]
    assert spans == [(0.0, 50.0), (25.0, 50.0)]


def test_filters_name_suites_classes_families_and_tags_with_counts() -> None:
    kernels = (
        KernelRun(id="5.10", tags=("lts",)),
        KernelRun(id="el9", release="5.14.0-570.el9.x86_64", tags=("lts",)),
    )
    results = run(
        case("5.10"), WRONG.model_copy(update={"kernel": "el9"}), kernels=kernels
    )
    tree = parsed(page.render(results))
    found = {
        it.get("name"): [option.text for option in it.xpath("./option")][1:]
        for it in tree.xpath("//form[@id='filter']//select")
    }
    assert found["suite"] == ["task (2)"]
    assert found["class"] == ["wrong_value (1)"]
    assert found["kernels"] == ["upstream (1)", "RHEL (1)", "@lts (2)"]
