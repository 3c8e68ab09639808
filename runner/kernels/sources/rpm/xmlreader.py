"""XML of a repository, read as it comes: only so much of it is kept as is wanted."""

from collections.abc import Iterable, Mapping
from typing import Protocol
from xml.etree.ElementTree import ParseError, XMLParser

from runner.errors import ArtifactError

MOVED = "check the address; a repository may have moved"
# Characters of a name or a checksum.
_LONGEST = 4096


class XmlReader(Protocol):
    """What expat tells of a document; the names of elements are without namespace."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None: ...

    def end(self, tag: str, text: str) -> None: ...


class _Target:
    """Between expat and a reader: refuses what metadata never has."""

    def __init__(self, reader: XmlReader, url: str) -> None:
        self._reader = reader
        self._url = url
        self._text: list[str] = []
        self._length = 0

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        # Where entities are declared, which could be huge or files of this machine.
        raise ArtifactError(
            f"{self._url} has a document type, which metadata never has", hint=MOVED
        )

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._text.clear()
        self._length = 0
        self._reader.start(_local(tag), attributes)

    def data(self, text: str) -> None:
        self._length += len(text)
        if self._length <= _LONGEST:
            self._text.append(text)

    def end(self, tag: str) -> None:
        self._reader.end(_local(tag), "".join(self._text).strip())
        self._text.clear()
        self._length = 0

    def close(self) -> None:
        pass


def parse(pieces: Iterable[bytes], reader: XmlReader, url: str) -> None:
    """Give a document to a reader, piece by piece.

    Raises ArtifactError, with its address, for what is no XML or has a document type.
    """
    parser = XMLParser(target=_Target(reader, url))
    try:
        for piece in pieces:
            parser.feed(piece)
        parser.close()
    except ParseError as error:
        raise ArtifactError(f"{url} is not XML: {error}", hint=MOVED) from error


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
