"""Expectations that compare kernels, with every mistake that a user may make."""

from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.suites import suitefile
from runner.suites.comparable import RecordExpectation

SUITE = """\
description: A suite.
cases:
  - name: one
    object: a.bpf.c
    trigger: [{fork: a}, {command: [date]}]
    expect:
      - %s
"""
COMMAND = """\
description: A suite.
cases:
  - name: one
    command: [sh]
    expect:
      - {map: m, agree: true}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mine"
    made.mkdir()
    (made / "a.bpf.c").write_text("// nothing")
    return made


def mistakes(folder: Path, text: str) -> list[str]:
    (folder / "suite.yaml").write_text(text)
    try:
        suitefile.load(folder / "suite.yaml")
    except UsageError as error:
        return error.message.replace(f"{folder}/suite.yaml:", "").splitlines()
    return []


@pytest.mark.parametrize(
    "text",
    [
        "{map: m, agree: true}",
        "{map: m, agree: true, normalise: {key: pid, 'value.a[].b': [1, 2]}}",
        '{map: m, agree: true, normalise: {value.a: "${child.pid}"}}',
        '{value: "${command.stdout}", agree: true, patterns: {a=(\\d+): pid}}',
        "{program: p, show: [type], agree: true}",
        "{map: m, show: [type], record: rows/}",
        "{map: m, inner: {row: 1}, agree: true, normalise: {key: pid}}",
        "{map: m, inner: 0, show: [type], record: rows/}",
        "{map: m, field: a.b, cpu: sum, record: m.yaml, ignore: [key]}",
        "{map: m, agree: true, ignore: [value]}",
        "{map: m, agree: true, normalise: {key: any, value: any, value.n: as_is}}",
        "{map: m, show: [type, tag], agree: true, ignore: [value.tag]}",
    ],
)
def test_what_may_be_compared(folder: Path, text: str) -> None:
    assert mistakes(folder, SUITE % text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{agree: true}", "needs one of map, program, value; 0 given"),
        ("{map: m, program: p, agree: true}", "needs one of map, program, value; 2 gi"),
        ("{map: m, agree: false}", "must be True"),
        ("{map: m, agrees: true}", "unknown key 'agrees'"),
        ("{program: p, agree: true}", "`program` needs `show`"),
        ('{value: "${child.pid}", show: [a], agree: true}', "needs `program` or `map`"),
        ("{map: m, show: [a], field: b, agree: true}", "only works for the rows of a"),
        ("{program: p, inner: 0, show: [a], agree: true}", "only works with `map`"),
        ('{value: "${child.pid}", inner: 0, agree: true}', "only works with `map`"),
        ("{map: m, inner: null, agree: true}", "null is not a key of a map in it"),
        ("{program: p, inner: 0, show: {a: 1}}", "only works with `map`"),
        ("{map: m, inner: null, show: {a: 1}}", "null is not a key of a map in it"),
        ("{map: m, agree: true, ignore: [keys]}", "is not a path such as key"),
        ("{map: m, agree: true, ignore: [start]}", "is not a path such as key"),
        ("{map: m, agree: true, ignore: [key, value]}", "leaves nothing to compare"),
        ('{value: "${child.pid}", agree: true, ignore: [value]}', "leaves nothing"),
        ("{map: m, agree: true, normalise: {key: any, value: any}}", "leaves nothing"),
        (
            "{map: m, record: m.yaml, ignore: [key], normalise: {value: any}}",
            "leaves nothing to compare",
        ),
        ("{map: m.bss, agree: true, ignore: [value]}", "leaves nothing to compare"),
        (
            "{map: m, show: [type, tag], agree: true, ignore: [value.type, value.tag]}",
            "leaves nothing to compare",
        ),
        (
            "{map: m, field: ver, agree: true, ignore: [value]}",
            "leaves nothing of the field 'ver'",
        ),
        ('{value: "${child.pid}", agree: true, ignore: [key]}', "only a map's rows"),
        ("{map: m, agree: true, normalise: {key: pdi}}", "did you mean 'pid'?"),
        ("{map: m, agree: true, normalise: {key: [2, 1]}}", "no number is between 2"),
        (
            '{map: m, agree: true, normalise: {key: "${chidl.pid}"}}',
            "no value has this name yet; did you mean 'child'?",
        ),
        ("{map: m, agree: true, patterns: {'(': pid}}", "not a regular expression"),
        ("{map: m, record: ../m.yaml}", "must be a path below the suite's folder"),
        ("{map: m, record: /m.yaml}", "must be a path below the suite's folder"),
        ("{map: m, record: m.json}", "must end in .yaml"),
        (
            '{value: "${kernel.release}", agree: true}',
            "checks nothing that the object or a trigger gives",
        ),
    ],
)
def test_a_mistake_is_told_before_anything_boots(
    folder: Path, text: str, said: str
) -> None:
    (first, *_) = mistakes(folder, SUITE % text)

    assert said in first
    assert first.startswith(("3:", "7:"))


def test_two_records_in_one_file_are_a_mistake(folder: Path) -> None:
    text = SUITE % "{map: m, record: m.yaml}" + "      - {map: n, record: m.yaml}\n"

    (said,) = mistakes(folder, text)

    assert "line 7 records into m.yaml, too" in said


def test_a_program_of_ones_own_is_not_compared(folder: Path) -> None:
    (said,) = mistakes(folder, COMMAND)

    assert "does not work with `command`" in said


def test_a_test_in_python_can_not_compare_kernels(folder: Path) -> None:
    for key, value in (("agree", True), ("record", "m.yaml")):
        with pytest.raises(UsageError) as caught:
            suitefile.parse_case(
                {
                    "name": "c",
                    "object": "a.bpf.c",
                    "expect": [{"map": "m", key: value}],
                },
                folder,
            )

        assert f"expect[0]: {key} works in a suite.yaml only" in caught.value.message


def test_a_folder_of_records_gets_a_file_of_each_case() -> None:
    def file(case: str, **keys: object) -> str:
        given = {"record": "rows/", **keys}
        return RecordExpectation.model_validate(given).file(case)

    assert file("a[libbpf]", map="m") == "rows/a-libbpf-map-m.yaml"
    assert file("a", map="x.bss") == "rows/a-map-x-bss.yaml"
    assert file("a", value="${command.stdout}") == "rows/a-value-command-stdout.yaml"
    assert file("a", map="x", inner=1) == "rows/a-map-x-1.yaml"
    assert file("a", map="x", inner={"row": 2}) == "rows/a-map-x-row-2.yaml"
    assert file("a", map="x", inner="${child.pid}") == "rows/a-map-x-child-pid.yaml"


@pytest.mark.parametrize(
    ("keys", "subject"),
    [
        ({"map": "x"}, "map x"),
        ({"map": "x", "inner": 0, "field": "n"}, "map x, inner map 0 field n"),
        ({"map": "x", "inner": {"row": 2}}, 'map x, inner map {"row": 2}'),
        # The same on each kernel, whatever the number is there.
        ({"map": "x", "inner": "${child.pid}"}, "map x, inner map ${child.pid}"),
        ({"map": "x", "inner": 0, "show": ("type",)}, "map x, inner map 0 type"),
    ],
)
def test_what_is_compared_has_a_name(keys: dict[str, object], subject: str) -> None:
    found = RecordExpectation.model_validate({"record": "rows/", **keys})

    assert found.subject == subject
