"""Texts without paths of the machine that they were made on."""

import re
from collections.abc import Set
from typing import Any, TypeVar

from pydantic import BaseModel

_Model = TypeVar("_Model", bound=BaseModel)

# At least two folders, or a folder and a file: "/dev/null" is one, "6.1/5.10" is none.
_PATH = re.compile(r"(?<![\w.:/\\~-])(?:~|file://)?/[\w.+@%~-]+(?:/[\w.+@%~-]+)+/?")
# Folders that every Linux has, with the same in them; those of guests among them.
_OF_SYSTEMS = (
    *("bin", "boot", "dev", "etc", "lib", "lib64", "proc", "run", "sbin", "sys"),
    "usr",
)
# Names that tell of a person's or a machine's own folders below them.
_OWN = ("/usr/local/src/", "/usr/src/", "/run/user/", "/run/media/")


def without_paths(model: _Model, known: Set[str] = frozenset()) -> _Model:
    """Return a record in which no text has a path of one machine.

    Of such a path the part that is the path of a known file in the project stays, and
    of any other its last part.
    """
    data = model.model_dump(mode="json")
    return type(model).model_validate(_cleaned(data, known))


def cleaned(text: str, known: Set[str] = frozenset()) -> str:
    """Return a text without such paths."""
    if "/" not in text:
        return text
    return _PATH.sub(lambda it: _shown(it[0], known), text)


def _cleaned(value: Any, known: Set[str]) -> Any:
    match value:
        case str():
            return cleaned(value, known)
        case list():
            return [_cleaned(it, known) for it in value]
        case dict():
            return {key: _cleaned(it, known) for key, it in value.items()}
        case _:
            return value


def _shown(path: str, known: Set[str]) -> str:
    first = path.lstrip("~").removeprefix("file://").split("/")[1]
    is_own = path.startswith(("~", *_OWN)) or first not in _OF_SYSTEMS
    if not is_own:
        return path
    for name in sorted(known, key=len, reverse=True):
        if path.endswith(f"/{name}"):
            return name
    return path.rstrip("/").rpartition("/")[2]
