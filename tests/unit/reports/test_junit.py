import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from runner.reports import junit
from runner.results import CaseResult, KernelRun, Mismatch, Outcome, RunResults

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = ROOT / "build/junit-10.xsd"
FETCH = ROOT / "tests/tools/fetch_junit_schema.py"

MISMATCH = Mismatch(subject="map m", key="1", expected="2", observed="3")
OTHER = Mismatch(subject="map m", key="2", expected="4", observed="5")
KERNEL = KernelRun(
    id="6.1",
    release="6.1.0-44-cloud-amd64",
    image="bookworm linux-image-6.1.0-44-cloud-amd64 6.1.176-1",
    image_sha256="aa",
    btf_source="kernel",
    btf_sha256="bb",
    qemu="7.2.19",
    accelerator="tcg",
    libbpf="1.1.2",
    libbpf_source="/mine/libbpf",
    libbpf_sha256="ab12",
    bpftool="7.1.0",
)


def case(name: str, outcome: Outcome, suite: str = "maps", **more: Any) -> CaseResult:
    return CaseResult(
        kernel="6.1",
        suite=suite,
        case=name,
        outcome=outcome,
        object_path=f"{suite}/{suite}.bpf.c",
        object_sha256="cc",
        **more,
    )


CASES = (
    case("array", Outcome.PASSED, duration=1234.56789, log="libbpf: loading"),
    case(
        "hash",
        Outcome.FAILED,
        message=str(MISMATCH),
        mismatches=(MISMATCH, OTHER),
        failure_class="wrong_value",
        cure="look there",
    ),
    case("per_cpu", Outcome.SKIPPED, message="needs >=4.6: per-CPU maps"),
    case(
        "deadly",
        Outcome.ERROR,
        suite="task",
        message="the guest was lost:\nno answer",
        failure_class="no_answer",
        console="\x1b[1mlast\x1b[0m words\x00 ]]>\ud800",
    ),
)


def document(*cases: CaseResult, kernel: KernelRun = KERNEL) -> str:
    results = RunResults(
        runner="0.1.0",
        started="2026-01-02T03:04:05+00:00",
        duration=12.0,
        kernels=(kernel,),
        cases=cases,
    )
    ((_, text),) = junit.documents(results)
    return text


def parse(text: str) -> Any:
    return etree.fromstring(text.encode())


@cache
def schema() -> etree.XMLSchema:
    done = subprocess.run(
        [sys.executable, FETCH, SCHEMA],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    if not SCHEMA.exists():
        last = done.stderr.strip().splitlines()[-1:]
        pytest.skip(f"the JUnit schema can't be fetched: {' '.join(last)}")
    return etree.XMLSchema(etree.parse(str(SCHEMA)))


DEAD = KernelRun(id="6.1", error="no answer\non SSH", console="Kernel panic\x1b[0m")


@pytest.mark.parametrize(
    ("cases", "kernel"), [(CASES, KERNEL), (CASES, DEAD), ((), DEAD), ((), KERNEL)]
)
def test_document_is_valid_for_jenkins(
    cases: tuple[CaseResult, ...], kernel: KernelRun
) -> None:
    schema().assertValid(parse(document(*cases, kernel=kernel)))


texts = st.text(st.characters(exclude_categories=()), max_size=40)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    texts,
    texts,
    texts,
    texts,
    st.sampled_from(list(Outcome)),
    st.floats(min_value=0, max_value=1e9),
)
def test_document_with_any_text_is_valid_for_jenkins(
    message: str, log: str, console: str, name: str, outcome: Outcome, duration: float
) -> None:
    ended = case(
        name, outcome, message=message, log=log, console=console, duration=duration
    )
    root = parse(document(ended))
    schema().assertValid(root)
    suite = root.find("testsuite")
    counted = {
        Outcome.FAILED: suite.get("failures"),
        Outcome.ERROR: suite.get("errors"),
        Outcome.SKIPPED: suite.get("skipped"),
    }
    assert [found for key, found in counted.items() if found != "0"] == (
        [] if outcome is Outcome.PASSED else ["1"]
    )


def test_suites_are_testsuites_named_by_kernel() -> None:
    root = parse(document(*CASES))
    assert [suite.get("name") for suite in root] == ["6.1 maps", "6.1 task"]
    assert {element.get("classname") for element in root.iter("testcase")} == {
        "6.1.maps",
        "6.1.task",
    }
    assert dict(root.attrib) == {
        "name": "6.1",
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "time": "1234.568",
    }
    assert root[0].get("skipped") == "1"


def test_properties_tell_what_the_results_were_got_with() -> None:
    root = parse(document(*CASES))
    properties = {
        element.get("name"): element.get("value")
        for element in root[1].find("properties")
    }
    assert properties == {
        "kernel": "6.1",
        "arch": "x86_64",
        "uname_r": "6.1.0-44-cloud-amd64",
        "image": "bookworm linux-image-6.1.0-44-cloud-amd64 6.1.176-1",
        "image_sha256": "aa",
        "btf_source": "kernel",
        "btf_sha256": "bb",
        "qemu": "7.2.19",
        "accelerator": "tcg",
        "libbpf": "1.1.2",
        "libbpf_source": "/mine/libbpf",
        "libbpf_sha256": "ab12",
        "bpftool": "7.1.0",
        "runner": "0.1.0",
        "object_sha256 task/task.bpf.c": "cc",
    }


def test_failure_has_all_mismatches_and_the_cure() -> None:
    (failure,) = parse(document(*CASES)).iter("failure")
    assert failure.get("type") == "wrong_value"
    assert failure.get("message") == "map m key 1: expected 2, observed 3"
    assert failure.text.splitlines() == [
        "map m key 1: expected 2, observed 3",
        "map m key 2: expected 4, observed 5",
        "what to do: look there",
    ]


def test_infrastructure_is_an_error_with_the_console() -> None:
    root = parse(document(*CASES))
    (error,) = root.iter("error")
    assert error.get("message") == "the guest was lost: no answer"
    assert root.findtext("testsuite/testcase/system-err") == "last words ]]>"


def test_gap_is_skipped_with_its_reason() -> None:
    (skipped,) = parse(document(*CASES)).iter("skipped")
    assert skipped.get("message") == "needs >=4.6: per-CPU maps"


def test_log_is_output() -> None:
    root = parse(document(*CASES))
    assert root.findtext("testsuite/testcase/system-out") == "libbpf: loading"


def test_long_log_keeps_its_end() -> None:
    log = "x" * 1_000_000 + "the end"
    text = parse(document(case("long", Outcome.PASSED, log=log))).findtext(
        "testsuite/testcase/system-out"
    )
    assert len(text) < 70_000
    assert text.startswith("[934471 characters left out]\n")
    assert text.endswith("the end")


def test_kernel_that_never_came_up_is_an_error_named_boot() -> None:
    root = parse(document(*CASES, kernel=DEAD))
    boot = root[0]
    assert boot.get("name") == "6.1 boot"
    assert boot[1].get("name") == "boot"
    assert boot[1][0].get("message") == "no answer on SSH"
    assert boot[1].findtext("system-err") == "Kernel panic"
    assert root.get("tests") == "5"
    assert root.get("errors") == "2"


def test_failure_without_a_message_stays_a_failure() -> None:
    root = parse(document(case("silent", Outcome.FAILED)))
    assert root.get("failures") == "1"
