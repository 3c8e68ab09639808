"""What git says of the repository that is set up, and of this program's own."""

import re
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ValidationError

from runner import __version__
from runner.process.programs import environment
from runner.scaffold.workflowtext import RunnerOrigin

_ADDRESS = re.compile(
    r"github\.com[:/](?P<owner>[\w.-]+)/(?P<name>[\w.-]+?)(\.git)?/?$"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PACKAGE = "bpf-kernel-matrix"
# A file of a release.
_RELEASE = re.compile(
    r"github\.com/(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)/releases/download/(?P<tag>[^/]+)/"
)
# What the user has to fill in.
UNKNOWN = f"OWNER/{_PACKAGE}"
COMMIT = "COMMIT"
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

    An installed package is none, although a repository of the user's may be around it:
    what it was installed from says more.
    """
    if not (folder / ".git").exists():
        return _installed_from()
    address = _ADDRESS.search(_git(folder, "remote", "get-url", "origin").strip())
    commit = _git(folder, "rev-parse", "HEAD").strip()
    ref = commit if _COMMIT.fullmatch(commit) else _tag()
    if address is None:
        return RunnerOrigin(repository=UNKNOWN, ref=ref, is_known=False)
    repository = f"{address['owner']}/{address['name']}"
    return RunnerOrigin(
        repository=repository, ref=ref, is_known=bool(_COMMIT.fullmatch(commit))
    )


class _VcsInfo(BaseModel):
    commit_id: str = ""


class _DirectUrl(BaseModel):
    """What an installer notes of where a package came from."""

    url: str
    vcs_info: _VcsInfo = _VcsInfo()


def _tag() -> str:
    """Return the tag of this version; versions in development have none."""
    return COMMIT if "dev" in __version__ else f"v{__version__}"


def _installed_from() -> RunnerOrigin:
    """Return where the package was installed from, as its installer noted.

    Source: PEP 610, direct_url.json. Nothing is noted of what an index had.
    """
    unknown = RunnerOrigin(repository=UNKNOWN, ref=_tag(), is_known=False)
    try:
        noted = metadata.distribution(_PACKAGE).read_text("direct_url.json")
        found = _DirectUrl.model_validate_json(noted or "{}")
    except (metadata.PackageNotFoundError, ValidationError):
        return unknown
    url, revision = found.url, found.vcs_info.commit_id
    release = _RELEASE.search(url)
    if release is not None:
        return RunnerOrigin(
            repository=f"{release['owner']}/{release['name']}",
            ref=release["tag"],
            is_known=True,
        )
    address = _ADDRESS.search(url)
    if address is not None and revision:
        return RunnerOrigin(
            repository=f"{address['owner']}/{address['name']}",
            ref=revision,
            is_known=bool(_COMMIT.fullmatch(revision)),
        )
    checkout = Path(unquote(urlsplit(url).path)) if url.startswith("file:") else None
    if checkout is not None and (checkout / ".git").exists():
        return origin_of(checkout)
    return unknown


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
