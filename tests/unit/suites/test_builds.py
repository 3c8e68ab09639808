"""Cases of several builds of one source."""

from pathlib import Path

import pytest

from runner.bpf.build import Build
from runner.errors import UsageError
from runner.suites import builds, suitefile
from runner.suites.model import Case

SUITE = """\
description: d
{suite}
cases:
  - name: case
    object: {object}
    was: [old]
    {case}
    expect: [{{map: m, key: 1, equals: 2}}]
"""


def load(
    folder: Path, case: str = "", *, suite: str = "", object_: str = "a.bpf.c"
) -> suitefile.LoadedSuite:
    (folder / object_).touch()
    path = folder / "suite.yaml"
    path.write_text(SUITE.format(case=case, suite=suite, object=object_))
    return suitefile.load(path)


def cases(folder: Path, case: str = "", suite: str = "") -> dict[str, Case]:
    return {it.name: it for it in load(folder, case, suite=suite).suite.cases}


def test_axes_make_every_combination(tmp_path: Path) -> None:
    found = cases(tmp_path, "variants: {clang: [14, 19], mcpu: [v1, v3]}")

    assert {name: case.build for name, case in found.items()} == {
        "case[clang-14-v1]": Build(clang=14, mcpu="v1"),
        "case[clang-14-v3]": Build(clang=14, mcpu="v3"),
        "case[clang-19-v1]": Build(clang=19, mcpu="v1"),
        "case[clang-19-v3]": Build(clang=19, mcpu="v3"),
    }


def test_macros_and_variables_are_axes(tmp_path: Path) -> None:
    found = cases(
        tmp_path,
        "variables: {max: 1, other: 3}\n"
        "    variants: {defines: {DEBUG: [null, 1]}, variables: {max: [64, 4096]}}",
    )

    assert {
        name: (case.build.options, case.variables) for name, case in found.items()
    } == {
        "case[no-DEBUG-max=64]": (("-mcpu=v1",), {"max": 64, "other": 3}),
        "case[no-DEBUG-max=4096]": (("-mcpu=v1",), {"max": 4096, "other": 3}),
        "case[DEBUG=1-max=64]": (("-mcpu=v1", "-DDEBUG=1"), {"max": 64, "other": 3}),
        "case[DEBUG=1-max=4096]": (
            ("-mcpu=v1", "-DDEBUG=1"),
            {"max": 4096, "other": 3},
        ),
    }


def test_a_list_has_those_that_it_names(tmp_path: Path) -> None:
    found = cases(tmp_path, "variants: [{clang: 14}, {name: new, clang: 19, mcpu: v3}]")

    assert list(found) == ["case[clang-14]", "case[new]"]
    assert found["case[clang-14]"].was == ("case", "old")
    assert found["case[new]"].was == ()


def test_each_build_runs_with_each_loader(tmp_path: Path) -> None:
    found = cases(tmp_path, "loader: [libbpf, aya]\n    variants: {mcpu: [v1, v2]}")

    assert list(found) == [
        *("case[v1][libbpf]", "case[v1][aya]"),
        *("case[v2][libbpf]", "case[v2][aya]"),
    ]
    assert found["case[v1][libbpf]"].was == ("case[v1]", "case", "old")


def test_a_case_has_the_builds_of_its_suite_or_its_own(tmp_path: Path) -> None:
    suite = "variants: {mcpu: [v1, v2]}"

    assert list(cases(tmp_path, suite=suite)) == ["case[v1]", "case[v2]"]
    assert list(cases(tmp_path, "variants: []", suite)) == ["case"]
    assert list(cases(tmp_path, "variants: [{mcpu: v3}]", suite)) == ["case[v3]"]


def test_the_builds_of_a_suite_are_not_for_objects(tmp_path: Path) -> None:
    suite = "variants: {mcpu: [v1, v2]}"

    found = load(tmp_path, suite=suite, object_="a.bpf.o")

    assert [it.name for it in found.suite.cases] == ["case"]


def test_a_failure_may_be_declared_for_some_builds(tmp_path: Path) -> None:
    found = cases(
        tmp_path,
        "variants: {clang: [14, 19]}\n"
        "    expect_failure: {class: bound_missing, variants: [clang-19], reason: r}",
    )

    declared = {name: case.expect_failure is not None for name, case in found.items()}
    assert declared == {"case[clang-14]": False, "case[clang-19]": True}


def test_what_is_wrong_with_a_build_is_told_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r'^\S*suite.yaml:7: .*clang: "14": should be a whole number$'
    ):
        load(tmp_path, "variants: [{clang: '14'}]")


@pytest.mark.parametrize(
    ("case", "mistake"),
    [
        ("variants: [{clang: 14}, {clang: 14}]", "two variants are called clang-14"),
        ("variants: [{}]", "has a variant that sets nothing"),
        ("variants: {clang: []}", "clang: must not be empty"),
        ("variants: {mcpu: [v9]}", "v9"),
        ("variants: {defines: {2: [1]}}", "defines"),
        ("variants: {defines: {A: [1, 2, 3, 4, 5, 6, 7, 8, 9]}, "
         "variables: {b: [1, 2, 3, 4, 5, 6, 7, 8]}}", "are 72 variants"),
        ("expect_failure: {class: bound_missing, variants: [x], reason: r}",
         "no variant 'x'; there are none"),
        ("variants: {clang: [14, 19]}\n"
         "    expect_failure: {class: bound_missing, variants: [clang-91], reason: r}",
         "no variant 'clang-91'; did you mean 'clang-19'"),
    ],
)  # fmt: skip
def test_bad_builds_are_mistakes(case: str, mistake: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=mistake):
        load(tmp_path, case)


def test_an_object_has_no_builds(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"clang-14 needs a source, NAME\.bpf\.c"):
        load(tmp_path, "variants: {clang: [14]}", object_="a.bpf.o")


def test_an_object_may_have_several_values(tmp_path: Path) -> None:
    found = load(tmp_path, "variants: {variables: {max: [1, 2]}}", object_="a.bpf.o")

    assert [it.variables for it in found.suite.cases] == [{"max": 1}, {"max": 2}]


def test_builds_that_check_nothing_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.bpf.c").touch()
    path = tmp_path / "suite.yaml"
    path.write_text(
        "description: d\ncases:\n"
        "  - {name: c, object: a.bpf.c, variants: {clang: [14, 19]}, expect_failure: "
        "{class: bound_missing, variants: [clang-19], reason: r}}\n"
    )

    with pytest.raises(UsageError, match="the other variants check nothing"):
        suitefile.load(path)


def test_words_of_a_command_line_are_axes() -> None:
    axes = builds.of_words(
        ["clang=14,19", "mcpu=v1", "mcpu=v3", "define:A=0,1", "variable:b=x"]
    )

    assert axes.model_dump(exclude_unset=True) == {
        "clang": (14, 19),
        "mcpu": ("v1", "v3"),
        "defines": {"A": (0, 1)},
        "variables": {"b": ("x",)},
    }


@pytest.mark.parametrize(
    ("word", "mistake"),
    [
        ("clang", "is not AXIS=VALUE"),
        ("clang=", "is not AXIS=VALUE"),
        ("define:=1", "is not AXIS=VALUE"),
        ("clagn=14", "isn't an axis; did you mean 'clang'"),
        ("mcpu=v9", "v9"),
    ],
)
def test_other_words_are_refused(word: str, mistake: str) -> None:
    with pytest.raises(UsageError, match=mistake):
        builds.of_words([word])


@pytest.mark.parametrize(
    ("case", "mistake"),
    [
        ("only: []", "only: names no program"),
        (
            "only: [on_*]\n    programs: {other: {attach: false}}",
            "programs.other: other is not loaded: `only` does not name it",
        ),
    ],
)
def test_only_may_not_leave_out_what_the_case_sets(
    case: str, mistake: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=mistake):
        load(tmp_path, case)


def test_only_may_name_what_the_case_sets(tmp_path: Path) -> None:
    load(tmp_path, "only: [on_*]\n    programs: {on_exec: {attach: false}}")
