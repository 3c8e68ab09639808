"""Names of suites in clones, worktrees and copies."""

from pathlib import Path

import pytest

from runner.suites import naming
from runner.suites.naming import AT_THE_TOP


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")


def checkout(folder: Path, git: str = "folder") -> Path:
    folder.mkdir(parents=True)
    if git == "folder":
        (folder / ".git").mkdir()
    elif git == "file":
        (folder / ".git").write_text("gitdir: somewhere\n")
    return folder


@pytest.mark.parametrize("git", ["folder", "file"])
def test_a_suite_at_the_top_has_one_name_in_every_clone(
    tmp_path: Path, git: str
) -> None:
    names = {
        naming.of_folder(checkout(tmp_path / name, git))
        for name in ("myprobe", "worktree2", "src")
    }
    assert names == {AT_THE_TOP}


def test_a_suite_below_the_top_has_its_folder_s_name(tmp_path: Path) -> None:
    suite = checkout(tmp_path / "clone") / "tests" / "probe"
    suite.mkdir(parents=True)
    assert naming.of_folder(suite) == "probe"
    # Also where the matrix is beside it, or the run is started in it.
    assert naming.of_folder(suite, suite / "matrix.yaml") == "probe"


def test_started_in_a_suite_below_the_top(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = checkout(tmp_path / "clone") / "probe"
    suite.mkdir()
    monkeypatch.chdir(suite)
    assert naming.of_folder(suite, Path("matrix.yaml")) == "probe"


def test_a_clone_below_the_matrix_is_a_clone_all_the_same(tmp_path: Path) -> None:
    matrix = tmp_path / "matrix.yaml"
    assert naming.of_folder(checkout(tmp_path / "clone"), matrix) == AT_THE_TOP


def test_a_copy_without_git_has_the_matrix_at_its_top(tmp_path: Path) -> None:
    copy = checkout(tmp_path / "myprobe-1.2", git="")
    suite = copy / "probe"
    suite.mkdir()
    for matrix in (copy / "matrix.yaml", copy / "ci" / "matrix.yaml"):
        assert naming.of_folder(copy, matrix) == AT_THE_TOP
        assert naming.of_folder(suite, matrix) == "probe"


def test_a_copy_without_git_is_where_the_run_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a container without git, where actions/checkout unpacks an archive.
    copy = checkout(tmp_path / "repo", git="")
    suite = copy / "probe"
    suite.mkdir()
    monkeypatch.chdir(copy)
    other = tmp_path / "action" / "matrix.yaml"
    assert naming.of_folder(copy, other) == AT_THE_TOP
    assert naming.of_folder(suite, other) == "probe"


def test_a_suite_that_is_in_no_project_has_its_folder_s_name(tmp_path: Path) -> None:
    suite = checkout(tmp_path / "mine", git="")
    assert naming.of_folder(suite, tmp_path / "other" / "matrix.yaml") == "mine"
