"""The inputs that fuzzing begins from are parsed, or refused, whole and cut."""

import pytest

from tests.fuzz.parsers import PARSERS, Parser, seeds


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
def test_each_parser_stands_its_seeds(parser: Parser) -> None:
    found = seeds(parser)

    assert found
    for seed in found:
        parser(seed)
        parser(seed[: len(seed) // 2])
