"""Lines of output that comes in pieces, in bounded memory."""

from collections.abc import Callable

# Bytes of a line; a longer one comes in parts.
MOST_LINE = 1 << 20


class LineSplitter:
    """Cuts a stream into lines; each keeps its end."""

    def __init__(self, take: Callable[[bytes], None], *, marker: bytes = b"") -> None:
        """`marker` is a byte that begins a line wherever it stands."""
        self._take = take
        self._marker = marker
        self._rest = bytearray()

    def feed(self, data: bytes) -> None:
        """Take a piece."""
        self._rest += data
        while (end := self._end()) > 0:
            line = bytes(self._rest[:end])
            del self._rest[:end]
            self._take(line)

    def close(self) -> None:
        """Take what has no end of line."""
        if self._rest:
            rest, self._rest = bytes(self._rest), bytearray()
            self._take(rest)

    def _end(self) -> int:
        """Return where the first line ends; 0 when that is not known yet."""
        end = self._rest.find(b"\n") + 1
        if self._marker:
            marked = self._rest.find(self._marker, 1, end or None)
            end = marked if marked > 0 else end
        if not end and len(self._rest) > MOST_LINE:
            return MOST_LINE
        return end
