import base64
import hashlib
import json
import re
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
    Mismatch,
    Outcome,
    Phases,
    RunResults,
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


def data_of(text: str) -> Any:
    (found,) = parsed(text).xpath("//script[@id='data']")
    return json.loads(found.text)


def test_a_cell_tells_its_outcome_by_colour_sign_and_words() -> None:
    tree = parsed(page.render(run(case("5.10"), WRONG)))
    found = {
        cell.get("class"): cell.find("button")
        for cell in tree.xpath("//table[@id='matrix']//td[@data-suite]")
    }
    assert found["cell passed"].text == "✓ 1/1"
    assert found["cell failed"].text == "✗ 0/1"
    assert found["cell failed"].get("aria-label") == "failed: 0 of 1 passed"


def test_a_failure_is_told_with_expected_observed_class_cure_and_line() -> None:
    tree = parsed(page.render(run(WRONG)))
    (told,) = tree.xpath("//details[@data-cases]")
    text = " ".join(told.text_content().split())
    for part in (
        *("task::state", "on 6.1", "wrong_value", "guard the read"),
        *("suites/task/task.bpf.c:41", "map tasks 7 pid", "last words"),
    ):
        assert part in text
    assert [cell.text_content() for cell in told.xpath(".//td")][1:] == ["1", "0"]


def test_the_script_knows_what_it_shows_of_a_case() -> None:
    data = data_of(page.render(run(case("5.10", predicted="loads"), WRONG)))
    strings = data["strings"]
    passed, failed = data["cases"]
    assert passed[-2] == -1
    assert strings[passed[-1]] == "loads"
    kernel, suite, name, outcome, _, checked, detail, predicted = failed
    assert predicted == -1
    assert data["kernels"][kernel]["id"] == "6.1"
    assert data["suites"][suite] == "task"
    assert strings[name] == "state"
    assert data["looks"][outcome]["word"] == "failed"
    assert checked == 1
    detail = data["details"][detail]
    assert strings[detail["log"]] == "libbpf: loaded"
    assert strings[detail["where"]] == "suites/task/task.bpf.c:41"
    assert [strings[it] for it in detail["mismatches"][0]] == [
        "map tasks 7 pid",
        "1",
        "0",
    ]


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


def test_hostile_texts_make_no_element_and_no_attribute() -> None:
    results = hostile.run()
    plain = page.render(
        results, comparison=compare(run(), results), release=facts(results, "v<b>1")
    )
    tree = parsed(plain)
    assert len(tree.xpath("//script")) == 3
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
    (words,) = tree.xpath("(//svg[@class='bar'])[1]/@aria-label")
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
    assert "regression on 6.1" in tree.xpath("//details/summary")[0].text_content()
    data = data_of(text)
    assert data["details"][data["cases"][0][-2]]["change"] == "regression"


def test_a_release_s_report_is_named() -> None:
    results = run(case("5.10"), case())
    text = page.render(results, release=facts(results, "v1.2"))
    tree = parsed(text)
    (link,) = tree.xpath("//a[@href='release.html']")
    assert link.text_content() == "Compatibility report of v1.2"
    assert tree.findtext(".//title") == "Kernel matrix: v1.2"


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
    assert "new failure on 6.1" in tree.xpath("//details/summary")[0].text_content()


def test_a_gate_for_all_says_what_the_verdict_says() -> None:
    assert "Gate (" not in page.render(run(WRONG))
