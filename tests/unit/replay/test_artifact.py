"""What is read of a foreign artifact, and that nothing else of it counts."""

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.errors import UsageError
from runner.replay import artifact as artifact_
from runner.replay.artifact import open_artifact
from tests.unit.replay.artifacts import (
    OBJECT,
    RESULTS,
    SUITE,
    files,
    folder_of,
    index,
    sha,
    tar_of,
    zip_of,
)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: folder_of(path / "reports"),
        lambda path: folder_of(path / "reports") / "results.json",
        lambda path: zip_of(path / "a.zip"),
        lambda path: zip_of(path / "a.zip", top="kernel-matrix/"),
        lambda path: tar_of(path / "a.tar"),
    ],
    ids=["folder", "results.json", "zip", "zip with a folder", "tar"],
)
def test_each_form_holds_the_same(make: Callable[[Path], Path], tmp_path: Path) -> None:
    with open_artifact(make(tmp_path)) as found:
        assert found.results() == RESULTS
        assert found.bundle().suites[0].name == "task"
        assert found.file(sha(SUITE)) == SUITE


def test_a_file_of_another_content_is_refused(tmp_path: Path) -> None:
    content = files() | {f"replay/files/{sha(OBJECT)}": b"another"}
    with (
        open_artifact(zip_of(tmp_path / "a.zip", content)) as found,
        pytest.raises(UsageError, match="another checksum"),
    ):
        found.file(sha(OBJECT))


def test_results_alone_can_not_be_replayed(tmp_path: Path) -> None:
    given = {"results.json": files()["results.json"]}
    with open_artifact(folder_of(tmp_path, given)) as found:
        with pytest.raises(UsageError, match=r"there is no replay/replay.json") as it:
            found.bundle()
        assert "give the whole folder" in it.value.hint


@pytest.mark.parametrize("name", ["missing", "file", "empty.zip", "device"])
def test_what_is_no_artifact_is_told(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "file":
        path.write_text("text")
    if name == "empty.zip":
        path.touch()
    if name == "device":
        path = Path("/dev/null")
    with pytest.raises(UsageError) as caught:
        open_artifact(path)
    assert "artifact" in caught.value.hint


def test_links_lead_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SUITE)
    name = f"replay/files/{sha(SUITE)}"
    folder = folder_of(tmp_path / "reports")
    (folder / name).unlink()
    (folder / name).symlink_to(secret)
    with (
        open_artifact(folder) as found,
        pytest.raises(UsageError, match="there is no"),
    ):
        found.file(sha(SUITE))
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with (
        open_artifact(folder) as found,
        pytest.raises(UsageError, match="there is no"),
    ):
        found.file(sha(SUITE))


def test_links_of_a_tar_are_no_files(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name, target in (("results.json", "/etc/passwd"), ("x", "../../x")):
            for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
                member = tarfile.TarInfo(name)
                member.type, member.linkname = kind, target
                archive.addfile(member)
    with (
        open_artifact(path) as found,
        pytest.raises(UsageError, match=r"there is no results.json"),
    ):
        found.results()


def test_a_file_that_unpacks_without_end_is_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifact_, "MOST_FILE", 1 << 20)
    bomb = bytes(64 << 20)
    path = zip_of(tmp_path / "a.zip", files() | {f"replay/files/{sha(bomb)}": bomb})
    assert path.stat().st_size < 1 << 20
    with (
        open_artifact(path) as found,
        pytest.raises(UsageError, match="larger than 1 MiB"),
    ):
        found.file(sha(bomb))


def test_a_zip_that_lies_about_lengths_is_refused_or_right(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip")
    whole = bytearray(path.read_bytes())
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        size = archive.getinfo("results.json").file_size
    told = size.to_bytes(4, "little")
    for lie in (0, 1, size - 1, size + 1, 0xFFFFFFFE):
        path.write_bytes(whole.replace(told, lie.to_bytes(4, "little")))
        # Whole, or refused in words.
        with suppress(UsageError), open_artifact(path) as found:
            assert found.results() == RESULTS


def test_a_compressed_tar_is_refused_before_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder_of(tmp_path / "reports"), "reports")
    with pytest.raises(UsageError, match="not an artifact"):
        open_artifact(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(0, 5000),
    data=st.binary(min_size=1, max_size=12),
    kind=st.sampled_from(["zip", "tar"]),
)
def test_damage_is_told_and_never_a_traceback(
    at: int, data: bytes, kind: str, tmp_path: Path
) -> None:
    path = tmp_path / f"a.{kind}"
    (zip_of if kind == "zip" else tar_of)(path)
    whole = bytearray(path.read_bytes())
    at %= len(whole)
    whole[at : at + len(data)] = data
    path.write_bytes(whole)
    # All else would end the test.
    with suppress(UsageError), open_artifact(path) as found:
        found.results()
        for suite in found.bundle().suites:
            for sha256 in (it.sha256 for it in suite.files):
                found.file(sha256)


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 2},
        {"settings": {"boot_timeout": -1}},
        {"suites": [{"name": "x", "folder": "x", "files": [{"path": "x"}]}]},
        {"unknown": 1},
        {"kernels": 5},
    ],
)
def test_another_index_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", files(index(**change)))
    with (
        open_artifact(path) as found,
        pytest.raises(UsageError, match=r"replay\.json: "),
    ):
        found.bundle()
