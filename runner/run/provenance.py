"""What a run is about: the project, its commit and branch, and the CI run."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from runner.errors import RunnerError
from runner.files.sources import repository_of
from runner.process import programs
from runner.results import Provenance

# Seconds; `git status` reads all names of a large repository.
_TIMEOUT = 10.0
# Characters of a name or an address that results.json keeps.
_MOST = 300
# What a remote's address ends in: "owner/name". The rest may hold a password.
_OWNER_AND_NAME = re.compile(r"[/:]([^/:@\s]+/[^/:@\s]+?)(?:\.git)?/?$")
_ADDRESS = re.compile(r"https?://[^\s<>\"'@]+")


@dataclass(frozen=True, kw_only=True)
class CiSystem:
    """The variables in which a CI system says what it runs. All may be unset."""

    name: str
    # Is set by this system alone.
    marker: str
    project: str
    commit: str
    # The first one that is set counts: of a pull request, its own branch.
    branches: tuple[str, ...]
    # The address of the run, of all jobs where there is such a page.
    run: str


CI_SYSTEMS = (
    # docs.github.com, "Default environment variables".
    CiSystem(
        name="GitHub Actions",
        marker="GITHUB_ACTIONS",
        project="GITHUB_REPOSITORY",
        commit="GITHUB_SHA",
        branches=("GITHUB_HEAD_REF", "GITHUB_REF_NAME"),
        run="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID",
    ),
    # docs.gitlab.com, "Predefined CI/CD variables".
    CiSystem(
        name="GitLab CI",
        marker="GITLAB_CI",
        project="CI_PROJECT_PATH",
        commit="CI_COMMIT_SHA",
        branches=("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_REF_NAME"),
        run="$CI_PIPELINE_URL",
    ),
    CiSystem(
        name="Jenkins",
        marker="JENKINS_URL",
        project="JOB_NAME",
        commit="GIT_COMMIT",
        branches=("CHANGE_BRANCH", "BRANCH_NAME", "GIT_BRANCH"),
        run="$BUILD_URL",
    ),
    CiSystem(
        name="Buildkite",
        marker="BUILDKITE",
        project="BUILDKITE_PIPELINE_SLUG",
        commit="BUILDKITE_COMMIT",
        branches=("BUILDKITE_BRANCH",),
        run="$BUILDKITE_BUILD_URL",
    ),
    CiSystem(
        name="CircleCI",
        marker="CIRCLECI",
        project="CIRCLE_PROJECT_REPONAME",
        commit="CIRCLE_SHA1",
        branches=("CIRCLE_BRANCH",),
        run="$CIRCLE_BUILD_URL",
    ),
)


def of(folder: Path, variables: Mapping[str, str]) -> Provenance:
    """Return what git and the CI system's variables say of a folder.

    What neither knows is empty. Never raises: a run without git is a run, too.
    """
    ci = next((it for it in CI_SYSTEMS if variables.get(it.marker)), None)
    told = {} if ci is None else _of_ci(ci, variables)
    repository = repository_of(folder.resolve())
    if repository is None:
        return Provenance(**told)
    git = _Git(repository)
    found = {
        "project": git.project or _name_in(repository) or git.folder_name,
        "commit": git.words("rev-parse", "--verify", "HEAD"),
        "branch": git.words("symbolic-ref", "--quiet", "--short", "HEAD"),
        "tag": git.words("describe", "--tags", "--exact-match"),
    }
    # The CI system knows the branch of a detached HEAD, git which commit lies there.
    known = {**found, **told, "commit": found["commit"] or told.get("commit", "")}
    return Provenance(
        **{name: text[:_MOST] for name, text in known.items()},
        changed=bool(git.words("status", "--porcelain", "--untracked-files=no")),
    )


def _of_ci(ci: CiSystem, variables: Mapping[str, str]) -> dict[str, str]:
    branch = next((variables[it] for it in ci.branches if variables.get(it)), "")
    address = Template(ci.run).safe_substitute(variables)
    found = {
        "project": variables.get(ci.project, ""),
        "commit": variables.get(ci.commit, ""),
        "branch": branch,
        "ci": ci.name,
        # Reports link to it. With "$" a variable is missing.
        "ci_run": address if _is_address(address) else "",
    }
    return {name: text[:_MOST] for name, text in found.items() if text}


def _is_address(text: str) -> bool:
    short = len(text) <= _MOST and "$" not in text
    return short and _ADDRESS.fullmatch(text) is not None


def _name_in(repository: Path) -> str:
    """Return what pyproject.toml calls the project; nothing without one."""
    try:
        with (repository / "pyproject.toml").open("rb") as file:
            name = tomllib.load(file)["project"]["name"]
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return name if isinstance(name, str) else ""


class _Git:
    """A repository, which nothing is written to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def project(self) -> str:
        """Return "owner/name" of the remote, or nothing."""
        remote = self.words("remote", "get-url", "origin")
        found = _OWNER_AND_NAME.search(remote)
        # Else it may be a path of this machine.
        return found[1] if found and not remote.startswith(("/", ".", "file:")) else ""

    @property
    def folder_name(self) -> str:
        """Return the repository's folder; of a worktree, that of the repository."""
        shared = Path(self.words("rev-parse", "--git-common-dir"))
        found = shared if shared.is_absolute() else self._folder / shared
        return found.parent.name if found.name == ".git" else self._folder.name

    def words(self, *arguments: str) -> str:
        """Return what git prints; nothing where it refuses."""
        argv = [
            # It must not start the program that a repository names as its monitor.
            *("git", "--no-optional-locks", "-c", "core.fsmonitor=false"),
            *("-C", str(self._folder), *arguments),
        ]
        try:
            done = programs.run(argv, timeout=_TIMEOUT, error=RunnerError, hint="")
        except RunnerError:
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""
