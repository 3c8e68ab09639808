"""YAML as people write it: values in one line, and comments that are wrapped."""

from collections.abc import Iterator

import yaml

_WIDTH = 96


def flow(value: object) -> str:
    """Return a value as YAML in one line."""
    dumped = yaml.safe_dump(
        value, default_flow_style=True, width=float("inf"), sort_keys=False
    )
    return dumped.removesuffix("\n...\n").strip()


def commented(indent: int, words: str) -> Iterator[str]:
    """Yield the lines of a comment, wrapped."""
    line = ""
    room = _WIDTH - indent - 2
    for word in " ".join(words.split()).split(" "):
        if line and len(line) + 1 + len(word) > room:
            yield f"{' ' * indent}# {line}"
            line = word
        else:
            line = f"{line} {word}" if line else word
    if line:
        yield f"{' ' * indent}# {line}"
