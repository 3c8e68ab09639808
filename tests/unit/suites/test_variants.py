"""Cases that list several loaders."""

from pathlib import Path

import pytest
from pydantic import JsonValue

from runner.errors import UsageError
from runner.suites import suitefile

CASE = """\
description: d
cases:
  - name: case
    object: a.o
    loader: {}
    was: [old]
    expect: [{{map: m, key: 1, equals: 2}}]
"""


def load(folder: Path, loader: str) -> suitefile.LoadedSuite:
    (folder / "a.o").touch()
    path = folder / "suite.yaml"
    path.write_text(CASE.format(loader))
    return suitefile.load(path)


def test_each_loader_has_a_case(tmp_path: Path) -> None:
    found = load(tmp_path, "[libbpf, compat, ebpf-go]")

    assert [(it.name, it.loader) for it in found.suite.cases] == [
        ("case[libbpf]", "libbpf"),
        ("case[compat]", "compat"),
        ("case[ebpf-go]", "ebpf-go"),
    ]
    assert found.lines == dict.fromkeys([it.name for it in found.suite.cases], 3)


def test_the_first_one_succeeds_the_case_without_a_list(tmp_path: Path) -> None:
    first, second = load(tmp_path, "[libbpf, ebpf-go]").suite.cases

    assert first.was == ("case", "old")
    assert second.was == ()


def test_one_loader_changes_no_name(tmp_path: Path) -> None:
    (case,) = load(tmp_path, "ebpf-go").suite.cases

    assert (case.name, case.loader) == ("case", "ebpf-go")


@pytest.mark.parametrize(
    ("loader", "mistake"),
    [
        ("[ebpf-go, libbpf, ebpf-go]", "ebpf-go is listed twice"),
        ("[]", "loader"),
        ("[libbpf, gobpf]", "loader"),
        ("gobpf", "loader"),
    ],
)
def test_what_is_no_list_of_loaders(loader: str, mistake: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=mistake) as caught:
        load(tmp_path, loader)

    assert "suite.yaml:" in str(caught.value)


def test_a_test_in_python_names_one(tmp_path: Path) -> None:
    (tmp_path / "a.o").touch()
    keys: dict[str, JsonValue] = {
        "name": "case",
        "object": "a.o",
        "loader": ["libbpf", "ebpf-go"],
        "expect": [{"map": "m", "key": 1, "equals": 2}],
    }

    with pytest.raises(UsageError, match=r"only suite\.yaml takes a list"):
        suitefile.parse_case(keys, tmp_path)
