import subprocess
from pathlib import Path

import pytest

from runner import cli
from runner.matrix import matrix
from runner.suites import suitefile
from tests.unit.scaffold import objects, sources

SUITE = Path("tests/bpf/tool/suite.yaml")
MATRIX = Path("matrix.yaml")
WORKFLOW = Path(".github/workflows/kernel-matrix.yml")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with one source, as the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    (tmp_path / "src").mkdir()
    (tmp_path / "src/tool.bpf.c").write_text(sources.HEAD + sources.EVENTS)
    return tmp_path


def _contents(folder: Path) -> dict[Path, str]:
    return {
        it: it.read_text()
        for it in folder.rglob("*")
        if it.is_file() and ".cache" not in it.parts
    }


def test_everything_is_written(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["init"]) == 0

    found = matrix.load(MATRIX)
    assert [it.id for it in found.kernels] == ["5.10", "6.1", "6.12", "sid"]
    loaded = suitefile.load(SUITE, matrix=MATRIX)
    assert loaded.suite.cases[0].object == "../../../src/tool.bpf.c"
    assert WORKFLOW.exists()
    output = capsys.readouterr()
    assert "found src/tool.bpf.c" in output.out
    assert "next: python -m runner --kernels 6.12" in output.out


def test_nothing_is_overwritten(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["init"])
    SUITE.write_text(SUITE.read_text() + "# mine\n")
    before = _contents(repository)
    capsys.readouterr()

    assert cli.main(["init"]) == 0

    assert _contents(repository) == before
    output = capsys.readouterr().out
    assert "wrote" not in output
    assert "loads src/tool.bpf.c already" in output


def test_a_partial_set_is_filled_in(repository: Path) -> None:
    cli.main(["init"])
    kept = SUITE.read_text()
    WORKFLOW.unlink()
    (repository / "src/other.bpf.c").write_text(sources.HEAD + sources.PACKETS)

    cli.main(["init"])

    assert SUITE.read_text() == kept
    assert WORKFLOW.exists()
    assert Path("tests/bpf/other/suite.yaml").exists()


def test_a_dry_run_shows_the_files(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _contents(repository)

    assert cli.main(["init", "--dry-run"]) == 0

    assert _contents(repository) == before
    output = capsys.readouterr().out
    assert f"--- {SUITE}" in output
    assert "would write" in output
    assert "{drain: events" in output


@pytest.mark.parametrize(
    ("option", "path"),
    [
        (["--ci", "github"], str(WORKFLOW)),
        (["--ci", "gitlab"], ".gitlab-ci.yml"),
        (["--ci", "none"], None),
        ([], str(WORKFLOW)),
    ],
)
def test_the_workflow_is_the_one_that_is_wanted(
    option: list[str], path: str | None, repository: Path
) -> None:
    cli.main(["init", *option])

    written = {str(WORKFLOW), ".gitlab-ci.yml"} & {
        str(it.relative_to(repository)) for it in _contents(repository)
    }
    assert written == ({path} if path else set())


def test_a_pipeline_that_is_there_includes_ours(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".gitlab-ci.yml").write_text("build: {script: [make]}\n")

    cli.main(["init"])

    assert Path(".gitlab/kernel-matrix.yml").exists()
    assert Path(".gitlab-ci.yml").read_text() == "build: {script: [make]}\n"
    assert "include it in .gitlab-ci.yml" in capsys.readouterr().err


def test_kernels_are_rows_of_the_built_in_matrix(repository: Path) -> None:
    cli.main(["init", "--kernels", "6.1,6.12"])

    found = matrix.load(MATRIX)
    assert [it.id for it in found.kernels] == ["6.1", "6.12"]


def test_suites_go_where_they_are_wanted(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["init", "--out", "kernels/suites", "src"])

    suite = Path("kernels/suites/tool/suite.yaml")
    assert (
        suitefile.load(suite, matrix=MATRIX).suite.cases[0].object
        == "../../../src/tool.bpf.c"
    )
    assert Path("kernels/suites") in [
        it.relative_to(repository.resolve()) if it.is_absolute() else it
        for it in matrix.load(MATRIX).suites
    ]


def test_a_matrix_with_other_suites_is_told_of(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "mine").mkdir()
    Path("matrix.yaml").write_text(
        "suites: [mine]\n"
        'kernels: [{id: "6.1", source: {type: debian, suite: bookworm}}]\n'
    )

    cli.main(["init"])

    assert "lists other folders of suites: add tests/bpf" in capsys.readouterr().err


def test_a_broken_link_stops_nothing(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "gone.bpf.c").symlink_to("nowhere")

    assert cli.main(["init", "--kernels", "6.12"]) == 0

    output = capsys.readouterr()
    assert "note: gone.bpf.c: a link to nothing; left out" in output.err
    assert "1 kernel: 6.12" in output.out
    assert SUITE.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "nothing: there is no such file or folder"),
        (["--out", "../x"], "--out ../x: is not below the current folder"),
        (["--kernels", "7"], "7"),
    ],
)
def test_mistakes_are_told(
    arguments: list[str],
    words: str,
    repository: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["init", *arguments]) == 2

    assert words in capsys.readouterr().err
    assert not SUITE.exists()


def test_an_object_out_of_reach_is_refused(
    repository: Path,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = tmp_path_factory.mktemp("other") / "far.bpf.c"
    other.write_text(sources.HEAD + sources.PACKETS)

    assert cli.main(["init", str(other)]) == 2

    assert "is outside of" in capsys.readouterr().err


def test_git_knows_what_a_build_makes(repository: Path) -> None:
    subprocess.run(["git", "init", "-q", "."], check=True)
    for name in ("shipped", "built"):
        content = objects.small() + name.encode()
        (repository / f"{name}.bpf.o").write_bytes(content)
    subprocess.run(["git", "add", "shipped.bpf.o"], check=True)

    cli.main(["init"])

    workflow = WORKFLOW.read_text()
    assert "            built.bpf.o" in workflow
    assert "shipped.bpf.o" not in workflow


def test_reports_that_git_would_take_are_told_of(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "init", "-q", "."], check=True)
    cli.main(["init"])
    assert "add /reports/ to your .gitignore" in capsys.readouterr().err

    Path(".gitignore").write_text("/reports/\n")
    cli.main(["init"])
    assert ".gitignore" not in capsys.readouterr().err
