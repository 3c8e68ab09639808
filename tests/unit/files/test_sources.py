"""Reports name files as seen from where a run was started."""

from pathlib import Path

import pytest

from runner.files import sources
from runner.files.sources import shown
from runner.plugin.items import placed
from runner.results import CaseResult, Outcome


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a source, and a folder that a run is started in."""
    (tmp_path / "project/.git").mkdir(parents=True)
    (tmp_path / "project/src").mkdir()
    (tmp_path / "project/src/probe.bpf.c").touch()
    (tmp_path / "project/tests").mkdir()
    return tmp_path / "project"


@pytest.mark.parametrize("started", [".", "tests", "src"])
def test_a_file_of_the_repository_is_relative_to_the_start_or_the_repository(
    project: Path, started: str
) -> None:
    found = shown(f"{project}/src/probe.bpf.c", project / started)

    assert found == ("probe.bpf.c" if started == "src" else "src/probe.bpf.c")


def test_a_file_of_another_machine_is_found_here_by_the_end_of_its_path(
    project: Path,
) -> None:
    assert shown("/builds/ci/7/src/probe.bpf.c", project) == "src/probe.bpf.c"
    assert shown("/builds/ci/7/src/probe.bpf.c", project / "tests") == (
        "src/probe.bpf.c"
    )


def test_a_file_that_is_nowhere_here_is_shown_by_its_name(project: Path) -> None:
    assert shown("/builds/ci/7/src/other.bpf.c", project) == "other.bpf.c"


def test_a_relative_name_stays(project: Path) -> None:
    assert shown("./task.bpf.c", project) == "task.bpf.c"


def test_no_path_of_the_building_machine_is_left_in_a_result(project: Path) -> None:
    source = f"{project}/src/probe.bpf.c:37"
    result = CaseResult(
        kernel="6.1",
        suite="mine",
        case="opens",
        outcome=Outcome.FAILED,
        message=f"load refused at {source}: {project}/build/probe.bpf.o: no",
        cure=f"{source}: fix it",
        source=source,
    )

    found = placed(result, project, project / "build/probe.bpf.o")

    assert found.source == "src/probe.bpf.c:37"
    assert found.message == (
        "load refused at src/probe.bpf.c:37: build/probe.bpf.o: no"
    )
    assert found.cure == "src/probe.bpf.c:37: fix it"


def test_a_source_that_a_run_compiles_is_named_from_where_the_run_was_started(
    project: Path,
) -> None:
    result = CaseResult(
        kernel="6.1",
        suite="mine",
        case="opens",
        outcome=Outcome.FAILED,
        # clang ran in the folder of the source.
        message="refused at probe.bpf.c:37: no; src/probe.bpf.c:37, my-probe.bpf.c:3",
        source="probe.bpf.c:37",
    )

    found = placed(result, project, project / "tests/../src/probe.bpf.c")

    assert found.source == "src/probe.bpf.c:37"
    assert found.message == (
        "refused at src/probe.bpf.c:37: no; src/probe.bpf.c:37, my-probe.bpf.c:3"
    )


def test_a_source_is_named_from_the_top_of_its_repository(tmp_path: Path) -> None:
    started = tmp_path / "tests"
    for folder in (".git", "src", "tests"):
        (tmp_path / folder).mkdir()
    (tmp_path / "src/a.bpf.c").touch()
    (started / "b.bpf.c").touch()

    assert sources.from_top("../src/a.bpf.c", started) == "src/a.bpf.c"
    assert sources.from_top("b.bpf.c", started) == "tests/b.bpf.c"
    # Of another machine, of nothing, and outside of the repository.
    assert sources.from_top("gone.bpf.c", started) == "gone.bpf.c"
    assert sources.from_top("", started) == ""
    assert sources.from_top("../../x.bpf.c", started) == "../../x.bpf.c"
