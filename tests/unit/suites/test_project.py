"""Which suites and which matrix a command means."""

from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.matrix import matrix
from runner.suites import project, pyproject, search

ROOT = Path(__file__).resolve().parents[3]
MATRIX = """\
kernels:
  - {id: "6.1", source: {type: debian, suite: bookworm}}
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's project, from whose folder the command is started."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "matrix.yaml").write_text(MATRIX)
    monkeypatch.chdir(folder)
    return folder


def suite(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "suite.yaml"
    path.touch()
    return path


def meant(*given: str, file: str | None = None) -> list[str]:
    found = project.find(None if file is None else Path(file))
    loaded = matrix.load(found.matrix)
    return [str(it) for it in project.suites([*map(Path, given)], found, loaded)]


# ---------------------------------------------------------------- looked for


def test_suites_below_the_matrix_are_meant(mine: Path) -> None:
    suite(mine / "tests/b")
    suite(mine / "a")

    assert meant() == ["a/suite.yaml", "tests/b/suite.yaml"]


def test_a_suite_may_stand_beside_the_matrix(mine: Path) -> None:
    suite(mine)

    assert meant() == ["suite.yaml"]


def test_suites_are_looked_for_beside_the_matrix_that_is_named(mine: Path) -> None:
    suite(mine / "unmeant")
    path = suite(mine.parent / "other/tests")
    (mine.parent / "other/kernels.yaml").write_text(MATRIX)

    (found,) = meant(file="../other/kernels.yaml")

    assert Path(found).resolve() == path


def test_without_a_suite_it_is_told_what_to_do(mine: Path) -> None:
    with pytest.raises(UsageError) as caught:
        meant()

    assert f"no suite.yaml below {mine}" in caught.value.message
    for word in ("--suite", "--object", "suites:", "--suite builtin"):
        assert word in caught.value.hint


def test_a_project_never_means_the_suites_of_the_runner(mine: Path) -> None:
    path = suite(mine / "tests")

    for file in ("builtin", str(ROOT / "matrix.yaml")):
        assert meant(file=file) == [str(path.relative_to(mine))]
    path.unlink()
    with pytest.raises(UsageError, match=r"no suite\.yaml below"):
        meant(file="builtin")


def test_the_runners_own_checkout_means_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)

    assert meant() == ["suites"]
    assert meant(file=str(ROOT / "matrix.yaml")) == ["suites"]


def test_shipped_matrices_have_names_everywhere(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = suite(mine / "tests").relative_to(mine)

    found = project.find(Path("vendors"))

    assert found.matrix == ROOT / "matrices/vendors.yaml"
    # The kernels are the vendors', the suites one's own.
    assert meant(file="vendors") == [str(own)]
    monkeypatch.chdir(ROOT)
    assert meant(file="vendors") == ["suites"]


def test_unknown_name_of_a_matrix_is_refused_with_those_that_there_are(
    mine: Path,
) -> None:
    with pytest.raises(UsageError, match="no matrix 'vendor'; did you mean") as caught:
        project.find(Path("vendor"))

    assert "bpf-kernel-matrix has builtin, vendors" in caught.value.hint


@pytest.mark.parametrize("given", ["vendors.yaml", "./x/vendors", "vendors"])
def test_path_of_a_matrix_is_a_path(mine: Path, given: str) -> None:
    path = mine / given
    path.parent.mkdir(exist_ok=True)
    path.write_text(MATRIX)

    assert project.find(Path(given)).matrix == Path(given)


def test_path_that_is_not_there_is_no_name(mine: Path) -> None:
    for given in ("x/vendors", "vendors.yml"):
        with pytest.raises(UsageError, match=f"no matrix file {given}"):
            meant(file=given)


def test_its_suites_have_a_name_everywhere(mine: Path) -> None:
    suite(mine / "unmeant")

    assert meant("builtin") == [str(ROOT / "suites")]
    assert meant("builtin", "x") == [str(ROOT / "suites"), "x"]


def test_one_of_its_suites_has_a_name_everywhere(mine: Path) -> None:
    assert meant("builtin/task") == [str(ROOT / "suites/task")]


def test_a_suite_that_it_does_not_have_is_told(mine: Path) -> None:
    with pytest.raises(
        UsageError, match=r"builtin/tsk.*; did you mean 'task'"
    ) as caught:
        meant("builtin/tsk")
    assert "bpf-kernel-matrix has agree, attach, bytecode, " in caught.value.hint


def test_a_users_own_folder_of_that_name_wins(mine: Path) -> None:
    suite(mine / "builtin")

    assert meant("builtin") == ["builtin"]


# ------------------------------------------------------------------ searched


@pytest.mark.parametrize(
    "folder",
    [".venv/lib/x", ".git/x", "node_modules/x", ".worktrees/x", "__pycache__"],
)
def test_nobody_keeps_suites_there(mine: Path, folder: str) -> None:
    suite(mine / folder)

    assert search.below(mine) == []


@pytest.mark.parametrize("mark", ["pyvenv.cfg", "CACHEDIR.TAG", ".git"])
def test_environments_caches_and_repositories_inside_are_left_out(
    mine: Path, mark: str
) -> None:
    suite(mine / "there/deeper")
    (mine / "there" / mark).touch()
    (mine / ".git").touch()

    assert search.below(mine) == []
    # The one that is named is searched.
    assert len(search.below(mine / "there")) == 1


def test_a_checkout_of_the_runner_inside_is_left_out(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite(mine / "third_party/runner/suites/task")
    monkeypatch.setattr(search, "ROOT", mine / "third_party/runner")

    assert search.below(mine) == []


def test_links_are_not_followed_out(mine: Path) -> None:
    outside = suite(mine.parent / "outside")
    (mine / "folder").symlink_to(outside.parent)
    (mine / "linked").mkdir()
    (mine / "linked/suite.yaml").symlink_to(outside)
    (mine / "around").symlink_to(mine)
    own = suite(mine / "own")

    assert search.below(mine) == [own]


def test_a_search_ends(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        (mine / str(number)).mkdir()
    monkeypatch.setattr(search, "_MOST_FOLDERS", 5)

    with pytest.raises(UsageError, match="more than 5 folders") as caught:
        search.below(mine)
    assert "--suite" in caught.value.hint


# -------------------------------------------------------------------- listed


def test_the_matrix_lists_suites(mine: Path) -> None:
    suite(mine / "unmeant")
    suite(mine / "tests/bpf")
    (mine / "matrix.yaml").write_text(f"suites: [tests]\n{MATRIX}")
    (mine / "pyproject.toml").write_text(
        '[tool.bpf-kernel-matrix]\nsuites = ["unmeant"]\n'
    )

    assert meant() == ["tests"]


def test_a_listed_folder_that_is_not_there_is_told_by_its_line(mine: Path) -> None:
    (mine / "tests").mkdir()
    (mine / "matrix.yaml").write_text(f"{MATRIX}suites:\n  - .\n  - test\n")

    with pytest.raises(UsageError) as caught:
        meant()
    assert caught.value.message == (
        "matrix.yaml:5: suites[1]: there is no file or folder test; did you mean "
        "'tests'?"
    )


def test_pyproject_lists_suites(mine: Path) -> None:
    suite(mine / "unmeant")
    suite(mine / "tests")
    (mine / "pyproject.toml").write_text(
        '[tool.bpf-kernel-matrix]\nsuites = ["tests"]\n'
    )

    assert meant() == ["tests"]


def test_pyproject_names_matrix_and_kernels(mine: Path) -> None:
    (mine / "matrix.yaml").rename(mine / "kernels.yaml")
    suite(mine / "tests")
    (mine / "pyproject.toml").write_text(
        '[tool.bpf-kernel-matrix]\nmatrix = "kernels.yaml"\nkernels = ["6.1", ">=6.6"]'
    )

    found = project.find(None)

    assert found.matrix == Path("kernels.yaml")
    assert found.kernels == "6.1,>=6.6"
    assert meant() == ["tests/suite.yaml"]
    # What the command line names wins.
    assert project.find(Path("other.yaml")).matrix == Path("other.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('\nsuits = ["x"]', "pyproject.toml:3: unknown key 'suits'; did you mean"),
        ('a = 1\n[x]\nsuites = "x"', "pyproject.toml:2: unknown key 'a'; the keys are"),
        ('suites = "x"', "pyproject.toml:2: suites: should be a list of strings"),
        ("suites = []", "pyproject.toml:2: suites: should be a list of strings"),
        ("kernels = [6.1]", "pyproject.toml:2: kernels: should be a list of strings"),
        ("matrix = 1", "pyproject.toml:2: matrix: should be a path, in quotes"),
        ("suites = [", "pyproject.toml: not TOML"),
    ],
)
def test_a_mistake_in_pyproject_is_told(mine: Path, text: str, told: str) -> None:
    (mine / "pyproject.toml").write_text(f"[tool.bpf-kernel-matrix]\n{text}\n")

    with pytest.raises(UsageError) as caught:
        pyproject.read(Path())
    assert caught.value.message.startswith(told)


@pytest.mark.parametrize("text", ["", "[tool.x]\na = 1\n", "not TOML ["])
def test_other_peoples_pyproject_says_nothing(mine: Path, text: str) -> None:
    (mine / "pyproject.toml").write_text(text)

    assert pyproject.read(Path()) == pyproject.PyProject(path=Path("pyproject.toml"))


def test_pyproject_counts_where_the_matrix_is(mine: Path) -> None:
    suite(mine.parent / "other/tests")
    (mine.parent / "other/matrix.yaml").write_text(MATRIX)
    (mine.parent / "other/pyproject.toml").write_text(
        '[tool.bpf-kernel-matrix]\nsuites = ["nowhere"]\n'
    )

    with pytest.raises(UsageError, match=r"pyproject\.toml: suites: there is no"):
        meant(file="../other/matrix.yaml")


def test_without_a_matrix_the_built_in_one_is_used(mine: Path) -> None:
    (mine / "matrix.yaml").unlink()
    own = suite(mine / "tests").relative_to(mine)

    found = project.find(None)

    assert found.matrix == ROOT / "matrix.yaml"
    assert found.note.startswith("there is no matrix.yaml in this folder; using the ")
    assert meant() == [str(own)]


def test_without_a_matrix_and_a_suite_it_is_told_what_to_do(mine: Path) -> None:
    (mine / "matrix.yaml").unlink()

    with pytest.raises(UsageError, match=r"no suite\.yaml below") as caught:
        meant()
    assert "--suite builtin/task" in caught.value.hint


def test_a_matrix_of_ones_own_needs_no_word(mine: Path) -> None:
    assert project.find(None).note == ""
    assert project.find(Path("builtin")).note == ""


def test_a_matrix_that_pyproject_names_must_be_there(mine: Path) -> None:
    (mine / "matrix.yaml").unlink()
    (mine / "pyproject.toml").write_text(
        '[tool.bpf-kernel-matrix]\nmatrix = "kernels.yaml"\n'
    )

    with pytest.raises(UsageError, match=r"no matrix file kernels\.yaml") as caught:
        meant()
    for word in ("docs/matrix.md", "--matrix FILE", "--matrix builtin"):
        assert word in caught.value.hint
