"""docs/security.md says of each attack which test shows what stands in its way."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.findall(
    r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs/security.md").read_text()
)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_named_test_is_there(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text())
    assert name in {it.name for it in tree.body if isinstance(it, ast.FunctionDef)}


def test_many_are_named() -> None:
    assert len(NAMED) > 15
