import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.kernels.rows import KernelChoice
from runner.results import Selection
from runner.run import selection


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "one"
    (folder / "suites/task").mkdir(parents=True)
    (folder / "matrix.yaml").write_text("kernels: []\n")
    (folder / "suites/task/suite.yaml").write_text("cases: []\n")
    (folder / "suites/task/task.bpf.c").write_text("int x;\n")
    (folder / "suites/test_more.py").write_text("def test_it(): pass\n")
    return folder


def described(folder: Path, *overrides: str, expression: str = "") -> Selection:
    return selection.describe(
        KernelChoice(
            matrix=folder / "matrix.yaml", selectors=("all",), overrides=overrides
        ),
        [str(folder / "suites")],
        expression,
    )


def test_the_same_files_elsewhere_are_the_same(files: Path, tmp_path: Path) -> None:
    shutil.copytree(files, tmp_path / "two")

    assert described(files) == described(tmp_path / "two")


@pytest.mark.parametrize(
    "change",
    [
        lambda it: (it / "matrix.yaml").write_text("kernels: []\n\n"),
        lambda it: (it / "matrix.lock").write_text("kernels: {}\n"),
        lambda it: (it / "suites/task/suite.yaml").write_text("cases:\n  []\n"),
        lambda it: (it / "suites/task/task.bpf.c").write_text("int y;\n"),
        lambda it: (it / "suites/task/new.h").write_text(""),
        lambda it: (it / "suites/test_more.py").write_text(""),
    ],
    ids=["matrix", "lock", "suite", "source", "header", "test"],
)
def test_a_changed_file_is_another_selection(
    files: Path, change: Callable[[Path], object]
) -> None:
    before = described(files)
    change(files)

    assert described(files) != before


def test_what_a_suite_names_elsewhere_counts(files: Path) -> None:
    (files / "build").mkdir()
    suite = files / "suites/task/suite.yaml"
    suite.write_text("cases: [{object: ../../build/a.o}]\n")
    before = described(files)

    (files / "build/a.o").write_bytes(b"1")
    there = described(files)
    (files / "build/a.o").write_bytes(b"2")

    assert len({before, there, described(files)}) == 3


def test_what_overrides_and_expressions_select_is_another_selection(
    files: Path,
) -> None:
    assert described(files, "6.1=bzImage") != described(files)
    assert described(files, "6.1=a") == described(files, "6.1=b/elsewhere")
    assert described(files, expression="state") != described(files)


def test_files_that_do_not_count_do_not(files: Path) -> None:
    before = described(files)
    (files / "suites/task/README.md").write_text("Read me.\n")
    (files / "suites/task/task.bpf.pyc").write_bytes(b"")

    assert described(files) == before


def test_a_file_that_vanished_is_no_trouble(files: Path) -> None:
    (files / "matrix.yaml").unlink()
    shutil.rmtree(files / "suites")

    assert described(files).suites_sha256
