import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.reports.text import clean, one_line


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain ]]> ß\t\n", "plain ]]> ß\t\n"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("\x1b(Btext\x1bc", "text"),
        ("cut \x1b", "cut "),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\x00\x08\x0b\x7f\x9b\udc80\uffff", ""),
    ],
)
def test_only_text_is_left(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_one_line_has_single_blanks() -> None:
    assert one_line("  a\n\n b\x1b[0m\tc ") == "a b c"


def test_what_is_printable_needs_no_cleaning() -> None:
    """Which is how most texts are found to be clean."""
    printable = "".join(filter(str.isprintable, map(chr, range(0x110000))))
    # The end of a line is not printable.
    assert clean(f"{printable}\n") == f"{printable}\n"


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_can_stand_in_xml(text: str) -> None:
    element = ET.Element("a")
    element.text = clean(text)
    parsed = ET.fromstring(ET.tostring(element, encoding="utf-8"))
    assert (parsed.text or "") == clean(text)
