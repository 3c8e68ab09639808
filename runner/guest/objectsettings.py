"""What a loader sets of an object between opening and loading it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import JsonValue

from runner.guest.exchange import encoded


@dataclass(frozen=True, kw_only=True)
class MapSettings:
    """What is set of a map; None leaves it as it is."""

    max_entries: int | None = None
    # Bytes.
    value_size: int | None = None
    create: bool = True
    # The map of the object that the maps in it are like.
    inner_map: str | None = None


@dataclass(frozen=True, kw_only=True)
class FilledRow:
    """A row that a loader writes, as bytes."""

    key: bytes
    value: bytes


@dataclass(frozen=True, kw_only=True)
class ObjectSettings:
    """What a loader sets of an object between opening and loading it, by names."""

    # Whether programs are loaded.
    load: Mapping[str, bool] = field(default_factory=dict)
    # What programs attach to that is looked up when they load: "fentry/vfs_read".
    targets: Mapping[str, str] = field(default_factory=dict)
    # Types of programs whose sections libbpf does not know, and what they are loaded to
    # be attached to: numbers of the kernel's, 0 for none.
    types: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    # Flags of BPF_PROG_LOAD that are set, by programs.
    flags: Mapping[str, int] = field(default_factory=dict)
    # What programs extend: the handle of an object that is loaded, and its program.
    extends: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    maps: Mapping[str, MapSettings] = field(default_factory=dict)
    # Bytes of global variables.
    variables: Mapping[str, bytes] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the arguments that tell the agent."""
        tables: tuple[Mapping[str, object], ...] = (
            *(self.load, self.targets, self.types, self.flags, self.extends),
        )
        programs = {
            name: {
                "load": self.load.get(name),
                "target": self.targets.get(name),
                "type": self.types.get(name, (None, None))[0],
                "attach_type": self.types.get(name, (None, None))[1],
                "flags": self.flags.get(name),
                "extends": self._extended(name),
            }
            for name in dict.fromkeys(name for table in tables for name in table)
        }
        return {
            "programs": {name: _given(it) for name, it in programs.items()},
            "maps": {name: _given(asdict(it)) for name, it in self.maps.items()},
            "variables": {name: encoded(it) for name, it in self.variables.items()},
        }

    def _extended(self, name: str) -> JsonValue:
        if name not in self.extends:
            return None
        handle, program = self.extends[name]
        return {"handle": handle, "program": program}


def _given(values: Mapping[str, JsonValue]) -> JsonValue:
    return {name: value for name, value in values.items() if value is not None}
