"""What the agent's recorder saw a command do (images/agent/recorder.c).

The command runs as root in the guest, so nothing of it is taken on trust: every text
has a limit, and so has the number of records that anybody keeps.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
)

from runner.facts import names


def _of(table: Sequence[str], number: str) -> str:
    """Return the name of what is newer than the agent's libbpf, or the number."""
    return table[int(number)] if int(number) < len(table) else number


def _program_type(text: str) -> str:
    return re.sub("^[0-9]+$", lambda it: _of(names.PROGRAM_TYPES, it[0]), text)


def _map_type(text: str) -> str:
    return re.sub("^[0-9]+$", lambda it: _of(names.MAP_TYPES, it[0]), text)


def _attached(place: str) -> str:
    """Return a place with the name of its kind: "attach type 46/eth0"."""
    found = re.match("attach type ([0-9]+)", place)
    if found is None or int(found[1]) >= len(names.ATTACH_TYPES):
        return place
    return names.ATTACH_TYPES[int(found[1])] + place[found.end() :]


_Number = Annotated[int, Field(ge=0, le=0xFFFF_FFFF)]
_Pid = Annotated[int, Field(ge=1)]
# BPF_OBJ_NAME_LEN is 16, TASK_COMM_LEN too; bytes that are no UTF-8 take three times as
# many.
_Name = Annotated[str, StringConstraints(max_length=64)]
_Place = Annotated[str, StringConstraints(max_length=1024)]
_Tag = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{16})?$")]
# "" of what worked.
_Error = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9_]{0,32}$")]


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class _Made(_Seen):
    """A call that was made."""

    # Who made it.
    pid: _Pid
    process: _Name
    # Its errno by name.
    error: _Error


class ProgramSeen(_Made):
    """BPF_PROG_LOAD."""

    call: Literal["program"]
    # 15 bytes; empty before 4.15, which knows no names.
    name: _Name
    # As libbpf names it, or a number without a name.
    type: Annotated[_Name, AfterValidator(_program_type)]
    # Empty before 4.10, and of what was refused.
    tag: _Tag
    # What it can only be attached to: "fentry/vfs_read"; empty for other types.
    target: _Place
    instructions: _Number
    btf: bool


class MapSeen(_Made):
    """BPF_MAP_CREATE."""

    call: Literal["map"]
    name: _Name
    type: Annotated[_Name, AfterValidator(_map_type)]
    # Bytes.
    key_size: _Number
    value_size: _Number
    max_entries: _Number
    btf: bool


class AttachSeen(_Made):
    """A call that attaches a program."""

    call: Literal["attach"]
    # How many programs of the command were loaded before it; -1 for another program.
    program: Annotated[int, Field(ge=-1)]
    # "kprobe/do_unlinkat"; empty where nothing says.
    place: Annotated[_Place, AfterValidator(_attached)]


class SomethingMissed(_Seen):
    """Why what follows is not seen, or nothing is."""

    call: Literal["missing"]
    why: Literal["too_many", "traced", "not_traceable", "no_filter", "no_process"]
    error: _Error


Seen = Annotated[
    ProgramSeen | MapSeen | AttachSeen | SomethingMissed, Discriminator("call")
]
