"""Values of a guest in a suite's text: ${child.pid}."""

import re
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from runner.errors import UsageError

_REFERENCE = re.compile(r"\$\{([^}]*)\}")


def references(text: str) -> list[str]:
    """Return what stands between ${ and } in a text, in order."""
    return _REFERENCE.findall(text)


def used(value: object) -> Iterator[str]:
    """Return what stands between ${ and } anywhere in a value, in order."""
    if isinstance(value, str):
        yield from references(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from used(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from used(item)


def resolve(value: JsonValue, namespace: Mapping[str, JsonValue]) -> JsonValue:
    """Put values in the place of references.

    Text that is one reference becomes the value itself, with its type; other text has
    the value's text put in. Lists and mappings are walked. Raises UsageError for a
    name that the namespace lacks.
    """
    if isinstance(value, list):
        return [resolve(item, namespace) for item in value]
    if isinstance(value, dict):
        return {key: resolve(item, namespace) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole:
        return _look_up(whole[1], namespace)
    return _REFERENCE.sub(lambda match: str(_look_up(match[1], namespace)), value)


def _look_up(path: str, namespace: Mapping[str, JsonValue]) -> JsonValue:
    found: JsonValue = dict(namespace)
    for part in path.split("."):
        if not isinstance(found, dict) or part not in found:
            known = "it has no fields"
            if isinstance(found, dict):
                known = f"known names: {', '.join(found)}"
            raise UsageError(f"${{{path}}}: no {part!r}; {known}")
        found = found[part]
    return found
