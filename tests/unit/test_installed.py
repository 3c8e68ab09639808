"""The package alone, as a wheel installs it, without the checkout's other files."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from runner import __version__
from runner.reports import resultsfile
from tests.unit.reports import runs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like site-packages."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(
        ROOT / "runner", site / "runner", ignore=shutil.ignore_patterns("__pycache__")
    )
    return site


def call(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runner", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_reports_are_merged_and_written(site: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    text = resultsfile.dump(runs.run(runs.case("6.1", runs.P, "a")))
    (tmp_path / "run/results.json").write_text(text)

    reported = call(site, tmp_path, "report", "run")
    merged = call(site, tmp_path, "merge", "run", "--out", "all", "--allow-missing")

    assert reported.returncode == 0, reported.stderr
    assert (tmp_path / "run/report.html").exists()
    assert merged.returncode == 0, merged.stderr
    assert call(site, tmp_path, "--version").stdout.strip() == __version__


@pytest.mark.parametrize("words", [["--kernels", "6.1"], ["doctor"], ["kernels"]])
def test_what_needs_a_checkout_says_so(
    words: list[str], site: Path, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "matrix.yaml", tmp_path)

    done = call(site, tmp_path, *words)

    assert done.returncode == 2
    assert done.stderr.startswith("error: this is only the installed package")
    assert "Traceback" not in done.stderr


def setuptools_options() -> dict[str, Any]:
    options: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found: dict[str, Any] = options["tool"]["setuptools"]
    return found


def test_only_the_runner_is_installed() -> None:
    setuptools = setuptools_options()

    assert setuptools["packages"]["find"]["include"] == ["runner*"]
    assert setuptools["py-modules"] == ["bpf_kernel_matrix"]


def test_data_of_the_runner_is_installed() -> None:
    package = ROOT / "runner"
    listed = setuptools_options()["package-data"]["runner"]
    installed = {path for pattern in listed for path in package.glob(pattern)}

    data = {
        path
        for path in package.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert package / "failures/classes.yaml" in data
    assert data <= installed
