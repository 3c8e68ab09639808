"""What Python tests are called in reports."""

from pathlib import Path

import pytest

from runner.plugin.items import name_of_test

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
