"""BTF in matrix.lock: made of the locked files, today and later."""

import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner import cli
from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels import fetch, rows
from runner.kernels.artifact import Artifact
from runner.kernels.btf.choose import HUB_VARIABLE
from runner.kernels.rows import KernelChoice
from tests.unit.kernels.btf import kernels
from tests.unit.kernels.btf.test_choose import hub
from tests.unit.kernels.conftest import Suite
from tests.unit.kernels.images import bzimage
from tests.unit.kernels.server import Server, serving
from tests.unit.kernels.silent import Silent
from tests.unit.kernels.snapshotarchive import publish as served_as_archive

RELEASE = "4.4.0-21-generic"


@dataclass(frozen=True, kw_only=True)
class Project:
    """A matrix of one kernel on the disk, whose BTF is somewhere else."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch

    @property
    def matrix(self) -> Path:
        return self.folder / "matrix.yaml"

    @property
    def lock(self) -> Path:
        return self.folder / "matrix.lock"

    def write(self, btf: str) -> None:
        (self.folder / "bzImage").write_bytes(bzimage(RELEASE))
        self.matrix.write_text(
            f"kernels:\n- {{id: old, source: {{type: path, image: bzImage}}, {btf}}}\n"
        )

    def pin(self) -> None:
        assert cli.main(["lock", "--matrix", str(self.matrix)]) == 0

    def obtain(self, *overrides: str) -> Artifact:
        """Take the locked kernel, on a machine that never saw it."""
        cache = Cache(self.folder / f"cache-{len(list(self.folder.iterdir()))}")
        choice = KernelChoice(
            matrix=self.matrix, selectors=("old",), overrides=overrides, locked=True
        )
        (kernel,) = rows.choose(choice, cache).kernels
        return fetch.obtain(kernel, cache, Silent())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(HUB_VARIABLE, str(tmp_path / "no hub"))
    return Project(folder=folder, monkeypatch=monkeypatch)


@pytest.fixture
def archive() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.mark.parametrize("type_", ["file", "vmlinux"])
def test_a_file_that_changed_is_refused(project: Project, type_: str) -> None:
    built = project.folder / "built"
    made = kernels.vmlinux(built, release=RELEASE)
    data = kernels.btf(built) if type_ == "file" else made.read_bytes()
    file = project.folder / "of the kernel"
    file.write_bytes(data)
    project.write(f"btf: {{type: {type_}, path: {file.name}}}")
    project.pin()
    assert str(project.folder) not in project.lock.read_text()
    assert project.obtain().btf_source == type_

    changed = kernels.OLD | {"start": "real_start_time, more"}
    if type_ == "file":
        file.write_bytes(kernels.btf(built, changed))
    else:
        kernels.vmlinux(built, release=RELEASE, names=changed).rename(file)

    with pytest.raises(
        ArtifactError, match="comes from other files than the lock has"
    ) as it:
        project.obtain()
    assert it.value.hint.endswith("python -m runner lock")


def test_a_release_in_the_hub_that_changed_is_refused(
    project: Project, tmp_path: Path
) -> None:
    location = hub(tmp_path, RELEASE)
    project.write(f"btf: {{type: btfhub, location: '{location}'}}")
    project.pin()
    assert project.obtain().btf_source == "btfhub"

    (packed,) = location.rglob("*.btf.tar.xz")
    packed.write_bytes(lzma.compress(lzma.decompress(packed.read_bytes()), preset=0))

    with pytest.raises(ArtifactError, match=rf"{RELEASE}\.btf\.tar\.xz has the sha256"):
        project.obtain()


def test_what_was_found_unasked_is_pinned_too(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project.monkeypatch.setenv(HUB_VARIABLE, str(hub(tmp_path, RELEASE)))
    project.write("btf: auto")
    project.pin()

    assert f"old: BTF of {tmp_path}/hub/ubuntu/16.04" in capsys.readouterr().out
    assert project.obtain().btf_source == "btfhub"


def test_a_lock_that_has_no_btf_takes_none_from_elsewhere(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "no hub").mkdir()
    project.write("btf: auto")
    project.pin()
    assert project.obtain().btf is None

    project.monkeypatch.setenv(HUB_VARIABLE, str(hub(tmp_path, RELEASE)))

    with pytest.raises(ArtifactError, match="but the lock has none"):
        project.obtain()


def test_a_kernel_of_the_command_line_needs_no_locked_btf(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "no hub").mkdir()
    project.write("btf: auto")
    project.pin()
    project.monkeypatch.setenv(HUB_VARIABLE, str(hub(tmp_path, RELEASE)))

    assert project.obtain(f"old={project.folder}/bzImage").btf_source == "btfhub"


def test_a_locked_debug_package_is_had_after_the_mirror_moved_on(
    project: Project, suite: Suite, archive: Server
) -> None:
    name = f"linux-image-{RELEASE}-dbg"

    def package(version: str, **names: str) -> Path:
        vmlinux = kernels.vmlinux(
            project.folder / "built", release=RELEASE, names=kernels.OLD | names
        )
        path = f"usr/lib/debug/boot/vmlinux-{RELEASE}"
        return suite.package(name, {path: vmlinux.read_bytes()}, version=version)

    first = package("4.4.1-1")
    suite.publish(first)
    served_as_archive(archive, first)
    project.write(
        f"btf: {{type: debug-package, suite: bookworm, archive: '{archive.url}'}}"
    )
    project.pin()
    locked = project.obtain().btf_sha256
    for old in (suite.repository.root / "pool").iterdir():
        old.unlink()
    suite.publish(package("4.4.1-2", start="real_start_time, more"))

    assert project.obtain().btf_sha256 == locked
    assert archive.asked

    project.pin()
    assert project.obtain().btf_sha256 != locked
