"""What a worker of pytest-xdist makes of what it is told."""

import json
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner.errors import ArtifactError
from runner.files.shipped import ROOT
from runner.kernels.rows import KernelChoice
from runner.plugin import state
from runner.reports.criteria import Criteria
from runner.run.run import Run
from runner.run.settings import Settings
from tests.unit.caches import with_programs


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("XDG_CACHE_HOME", str(with_programs(tmp_path / "cache")))
    monkeypatch.setattr(Run, "obtain", lambda *_: None)
    choice = KernelChoice(matrix=ROOT / "matrix.yaml", selectors=("5.10", "6.1"))
    settings = Settings(kernels=choice, reports=tmp_path / "reports", cold=True)
    return Run(settings)


def config(**more: object) -> Any:
    option = Namespace(kernels=[], kernel=[])
    return SimpleNamespace(option=option, stash=pytest.Stash(), **more)


def test_a_worker_makes_the_same_run_without_words(run: Run) -> None:
    run.durations = {"6.1": 2.5}
    run.give_up({"5.10": ("no such package", "try later")})
    told: dict[str, Any] = {}
    state.share(run, told)
    # As pytest-xdist sends it.
    worker = config(workerinput=json.loads(json.dumps(told)))

    assert state.asked_for_kernels(worker)
    own = state.run_of(worker)

    assert own.settings == run.settings
    assert own.durations == run.durations
    found = own.artifact(own.kernels[0], pytest.fail)  # type: ignore[arg-type]
    assert isinstance(found, ArtifactError)
    assert found.hint == "try later"


def test_a_run_that_is_known_before_counts_as_asked_for(run: Run) -> None:
    known = config()
    assert not state.asked_for_kernels(known)

    state.KnownRun(run, Criteria()).pytest_configure(known)

    assert state.asked_for_kernels(known)
    assert state.run_of(known) is run
