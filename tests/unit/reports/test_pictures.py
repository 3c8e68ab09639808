from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from runner.reports import pictures
from runner.results import CaseResult, KernelRun, Outcome, Provenance, RunResults
from tests.unit.reports import hostile

_SVG = "{http://www.w3.org/2000/svg}"


def run(*outcomes: Outcome, **values: Any) -> RunResults:
    kernels = tuple(KernelRun(id=f"6.{number}") for number in range(len(outcomes)))
    cases = tuple(
        CaseResult(kernel=kernel.id, suite="task", case="state", outcome=outcome)
        for kernel, outcome in zip(kernels, outcomes, strict=True)
    )
    known: dict[str, Any] = {"kernels": kernels, "cases": cases, "started": "x"}
    return RunResults(runner="0", duration=1.0, **known | values)


def texts(svg: str) -> list[str]:
    return [it.text or "" for it in etree.fromstring(svg).iter(f"{_SVG}text")]


def test_a_badge_names_the_kernels_that_work() -> None:
    svg = pictures.badge(run(Outcome.PASSED, Outcome.PASSED))
    assert texts(svg) == ["kernels", "6.0 – 6.1"]  # noqa: RUF001
    assert etree.fromstring(svg).get("aria-label") == f"kernels: {texts(svg)[1]}"


@pytest.mark.parametrize(
    ("outcome", "colour"),
    [
        (Outcome.PASSED, "#1a7f37"),
        (Outcome.FAILED, "#b62324"),
        (Outcome.ERROR, "#7a5a00"),
    ],
)
def test_a_badge_has_the_colour_of_the_verdict(outcome: Outcome, colour: str) -> None:
    assert colour in pictures.badge(run(outcome))


def test_a_red_badge_names_the_kernels_that_fail() -> None:
    def message(*outcomes: Outcome) -> str | None:
        return texts(pictures.badge(run(*outcomes)))[1]

    good, bad = Outcome.PASSED, Outcome.FAILED
    assert message(good, bad, good, bad) == "fails on 6.1, 6.3"
    assert message(bad) == "fails on 6.0"
    assert message(bad, bad, bad) == "fails on all 3"
    assert message(*[good, bad] * 30) == "fails on 30 of 60"


def test_a_badge_without_a_kernel_that_works_tells_the_verdict() -> None:
    assert texts(pictures.badge(run(Outcome.ERROR)))[1] == "no verdict"


def test_a_badge_stays_short() -> None:
    outcomes = [Outcome.PASSED, *[Outcome.FAILED, Outcome.PASSED] * 40]
    svg = pictures.badge(run(*outcomes))
    assert len(texts(svg)[1]) <= 48
    assert int(etree.fromstring(svg).get("width", "0")) < 400


def test_the_matrix_tells_outcomes_by_sign_and_words() -> None:
    svg = pictures.matrix(run(Outcome.PASSED, Outcome.FAILED))
    assert texts(svg)[:6] == ["kernel", "task", "6.0", "6.1", "✓ 1/1", "✗ 0/1"]
    titles = [it.text for it in etree.fromstring(svg).iter(f"{_SVG}title")]
    assert titles[2] == "6.1, task: failed: 0 of 1 passed"


def test_the_matrix_says_what_was_tested_and_when() -> None:
    results = run(
        Outcome.PASSED,
        started="2026-01-02T03:04:05+00:00",
        provenance=Provenance(project="team/probe", branch="main"),
    )
    found = texts(pictures.matrix(results))
    assert "team/probe main, 2 Jan 2026, 03:04 UTC" in found


def test_a_big_matrix_shows_the_trouble_and_counts_the_rest() -> None:
    outcomes = [Outcome.PASSED] * 300 + [Outcome.FAILED]
    found = texts(pictures.matrix(run(*outcomes)))
    assert "✗ 0/1" in found
    assert "and 241 more kernels" in found


def test_no_text_is_outside_of_the_matrix() -> None:
    tree = etree.fromstring(pictures.matrix(run(Outcome.PASSED, Outcome.ERROR)))
    width, height = int(tree.get("width", "0")), int(tree.get("height", "0"))
    for text in tree.iter(f"{_SVG}text"):
        letters = len(text.text or "")
        assert float(text.get("x", "")) + letters * 7.9 <= width
        assert float(text.get("y", "")) <= height


@pytest.mark.parametrize("draw", [pictures.badge, pictures.matrix])
@pytest.mark.parametrize(
    "results", [hostile.run(), run(), run(kernels=(KernelRun(id="6.1", error="no"),))]
)
def test_pictures_are_xml_without_scripts_and_links(
    draw: Callable[[RunResults], str], results: RunResults
) -> None:
    tree = etree.fromstring(draw(results).encode())
    names = {etree.QName(it).localname for it in tree.iter(etree.Element)}
    assert names <= {"svg", "title", "style", "clipPath", "rect", "g", "text"}
    attributes = {name for it in tree.iter(etree.Element) for name in it.attrib}
    assert not any(name.startswith("on") or "href" in name for name in attributes)


def test_a_vendors_kernel_is_not_shown_under_an_upstream_number_alone() -> None:
    rhel = KernelRun(id="5.14", release="5.14.0-570.12.1.el9_6.x86_64")
    passed = CaseResult(
        kernel="5.14", suite="task", case="state", outcome=Outcome.PASSED
    )
    found = texts(pictures.matrix(run(kernels=(rhel,), cases=(passed,))))
    assert "5.14 (RHEL 9.6)" in found
    assert any(it.endswith("works on RHEL 9.6") for it in found)
