"""pytest as the engine: what the user's folder and environment say to it stays out."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from runner.cli import isolation
from runner.files.cache import Cache
from runner.process import startup
from tests.unit.caches import with_programs
from tests.unit.kernels import images

MATRIX = """\
kernels:
  - id: "4.4"
    tags: [default]
    source: {type: path, image: bzImage}
"""
SUITE = """\
description: A suite.
cases:
  - {name: one, object: a.bpf.c, expect: [{map: m, equals: 1}]}
"""
NONSENSE = "addopts = --nosuch"
SETTINGS = {
    "pytest.ini": f"[pytest]\n{NONSENSE}\n",
    "tox.ini": f"[pytest]\n{NONSENSE}\n",
    "setup.cfg": f"[tool:pytest]\n{NONSENSE}\n",
    "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "--nosuch"\n',
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's project below a folder that is not theirs."""
    project = tmp_path / "project"
    (project / "suite").mkdir(parents=True)
    (project / "bzImage").write_bytes(images.bzimage("4.4.1"))
    (project / "matrix.yaml").write_text(MATRIX)
    (project / "suite/suite.yaml").write_text(SUITE)
    (project / "suite/a.bpf.c").write_text("// nothing\n")
    for name, text in SETTINGS.items():
        (project / name).write_text(text)
    with_programs(tmp_path / "cache")
    return project


def run(
    project: Path, *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Collect and select nothing."""
    return run_all(project, "-k", "none", *words, **environment)


def run_all(
    project: Path, *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run what pytest collects."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PY")}
    cache = str(project.parent / "cache")
    return subprocess.run(
        [sys.executable, "-m", "runner", "--kernels", "4.4", *words],
        cwd=project,
        env={**clean, "XDG_CACHE_HOME": cache, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_nothing_of_the_users_reaches_pytest(project: Path) -> None:
    for name in ("conftest.py", "suite/conftest.py", "nosuch.py"):
        (project / name).write_text('raise SystemExit("foreign")\n')

    done = run(
        *(project, "--suite", "suite"),
        PYTEST_ADDOPTS="-q --nosuch",
        PYTEST_PLUGINS="nosuch",
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
        PYTHONPATH=str(project),
    )

    assert done.returncode == 2
    assert done.stderr == "error: no case matches -k 'none'\n"
    assert not list(project.rglob(".pytest_cache"))


def test_settings_of_a_projects_pytest_do_not_count_for_python_tests(
    project: Path,
) -> None:
    (project.parent / "conftest.py").write_text("raise SystemExit('foreign')\n")
    (project / "test_mine.py").write_text("def test_a(kernel): pass\n")

    done = run(project, "--suite", "test_mine.py", PYTEST_ADDOPTS="--nosuch")

    assert done.stderr == "error: no case matches -k 'none'\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\nimport nosuch\n", "conftest.py:2: ModuleNotFoundError: No module named"),
        ("def\n", "conftest.py: SyntaxError: invalid syntax"),
        ("1 / 0\n", "conftest.py:1: ZeroDivisionError: division by zero"),
        ("raise SystemExit(0)\n", "a conftest.py ends the program: SystemExit(0)"),
    ],
)
def test_a_broken_conftest_of_python_tests_is_a_message(
    text: str, told: str, project: Path
) -> None:
    (project / "tests").mkdir()
    (project / "tests/conftest.py").write_text(text)
    (project / "tests/test_mine.py").write_text("def test_a(kernel): pass\n")

    done = run(project, "--suite", "tests")

    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_conftest_that_is_found_later_is_a_message_too(project: Path) -> None:
    (project / "mine/deep").mkdir(parents=True)
    (project / "mine/deep/conftest.py").write_text("import nosuch\n")
    (project / "mine/deep/test_mine.py").write_text("def test_a(kernel): pass\n")

    done = run(project, "--suite", "mine")

    assert done.returncode == 2, done.stderr
    assert "No module named 'nosuch'" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout


def value(option: str, words: list[str]) -> str:
    (found,) = [value for word, value in pairwise(words) if word == option]
    return found


def test_only_plugins_of_ours_are_loaded(tmp_path: Path) -> None:
    words = isolation.arguments(tmp_path, [tmp_path], python_tests=False)

    loaded = [value for word, value in pairwise(words) if word == "-p"]
    assert loaded == [
        "no:terminal",
        "no:unraisableexception",
        "runner.plugin",
        "xdist.plugin",
        "runner.cli.pytesthooks",
    ]
    assert "--noconftest" in words
    assert value("--rootdir", words) == str(tmp_path)


def test_python_tests_have_their_conftest_from_the_project_on_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "a/b"
    root.mkdir(parents=True)
    monkeypatch.chdir(root)
    inside = isolation.arguments(root, [Path("c/test_a.py")], python_tests=True)
    outside = isolation.arguments(root, [tmp_path / "a/d/x.py"], python_tests=True)

    assert "--noconftest" not in inside
    assert value("--confcutdir", inside) == str(root)
    assert value("--confcutdir", outside) == str(tmp_path / "a")


def test_what_failed_last_is_kept_apart_for_each_project(tmp_path: Path) -> None:
    def kept(root: Path) -> str:
        return value("-o", isolation.arguments(root, [root], python_tests=False))

    assert kept(tmp_path) == kept(tmp_path)
    assert kept(tmp_path) != kept(tmp_path / "other")
    assert kept(tmp_path).startswith(f"cache_dir={Cache().root}/")


def test_variables_are_kept_out_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-q")
    monkeypatch.setenv("PYTHONPATH", "/mine")
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    before, path = dict(os.environ), sys.path[:]

    with isolation.isolated(workers=True, python_tests=True) as saved:
        assert "PYTEST_ADDOPTS" not in os.environ
        assert os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] == "1"
        assert "PYTHONPATH" not in os.environ
        assert os.environ["PYTHONSAFEPATH"] == "1"
        assert sys.path[-2:] == [startup.HOME, "/mine"]

        isolation.restore(saved)
        assert os.environ["PYTHONPATH"] == "/mine"
        assert "PYTHONSAFEPATH" not in os.environ

    assert dict(os.environ) == before
    assert sys.path == path


def test_pythons_variables_stay_where_no_worker_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/mine")

    with isolation.isolated(workers=False, python_tests=False):
        assert os.environ["PYTHONPATH"] == "/mine"
        assert "/mine" not in sys.path


def test_the_users_own_pytest_keeps_its_rules(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--kernels", "4.4", "suite"],
        cwd=project,
        env={**os.environ, "PYTEST_ADDOPTS": "--another"},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 4
    assert "--another" in done.stderr
    assert "--nosuch" in done.stderr
