"""SARIF against its own schema."""

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from runner.reports import sarif
from runner.reports.compare import compare
from runner.results import KernelRun, RunResults
from tests.unit.reports import hostile
from tests.unit.reports.runs import F, P, case, kernel, on_all, run

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = ROOT / "build/sarif-2.1.0.json"
FETCH = ROOT / "tests/tools/fetch_sarif_schema.py"


@cache
def schema() -> Any:
    if not SCHEMA.exists():
        if shutil.which("npm") is None:
            pytest.skip("npm, which fetches the schema, is not there")
        subprocess.run([sys.executable, FETCH, SCHEMA], check=True, timeout=180)
    return json.loads(SCHEMA.read_text())


def results_of(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)["runs"][0]["results"]
    return found


LOST = (kernel("6.1", error="no answer"),)


@pytest.mark.parametrize(
    "results",
    [
        on_all(P, F, F),
        on_all(P, P, P),
        run(),
        run(case("6.1", P), kernels=LOST, complete=False),
        hostile.run(),
    ],
    ids=["failures", "passes", "nothing", "lost", "hostile"],
)
def test_it_is_valid(results: RunResults) -> None:
    for comparison in (None, compare(on_all(P, P, F), results)):
        text = sarif.document(results, comparison)
        jsonschema.Draft4Validator(schema()).validate(json.loads(text))


def test_a_failure_is_at_its_line() -> None:
    (found,) = results_of(sarif.document(on_all(P, F, F)))
    place = found["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "suites/task/task.bpf.c"
    assert place["region"] == {"startLine": 41}
    assert found["ruleId"] == "poison_reachable"
    assert found["level"] == "error"
    assert found["properties"]["kernels"] == ["6.1", "6.12"]
    assert "guard it" in found["message"]["text"]


def test_names_are_paths_and_no_other_uris() -> None:
    hostile_path = "a b/%41?x#y:z.bpf.c"
    (found,) = results_of(sarif.document(run(case("6.1", F, source_path=hostile_path))))
    place = found["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place["uri"] == "a%20b/%2541%3Fx%23y%3Az.bpf.c"


def test_the_fingerprint_stays_when_the_line_moves() -> None:
    prints = {
        results_of(sarif.document(run(it)))[0]["partialFingerprints"]["case/v1"]
        for it in (
            case("6.1", F),
            case("6.12", F, source="task.bpf.c:99"),
        )
    }
    assert len(prints) == 1


def test_a_baseline_tells_what_is_new() -> None:
    before, after = on_all(F, P, P), on_all(F, P, P)
    (found,) = results_of(sarif.document(after, compare(before, after)))
    assert found["baselineState"] == "unchanged"
    after = on_all(P, F, P)
    (found,) = results_of(sarif.document(after, compare(before, after)))
    assert found["baselineState"] == "new"


def test_a_failure_under_a_new_name_is_as_new_as_its_case() -> None:
    after = run(case("6.1", F, "young", was=("task::old",)))
    for was, state in ((F, "unchanged"), (P, "new")):
        before = run(case("6.1", was, "old"))
        (found,) = results_of(sarif.document(after, compare(before, after)))
        assert found["baselineState"] == state


def test_vanished_cases_are_notifications() -> None:
    before, after = run(case("6.1", P, "gone")), run(case("6.1", P))
    (of_run,) = json.loads(sarif.document(after, compare(before, after)))["runs"]
    (found,) = of_run["invocations"][0]["toolExecutionNotifications"]
    assert found["message"]["text"] == "task::gone on 6.1 vanished"


def test_what_is_not_required_warns() -> None:
    kernels = (kernel("sid", required=False),)
    (found,) = results_of(sarif.document(run(case("sid", F), kernels=kernels)))
    assert found["level"] == "warning"


def test_a_failure_tells_the_architectures_that_it_is_on() -> None:
    both = (KernelRun(id="6.1"), KernelRun(id="6.1-arm64", arch="arm64"))
    cases = (case("6.1", F), case("6.1-arm64", F))

    (found,) = results_of(sarif.document(run(*cases, kernels=both)))

    assert found["properties"]["architectures"] == ["arm64", "x86_64"]
