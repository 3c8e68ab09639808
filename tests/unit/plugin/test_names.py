"""What Python tests are called in reports."""

import subprocess
import sys
from pathlib import Path

import pytest

from runner.plugin.items import name_of_test

MATRIX = """\
kernels:
  - {id: "6.1", source: {type: path, image: none}}
"""

TESTS = """
import pytest

@pytest.mark.parametrize("kernel", ["6.1"])
def test_plain(kernel): pass

@pytest.mark.parametrize("size", ["small", "6.1-like"])
@pytest.mark.parametrize("kernel", ["6.1"])
def test_sizes(kernel, size): pass

@pytest.mark.parametrize("kernel", ["6.1"])
@pytest.mark.parametrize("size", ["small"])
def test_kernel_last(kernel, size): pass

@pytest.mark.parametrize("kernel", ["6.1"])
@pytest.mark.parametrize("size, way", [(1, "a")])
@pytest.mark.parametrize("more", ["m"])
def test_three(kernel, size, way, more): pass

class TestLoad:
    @pytest.mark.parametrize("kernel", ["6.1"])
    def test_plain(self, kernel): pass
"""


class Seen:
    """Keeps the items that pytest finds."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = session.items


def test_parameters_and_classes_are_parts_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(TESTS)
    seen = Seen()
    words = ["--collect-only", "-q", "-p", "no:cacheprovider", "-c", "/dev/null"]
    pytest.main([*words, "--rootdir", str(tmp_path), str(tmp_path)], plugins=[seen])
    assert [name_of_test(it, "6.1") for it in seen.items] == [
        "test_plain",
        "test_sizes[small]",
        "test_sizes[6.1-like]",
        "test_kernel_last[small]",
        "test_three[m-1-a]",
        "TestLoad::test_plain",
    ]


def collected(folder: Path, *files: str) -> subprocess.CompletedProcess[str]:
    """Collect test files that each have a test of a kernel."""
    (folder / "matrix.yaml").write_text(MATRIX)
    # Not a kernel, which is found out when it boots.
    (folder / "none").touch()
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("def test_it(kernel): pass\n")
    words = ("-c", "/dev/null", "--rootdir", ".", "--import-mode", "importlib")
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", *words, "--collect-only", "-q"),
            *("-p", "no:cacheprovider", "--kernels", "6.1", "."),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_two_test_files_of_one_name_are_refused(tmp_path: Path) -> None:
    done = collected(tmp_path, "a/test_load.py", "b/test_load.py")
    assert done.returncode == 2
    assert "two suites have the name test_load: " in done.stdout
    assert "Traceback" not in done.stdout


def test_test_files_of_two_names_are_fine(tmp_path: Path) -> None:
    done = collected(tmp_path, "a/test_load.py", "b/test_store.py")
    assert done.returncode == 0, done.stdout + done.stderr
