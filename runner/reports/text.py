"""Text from guests, made fit for terminals and XML."""

import re

_ESCAPES = re.compile(
    # CSI, then OSC up to its end, then the two-character sequences.
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)?|\x1b[ -/]*[0-~]?"
)
# What XML 1.0 forbids, and what it discourages: C1 controls, which terminals obey.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]"
)


def clean(text: str) -> str:
    """Return text without terminal sequences and what XML 1.0 can't hold.

    Line ends become "\\n".
    """
    if text.isprintable():
        # Most texts: none of its characters is one to remove, nor the end of a line.
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _FORBIDDEN.sub("", _ESCAPES.sub("", text))


def one_line(text: str) -> str:
    """Return clean text with every run of blanks and line ends as one blank."""
    return " ".join(clean(text).split())
