"""RPM's order of versions: epoch, version, release, with ~ and ^.

Source: rpmio/rpmvercmp.c of RPM and the section "Versioning" of its documentation.
"""

import re
from dataclasses import dataclass
from functools import total_ordering

_TOKEN = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")
# What a token counts, from what comes before the end of a version to the highest.
_TILDE, _END, _CARET, _LETTERS, _DIGITS = range(5)
_Rank = tuple[int, int, str]


def key(text: str) -> tuple[_Rank, ...]:
    """Return what orders versions, or releases, as RPM does."""
    return (*map(_rank, _TOKEN.findall(text)), (_END, 0, ""))


def _rank(token: str) -> _Rank:
    if token == "~":
        return (_TILDE, 0, "")
    if token == "^":
        return (_CARET, 0, "")
    if token[0].isdecimal():
        digits = token.lstrip("0")
        return (_DIGITS, len(digits), digits)
    return (_LETTERS, 0, token)


@total_ordering
@dataclass(frozen=True, kw_only=True)
class Evr:
    """Epoch, version and release of a package."""

    epoch: int
    version: str
    release: str

    @classmethod
    def parse(cls, text: str) -> "Evr":
        """Return what `str` wrote: "4.18.0-553.el8_10", perhaps with an epoch."""
        epoch, _, rest = text.rpartition(":")
        version, _, release = rest.rpartition("-")
        return cls(epoch=int(epoch or 0), version=version, release=release)

    def __str__(self) -> str:
        epoch = f"{self.epoch}:" if self.epoch else ""
        return f"{epoch}{self.version}-{self.release}"

    def __lt__(self, other: "Evr") -> bool:
        return self._key < other._key

    @property
    def _key(self) -> tuple[object, ...]:
        return (self.epoch, key(self.version), key(self.release))
