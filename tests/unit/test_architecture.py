"""docs/architecture.md tells of what is there."""

import re
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()


def rooms() -> set[str]:
    return {it.parent.name for it in (ROOT / "runner").glob("*/__init__.py")}


def layers() -> list[set[str]]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        (contract,) = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    return [set(re.split(r"\s*[|:]\s*", layer)) for layer in contract["layers"]]


def test_each_file_that_it_names_is_there() -> None:
    named = re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", PAGE)
    assert len(named) > 30
    made = {"reports/latest/", "runner/shipped/"}
    # Names of folders in a room are shown without it.
    inside = {
        "sources/",
        "btf/",
        "kernelbuild/",
        "qemu/",
        "image/",
        "roots/",
        "sysroot/",
        "checks/",
    }
    missing = [it for it in named if not (ROOT / it).exists()]
    assert set(missing) <= made | inside


def test_each_room_has_a_row() -> None:
    assert set(re.findall(r"^\| `runner/(\w+)/`", PAGE, re.MULTILINE)) == rooms()


def test_the_layers_are_those_that_lint_checks() -> None:
    (block,) = re.findall(r"```\n(cli, .*?)```", PAGE, re.DOTALL)
    assert [set(it.split(", ")) for it in block.splitlines()] == layers()


def test_few_modules_stand_outside_of_the_rooms() -> None:
    assert len(list((ROOT / "runner").glob("*.py"))) <= 8
    assert len(layers()) <= 10


def test_no_two_classes_share_a_name() -> None:
    found = Counter(
        name
        for path in (ROOT / "runner").rglob("*.py")
        for name in re.findall(r"^class (\w+)", path.read_text(), re.MULTILINE)
    )

    assert [name for name, count in found.items() if count > 1] == []
