"""What predictions that were made before depend on."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runner.preflight import check, index

ROOT = Path(index.__file__).parents[2]
ENGINE = Path("engine")


def test_the_closure_is_what_python_imports() -> None:
    said = subprocess.run(
        [sys.executable, "-c", f"import sys, {check.__name__}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout.split()
    imported = {it for it in said if it.partition(".")[0] == "runner"}

    # Some are imported by functions, when they are called.
    assert imported <= index.closure(check.__name__, ROOT).keys()


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the sources, for the fingerprint to be that of the copy."""
    monkeypatch.setattr(index, "_ROOT", tmp_path)
    shutil.copytree(
        ROOT / "runner",
        tmp_path / "runner",
        ignore=lambda _, names: {it for it in names if it == "__pycache__"},
    )
    return tmp_path / "runner"


def fingerprint() -> str:
    return index.fingerprint.__wrapped__(ENGINE)


@pytest.mark.parametrize(
    "module",
    [
        "preflight/rules",
        "bpf/object",
        "bpf/insn",
        "bpf/kinds",
        "versions",
    ],
)
def test_a_changed_module_invalidates_predictions(copied: Path, module: str) -> None:
    before = fingerprint()
    with (copied / f"{module}.py").open("a") as file:
        file.write("# Changed.\n")

    assert fingerprint() != before


def test_a_module_that_does_not_predict_invalidates_nothing(copied: Path) -> None:
    before = fingerprint()
    with (copied / "reports/junit.py").open("a") as file:
        file.write("# Changed.\n")

    assert fingerprint() == before
