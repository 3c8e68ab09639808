"""Kernels of a git tree's tags."""

import os
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from runner.errors import ArtifactError
from runner.kernels.sources import providers
from runner.kernels.sources.source import Pin
from runner.matrix.matrix import KernelOrgSource
from tests.unit.kernels.kernelbuild.trees import make_tree
from tests.unit.kernels.test_kernelorg import Bench

# Git's own settings of whoever runs the tests stay out.
ALONE = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    **{f"GIT_{it}_NAME": "test" for it in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{it}_EMAIL": "test@example.org" for it in ("AUTHOR", "COMMITTER")},
}


def git(tree: Path, *words: str, date: str = "2026-01-01T00:00:00Z") -> None:
    dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    subprocess.run(
        ["git", "-C", tree, *words],
        check=True,
        capture_output=True,
        env={**os.environ, **ALONE, **dates},
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A clone with three releases, a candidate, and tags of others."""
    made = make_tree(tmp_path)
    git(made, "init", "-q")
    git(made, "add", "-A", "-f")
    git(made, "commit", "-q", "-m", "first")
    makefile = made / "Makefile"
    text = makefile.read_text()
    releases = {
        "5.10.222": "2026-02-02",
        "5.10.223": "2026-02-03",
        "5.10.9": "2020-01-12",
    }
    for release, day in releases.items():
        patch = release.rpartition(".")[2]
        makefile.write_text(text.replace("SUBLEVEL = 223", f"SUBLEVEL = {patch}"))
        git(made, "commit", "-q", "--allow-empty", "-am", release)
        tag = ("tag", "-a", f"v{release}", "-m", release)
        git(made, *tag, date=f"{day}T12:00:00Z")
    for other in ("v5.11-rc1", "next-20260101", "v5.10.223-vendor"):
        git(made, "tag", other)
    return made


def source(tree: Path, version: str = "5.10.223") -> KernelOrgSource:
    return KernelOrgSource(type="kernel-org", version=version, tree=tree)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_tree_offers_its_releases_in_their_order_with_dates(
    tree: Path, bench: Bench
) -> None:
    found = providers.offers(source(tree), bench.cache)
    assert [(it.version, it.package, it.date) for it in found] == [
        ("5.10.9", "v5.10.9", "2020-01-12"),
        ("5.10.222", "v5.10.222", "2026-02-02"),
        ("5.10.223", "v5.10.223", "2026-02-03"),
    ]


def test_what_a_run_builds_is_one_of_those_offered(tree: Path, bench: Bench) -> None:
    row = source(tree, "5.10.222")
    found = providers.offer_of(bench.resolve(row), row)
    assert found is not None
    offered = {it.version: it.order for it in providers.offers(row, bench.cache)}
    assert offered[found.version] == found.order


def test_version_is_pinned_by_the_commit_of_its_tag(tree: Path, bench: Bench) -> None:
    old, new = (bench.resolve(source(tree, it)) for it in ("5.10.222", "5.10.223"))
    assert len(old.items[0].sha1) == 40
    assert old.items[0].identity != new.items[0].identity
    assert old.version == "5.10.222"


def test_tag_is_built_as_it_was_when_it_was_pinned(tree: Path, bench: Bench) -> None:
    row = source(tree, "5.10.222")
    pin: Pin = bench.resolve(row)
    # Somebody moved it.
    git(tree, "tag", "-f", "-a", "v5.10.222", "v5.10.9^{}", "-m", "moved")
    found = bench.collect(row, pin)
    assert found.origin == "linux 5.10.222, built here"
    assert set(found.contents) >= {"boot/vmlinuz", "boot/config"}
    assert len(found.checksums["tarball"]) == 64


def test_work_in_the_tree_is_not_built(tree: Path, bench: Bench) -> None:
    (tree / "Makefile").write_text("broken\n")
    assert bench.collect(source(tree)).contents["boot/vmlinuz"]


def test_tag_that_is_not_there_is_told_with_the_nearest(
    tree: Path, bench: Bench
) -> None:
    with pytest.raises(ArtifactError) as raised:
        bench.resolve(source(tree, "5.10.224"))
    assert "has no tag v5.10.224" in str(raised.value)
    assert "5.10.223" in raised.value.hint


def test_folder_that_is_no_clone_is_told(tmp_path: Path, bench: Bench) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ArtifactError) as raised:
            providers.offers(source(folder), bench.cache)
        assert "git fetch --tags" in raised.value.hint


def test_other_version_of_a_row_is_another_tag(tree: Path) -> None:
    found = source(tree).at("5.10.222")
    assert found is not None
    assert found.version == "5.10.222"


def test_tarball_has_one_version() -> None:
    row = KernelOrgSource(type="kernel-org", version="5.10", tarball="linux.tar.xz")
    assert row.at("5.11") is None


@pytest.mark.parametrize("more", [{"tarball": "x.tar"}, {"sha256": "0" * 64}])
def test_tree_and_tarball_exclude_each_other(more: dict[str, str]) -> None:
    keys = {"type": "kernel-org", "version": "5.10", "tree": "linux", **more}
    with pytest.raises(ValidationError, match="the key tree can't be used with"):
        KernelOrgSource.model_validate(keys, strict=False)
