"""Which line of a .bpf.c a failure is about, by clang's and the verifier's words."""

import re
from collections.abc import Iterator

# clang: "maps.bpf.c:12:3: error: …"; of a header, too.
_COMPILER = re.compile(r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+):\d+: (fatal )?error: ")
# "; value = task->state; @ task.bpf.c:31", with the place from 6.10 on.
_PLACE = re.compile(r"^(?P<text>.*\S)? @ (?P<file>\S+):(?P<line>\d+)$")
_BLOCK = re.compile(
    r"-- BEGIN PROG LOAD LOG --\n(.*?)(?:-- END PROG LOAD LOG --|\Z)", re.DOTALL
)
_LOAD_FAILED = "BPF program load failed"
_POISON = "<invalid CO-RE relocation>"


def of_compiler(message: str, name: str) -> int:
    """Return the line of clang's first error in the file `name`; 0 without one."""
    for line in message.splitlines():
        found = _COMPILER.match(line.strip())
        if found and _base(found["file"]) == name:
            return int(found["line"])
    return 0


def of_verifier(log: str, source: str, name: str) -> int:
    """Return the line that the verifier refused; 0 when its log does not tell.

    `source` is the text of the file `name`. Newer kernels print file and line, older
    ones the line's text only; of several such lines it is the first one below the line
    that was before it in the log.
    """
    lines = [" ".join(line.split()) for line in source.splitlines()]
    number = 0
    for comment in _comments(_refused(log)):
        place = _PLACE.match(comment)
        if place:
            if _base(place["file"]) == name:
                number = int(place["line"])
        else:
            number = _next(lines, " ".join(comment.split()), number) or number
    return number if number <= len(lines) else 0


def _refused(log: str) -> str:
    """Return the last verifier's log of a program that did not load, up to its end."""
    start = log.rfind(_LOAD_FAILED)
    block = _BLOCK.search(log, start) if start >= 0 else None
    if block is None:
        return ""
    text = str(block[1])
    poison = text.find(_POISON)
    # What comes after a poisoned instruction is about others.
    return text if poison < 0 else text[:poison]


def _comments(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.startswith("; "):
            yield line[2:].strip()


def _next(lines: list[str], text: str, after: int) -> int:
    """Return the number of the first such line from `after` on, or from the top."""
    found = [number for number, line in enumerate(lines, 1) if line and line == text]
    return next((it for it in found if it >= after), found[0] if found else 0)


def _base(path: str) -> str:
    return path.rpartition("/")[2]
