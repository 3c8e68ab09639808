from pathlib import Path

import pytest

from runner.suites import suitefile
from runner.watching.touched import CaseName, WatchedSuites, touched
from tests.unit.scaffold import sources

SUITE = """\
description: d
cases:
  - name: one
    object: one.bpf.c
    expect: [{program: hit, show: {type: xdp}}]
  - name: two
    object: two.bpf.c
    expect: [{program: hit, show: {type: xdp}}]
"""
ONE, TWO = CaseName("mine", "one"), CaseName("mine", "two")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a suite of two sources, of which one includes a header."""
    found = tmp_path / "mine"
    found.mkdir()
    (found / "suite.yaml").write_text(SUITE)
    (found / "one.bpf.c").write_text('#include "mine.h"\n' + sources.HEAD)
    (found / "two.bpf.c").write_text('#include "vmlinux.h"\n' + sources.HEAD)
    (found / "mine.h").write_text("int mine;\n")
    return found


def _read(folder: Path, *tests: Path) -> WatchedSuites:
    return WatchedSuites(
        suites=(suitefile.load(folder / "suite.yaml"),),
        tests=tests,
        settings=(folder / "matrix.yaml",),
    )


def _touched(folder: Path, name: str) -> frozenset[CaseName]:
    found = _read(folder)
    return touched([folder / name], found, found)


@pytest.mark.parametrize(
    ("name", "cases"),
    [
        ("one.bpf.c", {ONE}),
        ("mine.h", {ONE}),
        ("two.bpf.c", {TWO}),
        ("matrix.yaml", {ONE, TWO}),
        # Saved, and as it was.
        ("suite.yaml", set()),
        ("README.md", set()),
    ],
)
def test_a_file_touches_what_is_made_of_it(
    name: str, cases: set[CaseName], folder: Path
) -> None:
    assert _touched(folder, name) == cases


def test_system_headers_are_not_watched(folder: Path) -> None:
    files = _read(folder).files()

    assert {it.name for it in files} == {
        *("suite.yaml", "one.bpf.c", "two.bpf.c", "mine.h", "matrix.yaml")
    }


@pytest.mark.parametrize(
    ("old", "new", "cases"),
    [
        ("name: two", "name: other", {CaseName("mine", "other")}),
        ("{type: xdp}}]\n  - name: two", "{type: kprobe}}]\n  - name: two", {ONE}),
        ("description: d", "reuse: suite\ndescription: d", {ONE, TWO}),
        ("description: d", "description: other words", set()),
    ],
)
def test_only_the_cases_that_changed_run(
    old: str, new: str, cases: set[CaseName], folder: Path
) -> None:
    before = _read(folder)
    text = SUITE.replace(old, new, 1)
    assert text != SUITE
    (folder / "suite.yaml").write_text(text)

    assert touched([folder / "suite.yaml"], before, _read(folder)) == cases


def test_a_header_that_is_new_is_watched(folder: Path) -> None:
    before = _read(folder)
    (folder / "more.h").write_text("int more;\n")
    (folder / "two.bpf.c").write_text('#include "more.h"\n')

    now = _read(folder)

    assert now.files()[folder / "more.h"] == {TWO}
    assert touched([folder / "two.bpf.c"], before, now) == {TWO}


def test_a_suite_that_is_new_runs_whole(folder: Path) -> None:
    nothing = WatchedSuites(suites=())

    assert touched([], nothing, _read(folder)) == {ONE, TWO}


def test_a_python_test_runs_whole_and_by_its_conftest(folder: Path) -> None:
    (folder / "tests").mkdir()
    test = folder / "tests/test_mine.py"
    test.touch()
    (folder / "conftest.py").touch()
    found = _read(folder, test)

    for path in (test, folder / "conftest.py"):
        assert touched([path], found, found) == {CaseName("test_mine")}


def test_files_of_a_loader_touch_its_case(tmp_path: Path) -> None:
    (tmp_path / "loader").touch()
    (tmp_path / "tool.bpf.o").touch()
    (tmp_path / "suite.yaml").write_text(
        "name: s\ndescription: d\ncases:\n"
        "  - name: c\n    files: [loader, tool.bpf.o]\n"
        '    trigger: [{command: ["${files.folder}/loader"]}]\n'
        '    expect: [{value: "${command.stdout}", matches: ".*"}]\n'
    )

    assert _touched(tmp_path, "loader") == {CaseName("s", "c")}
