"""ROW@VERSION on the command line."""

import pytest

from runner.errors import UsageError
from runner.matrix import exact, selectors
from runner.matrix.matrix import DebianSource, Kernel, Matrix, UbuntuSource
from runner.versions import KernelVersion

DEBIAN = {"type": "debian", "suite": "bookworm"}
PATH = {"type": "path", "image": "bzImage"}


def matrix() -> Matrix:
    rows = [
        {"id": "6.1", "source": DEBIAN, "tags": ["lts"]},
        {"id": "mine", "source": PATH},
        {"id": "both", "source": [PATH, {"type": "ubuntu", "series": "jammy"}]},
    ]
    return Matrix.model_validate({"kernels": rows}, strict=False)


def chosen(*words: str) -> list[Kernel]:
    whole = exact.apply(matrix(), words)
    return list(selectors.select(whole, words, lambda kernel: kernel.version))


def test_version_of_a_row_is_a_kernel_of_its_own_behind_its_row() -> None:
    whole = exact.apply(matrix(), ["6.1@6.1.170-3,6.1@6.1.176-1~bpo12+1", "mine"])
    assert [it.id for it in whole.kernels] == [
        *("6.1", "6.1@6.1.170-3", "6.1@6.1.176-1~bpo12+1", "mine", "both"),
    ]
    (found,) = chosen("6.1@6.1.170-3")
    (source,) = found.sources
    assert isinstance(source, DebianSource)
    assert (source.suite, source.version) == ("bookworm", "6.1.170-3")
    assert source.shown == "debian bookworm linux-image-cloud-amd64 6.1.170-3"


def test_its_version_is_the_packages_and_not_the_rows() -> None:
    (found,) = chosen("6.1@6.12.43-1")
    assert found.version == KernelVersion.parse("6.12.43")


def test_row_stays_as_it_is_next_to_its_versions() -> None:
    assert [it.id for it in chosen("6.1", "6.1@6.1.170-3")] == ["6.1", "6.1@6.1.170-3"]
    # Neither a tag nor all rows mean versions that somebody else named.
    assert [it.id for it in chosen("@lts", "6.1@6.1.170-3")] == [
        *("6.1", "6.1@6.1.170-3"),
    ]


def test_tag_is_no_version() -> None:
    assert exact.apply(matrix(), ["@lts"]) == matrix()


def test_source_that_has_no_versions_is_left_out_of_several() -> None:
    (found,) = chosen("both@5.15.0-91.101")
    (source,) = found.sources
    assert isinstance(source, UbuntuSource)
    assert source.version == "5.15.0-91.101"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("mine@6.1.1", "the source of mine can't be asked for a version: path "),
        ("6.2@6.2.1", "the matrix has no kernel '6.2'"),
        ("6.1@", "there is no version behind the @"),
        ("6.1@../../etc", "'../../etc' is not a version"),
        ("6.1@6.1.1@2", "'6.1.1@2' is not a version"),
    ],
)
def test_word_that_means_no_version_is_told(word: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        chosen(word)
