"""Expectations that would hold whatever an object does are refused."""

from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.suites import suitefile
from runner.suites.suitefile import LoadedSuite

SUITE = """\
description: A suite.
cases:
  - name: one
    object: a.bpf.c
    trigger: [{{test_run: p}}, {{command: [cat]}}]
    truth: {{state: {{proc: /proc/1/stat}}}}
    expect:
      - {expectation}
"""
ITSELF = "which always holds; compare it with a number, a text or a truth"


def load(folder: Path, expectation: str, more: str = "") -> LoadedSuite:
    (folder / "a.bpf.c").write_text("// nothing")
    path = folder / "suite.yaml"
    path.write_text(SUITE.format(expectation=expectation) + more)
    return suitefile.load(path)


@pytest.mark.parametrize(
    ("expectation", "key"),
    [
        ('{value: "${run.retval}", equals: "${run.retval}"}', "equals"),
        ('{value: "${run.retval}", equals: "${run.retval}", within: 2}', "equals"),
        ('{value: "${run.retval}", one_of: [1, "${run.retval}"]}', "one_of"),
        (
            '{value: "${run.retval}", between: ["${run.retval}", "${run.retval}"]}',
            "between",
        ),
        ('{value: "${run.retval}", matches: "${run.retval}"}', "matches"),
        ('{value: "a ${truth.state}", equals: "a ${truth.state}"}', "equals"),
        (
            '{value: "${run.skb}", equals: {mark: "${run.skb.mark}"}}',
            "equals",
        ),
    ],
)
def test_a_value_is_not_compared_with_itself(
    expectation: str, key: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, expectation)

    said = caught.value.message
    assert said.startswith(f"{tmp_path}/suite.yaml:8: cases[0].expect[0].{key}: ")
    assert said.endswith(ITSELF)


@pytest.mark.parametrize("judged", ["map: m", 'value: "${run.retval}"'])
def test_an_empty_mask_is_refused(judged: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r":8: .*\.mask: a mask of 0 leaves nothing"):
        load(tmp_path, f"{{{judged}, mask: 0, equals: 0}}")


@pytest.mark.parametrize("judged", ["map: m", 'value: "${run.retval}"'])
@pytest.mark.parametrize(
    ("condition", "key"),
    [
        ("between: [0, 18446744073709551616]", "between"),
        ("between: [0, 0xffffffffffffffff]", "between"),
        ("between: [-5, 18446744073709551615]", "between"),
        ("between: [-9223372036854775808, 9223372036854775807]", "between"),
        ("between: [0, 255], mask: 255", "between"),
        ("equals: 7, within: 18446744073709551615", "within"),
        ('equals: "${truth.state}", within: 18446744073709551615', "within"),
        ('matches: "(?s).*"', "matches"),
        ('matches: "[^\\x00]*"', "matches"),
    ],
)
def test_what_every_value_meets_is_refused(
    judged: str, condition: str, key: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=rf":8: .*\.{key}: every "):
        load(tmp_path, f"{{{judged}, {condition}}}")


def test_any_text_of_a_map_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.matches: every text matches this"):
        load(tmp_path, '{map: m, field: comm, matches: ".*"}')


@pytest.mark.parametrize(
    "expectation",
    [
        '{value: "${kernel.release}", equals: "${kernel.release}x"}',
        '{value: "${kernel.release}", matches: ".+"}',
        '{value: "${agent.pid}", between: [1, 9999999]}',
    ],
)
def test_a_case_checks_more_than_what_is_known_before_it(
    expectation: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, expectation)

    assert caught.value.message == (
        f"{tmp_path}/suite.yaml:3: cases[0]: 'one' checks nothing that the object or a "
        "trigger gives: its `expect` refers only to what is known before; expect "
        "something of a map or a program, or say `must_run: false` in a case that is "
        "about loading alone"
    )
    assert load(tmp_path, expectation, "    must_run: false\n").suite.cases


@pytest.mark.parametrize(
    "expectation",
    [
        '{value: "${run.retval}", equals: "${command.exit}"}',
        '{value: "${run.retval}", between: [0, "${run.retval}"]}',
        '{value: "${run.skb}", equals: {mark: 1, hash: "${run.skb.hash}"}}',
        '{value: "${run.skb}", equals: {mark: "${run.skb.hash}"}}',
        '{value: "${agent.pid}", equals: "${truth.state}"}',
        '{value: "${command.stdout}", matches: ".*"}',
        "{map: m, equals: 1}",
        "{map: m, between: [1, 18446744073709551615]}",
        "{map: m, between: [0, 9223372036854775807]}",
        "{map: m, between: [0, 255], mask: 0xffff}",
        "{map: m, equals: 7, within: 4294967295}",
        '{map: m, matches: ".+"}',
        "{map: m, mask: 1, equals: 0}",
    ],
)
def test_others_are_taken(expectation: str, tmp_path: Path) -> None:
    assert load(tmp_path, expectation).suite.cases


def test_one_check_of_the_object_is_enough(tmp_path: Path) -> None:
    both = '{value: "${kernel.version}", matches: ".+"}\n      - {map: m, equals: 1}'

    assert load(tmp_path, both).suite.cases
