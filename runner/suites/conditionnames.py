"""Mistakes in conditions: names that no kernel has."""

from collections.abc import Iterator, Mapping, Sequence

from runner.arch import ARCHITECTURES
from runner.facts import names
from runner.facts.abilities import ABILITIES
from runner.files.modelfile import Mistake, Where
from runner.suites.conditions import Condition
from runner.text.nearest import near
from runner.versions import VersionRange

# Names that a key may have, and what they are; others are looked up in kernels alone.
_KNOWN: Mapping[str, tuple[str, Sequence[str]]] = {
    "helper": ("helper", names.HELPERS[1:]),
    "map_type": ("type of maps", names.MAP_TYPES[1:]),
    "prog_type": ("type of programs", names.PROGRAM_TYPES[1:]),
    "attach": ("attach type", names.ATTACH_TYPES),
    "link": ("kind of links", names.LINK_TYPES[1:]),
    "ability": ("ability", tuple(ABILITIES)),
    "arch": ("architecture", [name for it in ARCHITECTURES for name in it.names]),
}


def mistakes(condition: Condition, at: Where) -> Iterator[Mistake]:
    """Find names that nothing has, ranges that can't be read, and empty conditions."""
    if not [*condition.named, *condition.inner]:
        yield Mistake(at, "needs a key, such as helper, map_type or ability")
    for key, name in condition.named:
        if key == "kernels":
            yield from _range(name, (*at, key))
        elif why := unknown(key, name):
            yield Mistake((*at, key), why)
    for where, inner in condition.inner:
        yield from mistakes(inner, (*at, *where))


def unknown(key: str, name: str) -> str:
    """Return that no kernel has what a key names, and what may be meant.

    Keys are those of conditions: helper, map_type, prog_type. Nothing if some have it.
    """
    if key not in _KNOWN or name in _KNOWN[key][1]:
        return ""
    what, known = _KNOWN[key]
    # There are too many helpers to list them.
    otherwise = "" if key == "helper" else None
    return f"there is no {what} {name!r}{near(name, known, otherwise, cutoff=0.5)}"


def _range(text: str, at: Where) -> Iterator[Mistake]:
    try:
        VersionRange.parse(text)
    except ValueError as error:
        yield Mistake(at, str(error))
