"""XML that a guest wrote: read without what XML can ask of its reader."""

import xml.parsers.expat
from dataclasses import dataclass, field
from typing import Self

# Elements of a file.
_MOST = 500_000
_DEEPEST = 50


@dataclass
class Element:
    """An element, with its text and its children."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Self] = field(default_factory=list)


class XmlError(ValueError):
    """Text that is not such XML."""


def parse(text: str) -> Element:
    """Return the outermost element. Raises XmlError for a DTD, entities and damage."""
    open_: list[Element] = []
    found: list[Element] = []
    count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > _MOST or len(open_) > _DEEPEST:
            raise XmlError("it has too many elements")
        element = Element(name, attributes)
        (open_[-1].children if open_ else found).append(element)
        open_.append(element)

    def end(name: str) -> None:
        open_.pop()

    def characters(data: str) -> None:
        if open_:
            open_[-1].text += data

    def refuse(*_: object) -> None:
        raise XmlError("it has a DOCTYPE")

    parser = xml.parsers.expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = refuse
    try:
        # Lone surrogates can't be encoded.
        parser.Parse(text.encode("utf-8", "replace"), True)
    except (xml.parsers.expat.ExpatError, UnicodeError, LookupError) as error:
        raise XmlError(f"it is damaged: {error}") from error
    return found[0]
