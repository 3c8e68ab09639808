"""What git says of the repository that is set up, and of this program's own."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from runner import __version__
from runner.process.programs import environment
from runner.scaffold.workflowtext import RunnerOrigin

_ADDRESS = re.compile(
    r"github\.com[:/](?P<owner>[\w.-]+)/(?P<name>[\w.-]+?)(\.git)?/?$"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_UNKNOWN = "OWNER/bpf-kernel-matrix"
# Seconds.
_TIMEOUT = 20
# What builds a project, by the file at its top.
_BUILDS = {
    "Makefile": "make",
    "meson.build": "meson setup build && meson compile -C build",
    "CMakeLists.txt": "cmake -B build && cmake --build build",
    "Cargo.toml": "cargo build --release",
    "go.mod": "go generate ./... && go build ./...",
}


def origin_of(folder: Path) -> RunnerOrigin:
    """Return where a workflow gets this program from; `folder` is its checkout.

    An installed package is none, although a repository of the user's may be around it.
    """
    if not (folder / ".git").exists():
        return RunnerOrigin(repository=_UNKNOWN, ref=f"v{__version__}", is_known=False)
    address = _ADDRESS.search(_git(folder, "remote", "get-url", "origin").strip())
    commit = _git(folder, "rev-parse", "HEAD").strip()
    ref = commit if _COMMIT.fullmatch(commit) else f"v{__version__}"
    if address is None:
        return RunnerOrigin(repository=_UNKNOWN, ref=ref, is_known=False)
    repository = f"{address['owner']}/{address['name']}"
    return RunnerOrigin(
        repository=repository, ref=ref, is_known=bool(_COMMIT.fullmatch(commit))
    )


def untracked(top: Path, files: Sequence[Path]) -> list[Path]:
    """Return the files that a build makes: those that git does not have.

    Without git, or outside of a repository, that is not known: none.
    """
    if not files or not _git(top, "rev-parse", "--git-dir"):
        return []
    return [
        it
        for it in files
        if not _git(top, "ls-files", "--", str(it.absolute())).strip()
    ]


def uses_gitlab(top: Path) -> bool:
    """Whether a repository is one of GitLab's, by its files or its address."""
    if (top / ".gitlab-ci.yml").exists():
        return True
    return "gitlab" in _git(top, "remote", "get-url", "origin")


def ignores(top: Path, path: str) -> bool:
    """Whether git leaves a path out; also where there is no repository."""
    if not _git(top, "rev-parse", "--git-dir"):
        return True
    return bool(_git(top, "check-ignore", "--", path).strip())


def build_of(top: Path) -> str:
    """Return the command that builds a project, as far as its files show."""
    return next((it for name, it in _BUILDS.items() if (top / name).exists()), "make")


def _git(folder: Path, *words: str) -> str:
    """Return what git prints; nothing if it fails, or is not installed."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            errors="replace",
            env=environment(),
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
