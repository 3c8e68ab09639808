"""--kernel ID=PATH."""

from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.matrix import overrides
from runner.matrix.matrix import DebianSource, Kernel, Matrix, PathSource

ROWS = Matrix(
    kernels=(
        Kernel(id="4.4", source=DebianSource(type="debian", suite="sid")),
        Kernel(id="5.14", source=DebianSource(type="debian", suite="sid"), memory=512),
    )
)


def test_row_gets_its_kernel_from_the_path(tmp_path: Path) -> None:
    rows = overrides.apply(ROWS, [f"5.14={tmp_path}"])

    assert rows.kernels[0] == ROWS.kernels[0]
    assert rows.kernels[1].sources == (PathSource(type="path", image=tmp_path),)
    assert rows.kernels[1].memory == 512


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("5.14", "is not ID=PATH"),
        ("=x", "is not ID=PATH"),
        ("5.14=", "is not ID=PATH"),
        ("5.1=/", "no kernel '5.1'; did you mean '5.14'?"),
        ("5.14=/no/such", "/no/such does not exist"),
    ],
)
def test_mistake_is_told(word: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        overrides.apply(ROWS, [word])

    assert told in caught.value.message


def test_overridden_kernels_are_meant_when_none_is_named() -> None:
    assert overrides.selection(None, ["4.4=/"], "@default") == ["4.4"]
    assert overrides.selection(["6.1"], ["4.4=/"], "@default") == ["6.1"]
    assert overrides.selection(None, [], "@default") == ["@default"]
