"""Releases in a local git tree of the kernel: what its tags v6.6.64 name."""

import re
from pathlib import Path

from runner.errors import ArtifactError
from runner.kernels.sources.offer import Offer, order_of
from runner.process import programs
from runner.text.nearest import nearest

# Upstream's releases; v6.6-rc1 is none yet.
_RELEASE = re.compile(r"v(\d+\.\d+(?:\.\d+)?)")
_TAGS = "refs/tags/"
# Seconds; a stable tree has five thousand tags.
_QUERY_TIMEOUT = 60.0
# Seconds in which a gigabyte of source must be written.
_ARCHIVE_TIMEOUT = 600.0
_NEEDS_GIT = "apt-get install git"
_A_TREE = (
    "the key tree is a clone of linux or linux-stable with its tags: git fetch --tags"
)


def offers(tree: Path) -> list[Offer]:
    """Return the releases that have a tag, the oldest first. Raises ArtifactError."""
    form = "--format=%(refname:strip=2) %(creatordate:short)"
    said = _git(tree, ["for-each-ref", form, f"{_TAGS}v*"])
    found: list[Offer] = []
    for line in said.splitlines():
        tag, _, date = line.partition(" ")
        release = _RELEASE.fullmatch(tag)
        if release is not None:
            found.append(offer(release[1], date))
    return sorted(found, key=lambda it: it.order)


def offer(release: str, date: str = "") -> Offer:
    """Return a release as what it is offered as."""
    order = order_of("tag", release, 0)
    return Offer(version=release, package=f"v{release}", order=order, date=date)


def commit_of(tree: Path, version: str) -> str:
    """Return the commit of a release's tag, in hexadecimal. Raises ArtifactError."""
    try:
        said = _git(
            tree, ["rev-parse", "--verify", "--quiet", f"{_TAGS}v{version}^{{commit}}"]
        )
    except ArtifactError as error:
        known = [it.version for it in offers(tree)]
        near = nearest(version, known, 3)
        raise ArtifactError(
            f"{tree} has no tag v{version}",
            hint=f"it has {', '.join(near)}" if near else _A_TREE,
        ) from error
    return said.strip()


def archive(tree: Path, commit: str, version: str, path: Path) -> None:
    """Write the source of a commit as a tar. Raises ArtifactError."""
    options = ["--format=tar", f"--prefix=linux-{version}/", f"--output={path}"]
    _git(tree, ["archive", *options, commit], timeout=_ARCHIVE_TIMEOUT)


def _git(tree: Path, words: list[str], timeout: float = _QUERY_TIMEOUT) -> str:
    if not tree.is_dir():
        raise ArtifactError(f"tree: {tree} is not a folder", hint=_A_TREE)
    done = programs.run(
        ["git", "-C", str(tree), *words],
        timeout=timeout,
        error=ArtifactError,
        hint=_NEEDS_GIT,
        slow_hint="end other programs that use the disk",
    )
    if done.returncode != 0:
        raise ArtifactError(f"git: {programs.words_of(done)}", hint=_A_TREE)
    return done.stdout
