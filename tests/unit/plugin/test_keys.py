"""What reports call an item, by its node id."""

import pytest

from runner.plugin import names
from runner.results import CaseKey


def suite_of(file: str) -> str:
    assert file == "suites/task/suite.yaml"
    return "task"


KERNELS = ("6.1", "6.1-arm64", "6.12")


@pytest.mark.parametrize(
    ("nodeid", "key"),
    [
        ("suites/task/suite.yaml::state[6.1]", ("6.1", "task", "state")),
        ("suites/task/suite.yaml::state[6.1-arm64]", ("6.1-arm64", "task", "state")),
        ("suites/task/suite.yaml::state[6.12]@6.12", ("6.12", "task", "state")),
        ("a/test_a.py::test_b[6.1]", ("6.1", "test_a", "test_b")),
        ("a/test_a.py::test_b[6.1-2]", ("6.1", "test_a", "test_b[2]")),
        ("a/test_a.py::test_b[2-6.1]", ("6.1", "test_a", "test_b[2]")),
        ("a/test_a.py::test_b[x-6.12-y]", ("6.12", "test_a", "test_b[x-y]")),
        ("a/test_a.py::C::test_b[6.1-a::b]", ("6.1", "test_a", "C::test_b[a::b]")),
        ("a/test_a.py::test_b[6.1-arm64]@6.1", ("6.1", "test_a", "test_b[arm64]")),
        ("a/test_a.py::test_b[6.13]", None),
        ("a/test_a.py::test_b", None),
        ("a/test_a.py", None),
    ],
)
def test_a_node_id_names_kernel_suite_and_case(
    nodeid: str, key: tuple[str, str, str] | None
) -> None:
    expected = None if key is None else CaseKey(*key)
    assert names.key_of(nodeid, KERNELS, suite_of) == expected


def test_what_runs_on_no_kernel_is_left_out() -> None:
    found = names.keys_of(["test_a.py::test_b[6.1]", "test_a.py::c"], KERNELS, suite_of)
    assert found == {"test_a.py::test_b[6.1]": CaseKey("6.1", "test_a", "test_b")}
