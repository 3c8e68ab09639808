"""What a run's threads share."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runner.files.cache import Cache
from runner.files.shipped import ROOT
from runner.kernels.rows import KernelChoice
from runner.run import run as session_run
from runner.run.run import Run
from runner.run.settings import Settings

# Seconds; a test that takes that long has failed.
PATIENCE = 20


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(session_run, "Cache", lambda: Cache(tmp_path / "cache"))
    choice = KernelChoice(matrix=ROOT / "matrix.yaml", selectors=("6.1",))
    return Run(Settings(kernels=choice, reports=tmp_path / "reports"))


def test_threads_compile_different_objects_at_the_same_time(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2)

    def compile_object(source: Path, *_: object) -> Path:
        both.wait(PATIENCE)
        return source.with_suffix(".o")

    monkeypatch.setattr(session_run, "compile_object", compile_object)

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(run.compiled, [Path("a.c"), Path("b.c")]))

    assert made == [Path("a.o"), Path("b.o")]
    # Once a run: a third call would wait for ever.
    assert run.compiled(Path("a.c")) == Path("a.o")
