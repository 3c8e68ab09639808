"""What parts of a run kept, put together."""

import json
from pathlib import Path

from runner.replay import keep
from runner.replay.artifact import open_artifact
from tests.unit.replay.artifacts import OBJECT, SUITE, files, folder_of, index, sha


def test_parts_become_one(tmp_path: Path) -> None:
    first, second = index(), index()
    first["kernels"], second["kernels"] = first["kernels"][:1], first["kernels"][1:]
    first["suites"][0]["missing"] = {"state": "it passed", "other": "it passed"}
    second["suites"][0]["missing"] = {"other": "it passed"}
    for name, made in (("1", first), ("2", second)):
        folder_of(tmp_path / name, files(made))
    (tmp_path / "3").mkdir()

    out = folder_of(tmp_path / "out", {"results.json": files()["results.json"]})
    keep.merge([tmp_path / "1", tmp_path / "2", tmp_path / "3"], out)

    with open_artifact(out) as found:
        bundle = found.bundle()
        assert [it.id for it in bundle.kernels] == ["5.10", "6.1"]
        assert bundle.suites[0].missing == {"other": "it passed"}
        assert found.file(sha(OBJECT)) == OBJECT
        assert found.file(sha(SUITE)) == SUITE


def test_parts_that_kept_nothing_leave_nothing(tmp_path: Path) -> None:
    folder_of(tmp_path / "1", {"replay/replay.json": json.dumps({}).encode()})
    keep.merge([tmp_path / "1"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
