"""The key btf of a row."""

from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.matrix import matrix
from runner.matrix.matrix import FileBtf, HubBtf, Kernel, MinBtf


def load(tmp_path: Path, btf: str) -> Kernel:
    file = tmp_path / "matrix.yaml"
    file.write_text(
        'kernels:\n  - id: "4.4"\n    source: {type: debian, suite: sid}\n'
        f"    btf: {btf}\n"
    )
    return matrix.load(file).kernels[0]


def test_files_are_relative_to_the_matrix(tmp_path: Path) -> None:
    assert load(tmp_path, "{type: file, path: a.btf}").btf == FileBtf(
        type="file", path=tmp_path / "a.btf"
    )
    hub = load(tmp_path, "{type: btfhub, location: hub}").btf
    assert hub == HubBtf(type="btfhub", location=str(tmp_path / "hub"))


def test_address_stays_an_address(tmp_path: Path) -> None:
    hub = load(tmp_path, "{type: btfhub, location: 'https://hub.invalid/x'}").btf

    assert hub == HubBtf(type="btfhub", location="https://hub.invalid/x")


def test_min_is_of_another(tmp_path: Path) -> None:
    found = load(tmp_path, "{type: min, objects: [a], of: {type: file, path: b}}").btf

    assert isinstance(found, MinBtf)
    assert isinstance(found.of, FileBtf)


@pytest.mark.parametrize(
    ("btf", "told"),
    [
        ("kernels", "'kernels' must be 'auto' or 'kernel'"),
        ("{type: fil}", "unknown type 'fil'; did you mean 'file'?"),
        ("{type: file}", "btf.path: key 'path' is missing"),
        ("{type: file, pth: a}", "unknown key 'pth'; did you mean 'path'?"),
        ("{type: debug-package}", "needs either the key path or the key suite"),
        ("{type: min, objects: []}", "btf.objects: must not be empty"),
        ("{type: min, objects: [a], of: {type: min}}", "btf.of: unknown type 'min'"),
    ],
)
def test_mistake_is_told_where_it_stands(tmp_path: Path, btf: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, btf)

    assert told in caught.value.message
    assert f"{tmp_path}/matrix.yaml:4: kernels[0].btf" in caught.value.message
