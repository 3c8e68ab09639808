"""Which cases of an order need no other run."""

from pathlib import Path

import pytest

from runner.cli.touchedcases import TouchedCases
from runner.watching.touched import CaseName

ONE = CaseName("test_one")


def _settled(folder: Path, text: str, *words: str) -> set[CaseName]:
    (folder / "test_one.py").write_text(text)
    only = TouchedCases({ONE, CaseName("gone", "case")})
    pytest.main(
        [
            "--import-mode=importlib",
            "-p",
            "no:cacheprovider",
            "-c",
            "/dev/null",
            f"{folder}",
            *words,
        ],
        plugins=[only],
    )
    return only.settled


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("def test_it(): pass\n", ("-k", "other")),
    ],
    ids=["without tests", "left out by -k"],
)
def test_a_file_of_which_nothing_is_to_run_is_settled(
    text: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    # A case that pytest does not find stays.
    assert _settled(tmp_path, text, *words) == {ONE}


@pytest.mark.parametrize(
    "text",
    ["import nothing_of_that_name\n", "def test_it(): pass\n"],
    ids=["can't be read", "no result yet"],
)
def test_a_file_without_a_result_stays(text: str, tmp_path: Path) -> None:
    assert _settled(tmp_path, text) == set()
