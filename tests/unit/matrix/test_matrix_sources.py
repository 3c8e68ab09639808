"""One source of a row, or several."""

from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.matrix import matrix
from runner.matrix.matrix import DebianSource, Kernel, PathSource


def load(tmp_path: Path, source: str) -> Kernel:
    file = tmp_path / "matrix.yaml"
    file.write_text(f'kernels:\n  - id: "4.4"\n    source: {source}\n')
    return matrix.load(file).kernels[0]


def test_one_source_is_a_tuple_of_one(tmp_path: Path) -> None:
    kernel = load(tmp_path, "{type: debian, suite: sid}")

    assert kernel.sources == (DebianSource(type="debian", suite="sid"),)


def test_sources_keep_their_order(tmp_path: Path) -> None:
    kernel = load(tmp_path, "[{type: path, image: /a}, {type: debian, suite: sid}]")

    assert [type(source) for source in kernel.sources] == [PathSource, DebianSource]


def test_path_is_relative_to_the_matrix(tmp_path: Path) -> None:
    (source,) = load(tmp_path, "{type: path, image: k/bzImage}").sources

    assert isinstance(source, PathSource)
    assert source.image == tmp_path / "k/bzImage"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("[]", "source: must not be empty"),
        ("{type: debian, suit: sid}", "unknown key 'suit'; did you mean 'suite'?"),
        (
            "[{type: path, image: a, configs: b}]",
            "[0].configs: unknown key 'configs'",
        ),
        (
            "[{type: path, image: a}, {type: pat}]",
            "source[1]: unknown type 'pat'; did you mean 'path'?",
        ),
        ("{type: path}", "key 'image' is missing"),
        ("4", "source: 4: should be a mapping"),
        ("{image: a}", "source: key 'type' is missing"),
    ],
)
def test_mistake_is_told_where_it_stands(
    tmp_path: Path, source: str, told: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, source)

    assert told in caught.value.message
    assert f"{tmp_path}/matrix.yaml:3: kernels[0]." in caught.value.message
