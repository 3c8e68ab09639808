"""What of an artifact becomes files here, and where kernels may come from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.errors import ArtifactError, UsageError
from runner.files.cache import Cache
from runner.kernels import lock
from runner.kernels.rows import KernelChoice
from runner.matrix import matrix
from runner.replay import place
from runner.replay.artifact import open_artifact
from runner.replay.place import Placed, UntrustedSourceError
from runner.run import listing
from runner.run.run import Run
from runner.run.settings import Settings
from runner.suites import suitefile
from tests.unit.replay.artifacts import (
    LOCKED,
    OBJECT,
    ROW,
    SUITE,
    files,
    index,
    sha,
    zip_of,
)


class Quiet:
    """Shows nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def placed(
    tmp_path: Path, made: Mapping[str, Any] | None = None, **more: bytes
) -> Placed:
    """Place the suite of an artifact below tmp_path/there."""
    given = files(made) | more
    (tmp_path / "there").mkdir()
    with open_artifact(zip_of(tmp_path / "a.zip", given)) as found:
        return place.place(
            found,
            found.bundle(),
            tmp_path / "there",
            kernels=["6.1"],
            suites=["task"],
        )


def test_a_suite_is_what_it_was_with_its_name(tmp_path: Path) -> None:
    found = placed(tmp_path)
    folder = found.suites["task"]
    assert (folder / "suite.yaml").read_bytes() == SUITE
    loaded = suitefile.load(folder / "suite.yaml", matrix=found.matrix)
    assert loaded.name == "task"
    source = loaded.file("task.bpf.c")
    assert found.objects[source, None, ""].read_bytes() == OBJECT
    assert found.objects[source, None, ""].name == "task.bpf.o"


def test_only_the_kernels_that_are_wanted_are_there_and_locked(tmp_path: Path) -> None:
    found = placed(tmp_path)
    assert [it.id for it in matrix.load(found.matrix).kernels] == ["6.1"]
    assert set(lock.read(lock.path_of(found.matrix)).kernels) == {"6.1"}


@pytest.mark.parametrize(
    "path",
    [
        *("../x", "/etc/x", "a/../../x", "a//b", "", ".", "a/\0b", "a\nb", "x" * 300),
        *(".git/config", "a/" * 50 + "b"),
    ],
)
def test_no_file_lands_elsewhere(path: str, tmp_path: Path) -> None:
    made = index()
    made["suites"][0]["files"].append({"path": path, "sha256": sha(SUITE)})
    with pytest.raises(UsageError, match="there is a file at"):
        placed(tmp_path, made)
    assert {it.name for it in tmp_path.iterdir()} == {"a.zip", "there"}


@pytest.mark.parametrize("folder", ["..", "/", "a/..", ""])
def test_no_suite_lies_elsewhere(folder: str, tmp_path: Path) -> None:
    made = index()
    made["suites"][0]["folder"] = folder
    with pytest.raises(UsageError, match="there is a suite in"):
        placed(tmp_path, made)


def test_a_file_where_another_one_needs_a_folder_is_refused(tmp_path: Path) -> None:
    made = index()
    for path in ("task/x", "task/x/y"):
        made["suites"][0]["files"].append({"path": path, "sha256": sha(SUITE)})
    with pytest.raises(UsageError, match="can't be written"):
        placed(tmp_path, made)


@pytest.mark.parametrize("name", ["/etc/passwd", "../../../../../../../etc/passwd"])
def test_a_suite_names_no_file_of_this_machine(name: str, tmp_path: Path) -> None:
    data = yaml.safe_load(SUITE)
    data["cases"][0]["files"] = [name]
    suite = yaml.safe_dump(data).encode()
    made = index()
    made["suites"][0]["files"][0]["sha256"] = sha(suite)
    found = placed(tmp_path, made, **{f"replay/files/{sha(suite)}": suite})
    with pytest.raises(UsageError, match="is outside of the repository"):
        suitefile.load(found.suites["task"] / "suite.yaml", matrix=found.matrix)


def test_nothing_is_compiled_or_started_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = placed(tmp_path)
    settings = Settings(
        kernels=KernelChoice(matrix=found.matrix, selectors=("6.1",)),
        reports=tmp_path / "reports",
        precompiled={},
    )
    run = Run(settings)
    loaded = run.load_suite(found.suites["task"] / "suite.yaml")
    with pytest.raises(UsageError, match="nothing is compiled here"):
        run.compiled(loaded.file("task.bpf.c"))
    monkeypatch.setattr(listing, "tests_of", pytest.fail)
    assert run.tests_of(loaded, loaded.suite.cases[0]) == ()


def with_kernel(row: Mapping[str, Any], locked: Mapping[str, Any] | None) -> Any:
    made = index()
    made["kernels"] = [{"id": "6.1", "row": {"id": "6.1", **row}, "locked": locked}]
    return made


def provide(found: Placed, tmp_path: Path, **more: Any) -> dict[str, str]:
    cache = Cache(tmp_path / "cache")
    return place.provide(found, ["6.1"], cache, Quiet(), **more)


@pytest.mark.parametrize(
    "source",
    [
        {"type": "rpm", "baseurl": "http://192.0.2.1/os/", "gpgcheck": False},
        {"type": "oci", "image": "192.0.2.1/me/kernels", "tag": "6.1"},
        {"type": "kernel-org", "version": "6.1.7", "sha256": "cc" * 32},
        {"type": "path", "image": "/boot/vmlinuz"},
        {"type": "debian", "suite": "sid", "mirror": "http://192.0.2.1/debian"},
    ],
    ids=lambda it: str(it["type"]),
)
def test_a_stranger_s_address_is_not_asked(
    source: dict[str, object], tmp_path: Path
) -> None:
    locked = {**LOCKED, "source": source}
    found = placed(tmp_path, with_kernel({"source": source}, locked))
    with pytest.raises(UntrustedSourceError, match="the artifact says to get it") as it:
        provide(found, tmp_path, allow_different=True)
    assert "--trust-sources" in it.value.hint
    assert "--kernel 6.1=PATH" in it.value.hint


def test_btf_of_a_stranger_s_address_is_not_asked_for(tmp_path: Path) -> None:
    row = {**ROW, "btf": {"type": "btfhub", "location": "http://192.0.2.1/x"}}
    found = placed(tmp_path, with_kernel(row, LOCKED))
    with pytest.raises(UntrustedSourceError, match="its BTF"):
        provide(found, tmp_path)


@pytest.mark.parametrize(
    "location", ["http://192.0.2.1/x.deb", "-o=Dir::Etc=/tmp", "../x=1", "x=1 y=2"]
)
def test_only_packages_of_apt_are_asked_for(location: str, tmp_path: Path) -> None:
    item = {**LOCKED["pin"]["items"][0], "location": location}
    locked = {**LOCKED, "pin": {**LOCKED["pin"], "items": [item]}}
    found = placed(tmp_path, with_kernel(ROW, locked))
    with pytest.raises(UntrustedSourceError, match="the artifact says to get"):
        provide(found, tmp_path)


def test_a_kernel_that_was_never_there_is_told_with_what_helps(tmp_path: Path) -> None:
    found = placed(tmp_path, with_kernel(ROW, None))
    with pytest.raises(ArtifactError, match=r"6\.1 can't be the same kernel") as it:
        provide(found, tmp_path)
    assert "--allow-different" in it.value.hint


def test_a_kernel_of_this_command_line_is_not_fetched(tmp_path: Path) -> None:
    found = placed(tmp_path, with_kernel(ROW, None))
    assert provide(found, tmp_path, overrides=["6.1"]) == {}


def test_a_lock_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a lock of 6\.1"):
        placed(tmp_path, with_kernel(ROW, {"pin": 5}))
