"""The lint for plain English notices what it should, and nothing else."""

from collections.abc import Callable, Iterator

import pytest

from tests import plain_english
from tests.plain_english import Text

WORDS = plain_english.glossary()

Reader = Callable[[str], Iterator[Text]]


def lines(reader: Reader, source: str) -> list[int]:
    return [line for line, _ in plain_english.problems(reader(source), WORDS)]


@pytest.mark.parametrize(
    "text",
    [
        "The report tells which kernels work.",
        "A tool that can't be had is left out.",
        "A mistake that you can mend.",
        "This file is no matrix.",
        "The helper came with 4.15.",
        "Values are held against the truth.",
        "What is not said has a default.",
        "Functions of which the loader takes one.",
        "It loads with the machine's libbpf.",
        "The total comes to 12.",
        "Several guests work at a time.",
        "A result that belies the prediction.",
        "The file lies beside the image.",
        "The word that is\n  told is red.",
    ],
)
def test_words_of_the_glossary_are_noticed(text: str) -> None:
    assert len(lines(plain_english.markdown, text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "There is no kernel 6.2.",
        "The field is no longer read.",
        "A flavor tells the two apart.",
        "One guest at a time.",
        "Besides, it needs a network.",
        "The folder in which it runs.",
    ],
)
def test_plain_english_passes(text: str) -> None:
    assert lines(plain_english.markdown, text) == []


def test_a_problem_has_its_line_and_what_to_write() -> None:
    texts = plain_english.markdown("# Title\n\nThe file is\nno matrix.\n")

    assert plain_english.problems(texts, WORDS) == [
        (3, "'is no': write \"is not a, isn't, has no\"")
    ]


def test_code_in_markdown_is_passed_over() -> None:
    page = """\
```yaml
reason: it came with 4.15
```

    error: x is no kernel

`tells` is a word, and ``tells a `word` `` too. [Links](tells-a.md) lead on.

The page tells.
"""
    assert lines(plain_english.markdown, page) == [9]


def test_messages_in_python_are_read_and_docstrings_are_not() -> None:
    source = '''\
"""The module tells."""
class Mistake:
    """It tells."""
    async def f(name):
        """It tells."""
        # The comment tells.
        raise ValueError(
            f"{name} is no {kind}",
            "a message in "
            "two parts that tells",
        )
'''
    assert lines(plain_english.python, source) == [8, 9]


def test_messages_in_c_are_read_and_comments_are_not() -> None:
    source = """\
/* "It tells." */
// "It tells."
char quote = '"';
fail("no kernel " NAME);
fail("%s is"
     " no kernel", name);
"""
    assert lines(plain_english.c, source) == [5]


def test_comments_of_scripts_are_passed_over() -> None:
    assert lines(plain_english.plain, "# It tells.\nsay 'it tells'\n") == [2]
