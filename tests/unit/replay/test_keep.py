"""What parts of a run kept, put together."""

import json
import shutil
from pathlib import Path

import pytest

from runner.kernels.rows import KernelChoice
from runner.replay import keep, place
from runner.replay.artifact import open_artifact
from runner.run.run import Run
from runner.run.settings import Settings
from runner.suites import suitefile
from tests.unit.replay.artifacts import OBJECT, SUITE, files, folder_of, index, sha
from tests.unit.reports.runs import F, P, case, run
from tests.workflow import ROOT, program

A_REAL_OBJECT = next((ROOT / "tests/data/objects").rglob("*.o"))


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


SUITE_WITH_FILES = """\
description: Things are seen.
cases:
  - name: state
    object: ../../build/task.bpf.o
    must_run: false
    expect:
      - {value: "${kernel.release}", matches: .+}
      - {record: rows/, map: tasks}
      - {agree: true, map: tasks}
  - name: tool
    files: [bin/tool]
    trigger: [{command: ["${files.tool}"], save: done}]
    expect: [{value: "${done.exit}", equals: 0}]
  - name: other
    files: [bin/tool]
    trigger: [{command: ["${files.tool}"], save: done}]
    expect: [{value: "${done.exit}", equals: 0}]
"""
RECORDED = """\
case: mine::state
subject: map tasks
kernel: 6.1
rows: [1]
"""


def test_a_run_keeps_what_its_failures_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    project = tmp_path / "project"
    suite = project / "tests/mine"
    for path in (project / ".git", project / "build", suite / "bin", suite / "rows"):
        path.mkdir(parents=True)
    row = '- {id: "6.1", source: {type: debian, suite: bookworm}, memory: 512}'
    (project / "matrix.yaml").write_text(f"kernels:\n{row}\n")
    (suite / "suite.yaml").write_text(SUITE_WITH_FILES)
    shutil.copyfile(A_REAL_OBJECT, project / "build/task.bpf.o")
    program(suite / "bin/tool", "exit 1")
    (suite / "rows/state-map-tasks.yaml").write_text(RECORDED)
    settings = Settings(
        kernels=KernelChoice(matrix=project / "matrix.yaml", selectors=("6.1",)),
        reports=tmp_path / "reports",
    )
    run_ = Run(settings)
    loaded = run_.load_suite(suite / "suite.yaml")
    results = run(
        case("6.1", P, "state", suite="mine"),
        case("6.1", F, "tool", suite="mine"),
        case("6.1", P, "other", suite="mine"),
    )

    (tmp_path / "reports").mkdir()
    keep.write(run_, [loaded], results)
    shutil.rmtree(project)

    with open_artifact(tmp_path / "reports") as found:
        bundle = found.bundle()
        (kept,) = bundle.suites
        assert kept.together == ("state",)
        assert set(kept.missing) == {"other"}
        assert bundle.kernels[0].row["memory"] == 512
        (tmp_path / "there").mkdir()
        placed = place.place(
            found, bundle, tmp_path / "there", kernels=["6.1"], suites=["mine"]
        )
    folder = placed.suites["mine"]
    again = suitefile.load(folder / "suite.yaml", matrix=placed.matrix)
    assert again.name == "mine"
    assert (folder / "rows/state-map-tasks.yaml").read_text() == RECORDED
    assert (folder / "bin/tool").stat().st_mode & 0o111
    source = again.file("../../build/task.bpf.o")
    (compiled,) = placed.objects.values()
    assert compiled.read_bytes() == source.read_bytes() == A_REAL_OBJECT.read_bytes()
