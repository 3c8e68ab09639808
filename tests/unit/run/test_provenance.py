"""What git and CI systems say a run is about."""

import subprocess
from pathlib import Path

import pytest

from runner.run import provenance
from runner.run.provenance import CI_SYSTEMS, CiSystem


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=n", "-c", "user.email=n@example.org"]
    done = subprocess.run(
        ["git", "-C", str(folder), *settings, *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit on the branch `topic`."""
    folder = tmp_path / "checkout"
    (folder / "below").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "topic")
    (folder / "probe.bpf.c").write_text("int x;\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Add a probe")
    return folder


def test_git_says_project_commit_and_branch(repository: Path) -> None:
    found = provenance.of(repository / "below", {})
    assert found.project == "checkout"
    assert found.commit == git(repository, "rev-parse", "HEAD")
    assert (found.branch, found.tag, found.changed) == ("topic", "", False)
    assert (found.ci, found.ci_run) == ("", "")


def test_without_a_remote_pyproject_names_the_project(repository: Path) -> None:
    (repository / "pyproject.toml").write_text('[project]\nname = "opens"\n')
    assert provenance.of(repository, {}).project == "opens"
    (repository / "pyproject.toml").write_text("[project\n")
    assert provenance.of(repository, {}).project == "checkout"


def test_a_changed_file_and_a_tag_are_told(repository: Path) -> None:
    git(repository, "tag", "v1.2")
    (repository / "probe.bpf.c").write_text("int y;\n")
    found = provenance.of(repository, {})
    assert (found.tag, found.changed) == ("v1.2", True)


@pytest.mark.parametrize(
    "address",
    [
        "https://user:secret@example.org/team/probe.git",
        "git@example.org:team/probe.git",
        "https://example.org/team/probe/",
    ],
)
def test_of_a_remote_only_owner_and_name_are_kept(
    repository: Path, address: str
) -> None:
    git(repository, "remote", "add", "origin", address)
    found = provenance.of(repository, {})
    assert found.project == "team/probe"
    assert "secret" not in found.model_dump_json()


def test_a_remote_on_this_machine_names_no_folder_of_it(repository: Path) -> None:
    git(repository, "remote", "add", "origin", "/srv/git/probe.git")
    assert provenance.of(repository, {}).project == "checkout"


def test_a_worktree_has_the_name_of_its_repository(repository: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "other", "../worktree")
    found = provenance.of(repository.parent / "worktree", {})
    assert (found.project, found.branch) == ("checkout", "other")


def test_a_pull_request_is_known_by_its_own_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    found = provenance.of(
        repository,
        {
            "GITHUB_ACTIONS": "true",
            "GITHUB_SERVER_URL": "https://example.org",
            "GITHUB_REPOSITORY": "team/probe",
            "GITHUB_RUN_ID": "7",
            "GITHUB_HEAD_REF": "fix-state",
            "GITHUB_REF_NAME": "12/merge",
            "GITHUB_SHA": "0" * 40,
        },
    )
    assert found.ci == "GitHub Actions"
    assert found.ci_run == "https://example.org/team/probe/actions/runs/7"
    assert (found.project, found.branch) == ("team/probe", "fix-state")
    # What lies there counts, whatever the variable says.
    assert found.commit == git(repository, "rev-parse", "HEAD")


@pytest.mark.parametrize("system", CI_SYSTEMS, ids=lambda it: it.name)
def test_without_git_the_variables_are_enough(tmp_path: Path, system: CiSystem) -> None:
    variables = {system.marker: "true", system.commit: "abc", system.branches[-1]: "b"}
    found = provenance.of(tmp_path, variables | {system.project: "p"})
    assert (found.project, found.commit, found.branch) == ("p", "abc", "b")
    # Its variables are not set.
    assert found.ci_run == ""


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "https://user:secret@example.org/1", "$X", ""]
)
def test_what_is_no_plain_address_is_not_linked(tmp_path: Path, address: str) -> None:
    found = provenance.of(tmp_path, {"GITLAB_CI": "true", "CI_PIPELINE_URL": address})
    assert (found.ci, found.ci_run) == ("GitLab CI", "")


def test_neither_git_nor_ci_is_no_mistake(tmp_path: Path) -> None:
    assert not provenance.of(tmp_path, {}).model_dump(exclude_defaults=True)


def test_a_machine_without_git_runs_all_the_same(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    found = provenance.of(repository, {})
    assert (found.project, found.commit) == ("checkout", "")
