"""Talk to the engine: libbpf's relocation, in a process of its own.

The engine reads files that nobody vouches for, in C. It may open no file, and when one
of them breaks it, that is an error about this file; the next request starts another.
"""

import json
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from runner.bpf.insn import Insn
from runner.bpf.kinds import Kind
from runner.bpf.object import BpfObject, ObjectError
from runner.bpf.swapped import in_order
from runner.preflight.errors import BadBtfError, EngineError
from runner.preflight.payload import Payload, opened, send
from runner.process.programs import environment

_T = TypeVar("_T")

# Bytes that the engine takes of a file: MAX_PAYLOAD in images/preflight/request.c.
_MOST = 128 << 20

# This machine's byte order as struct names it: the engine's, which runs here.
_NATIVE = "<" if sys.byteorder == "little" else ">"
_OTHER = {"<": ">", ">": "<"}

# As images/preflight/main.c has them: how this speaks, and the status of an engine that
# speaks otherwise.
_PROTOCOL = "4"
_OTHER_PROTOCOL = 3
_REBUILD = "start the command again; what the cache lacks is built again"
# Seconds, of which it works for ten at most.
_TIMEOUT = 120.0

# What an int of 64 bits is on the wire, signed, and what it means.
_UNSIGNED = (1 << 64) - 1


class EngineAnswer(BaseModel):
    """Base of what the engine says."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FieldAnswer(EngineAnswer):
    """What a path leads to: a member, an element, a type or an enumeration."""

    # As C writes its type, and of what kind that is behind typedefs and modifiers.
    text: str
    kind: Kind
    # Bytes; None for what has no size, such as a function.
    size: int | None
    # Width of a bitfield; 0 for other fields.
    bits: int
    # From the start of the type that it was looked for in.
    bit_offset: int
    signed: bool


class RootAnswer(EngineAnswer):
    """The type that a path begins with."""

    kind: Kind
    name: str
    # As C writes it: "struct task_struct".
    text: str


class LocalAnswer(EngineAnswer):
    """The object's side of a relocation, or why it can't be tried."""

    spec: str = ""
    root: RootAnswer | None = None
    # Members and indices on the way, or an enumerator.
    steps: tuple[str | int, ...] = ()
    field: FieldAnswer | None = None
    error: str = ""


class RelocationAnswer(EngineAnswer):
    """What libbpf would do; `error` when it would refuse the object."""

    old: int = 0
    new: int = 0
    poison: bool = False
    # The access would have the wrong size, so a load or store is poisoned.
    wrong_size: bool = False
    found: bool = False
    # What patching returned: 0 or a negative errno.
    patch: int = 0
    words: tuple[int, int] = (0, 0)
    spec: str | None = None
    field: FieldAnswer | None = None
    candidates: tuple[int, ...] = ()
    # Where each step leads in the kernel, in bits from the beginning.
    trail: tuple[int, ...] = ()
    said: str = ""
    error: str = ""

    @property
    def value(self) -> int:
        """Return the new value as libbpf has it, unsigned."""
        return self.new & _UNSIGNED

    @property
    def insns(self) -> tuple[Insn, Insn]:
        """Return the patched instruction and what follows it."""
        return Insn.from_word(self.words[0]), Insn.from_word(self.words[1])


class MemberAnswer(FieldAnswer):
    """A member of a struct or union."""

    name: str
    type: int


class MovedAnswer(MemberAnswer):
    """A member of a type near the one where it was looked for."""

    # "task_struct.signal->pids"; its offset is from the last arrow, or the beginning.
    access: str
    # In the type where it was looked for, by value.
    inside: bool


class TypeAnswer(EngineAnswer):
    """A type; `members` holds an enumeration's names and values, too."""

    id: int
    # Behind typedefs and modifiers, as are members.
    kind: Kind
    # What a pointer points to, or an array's element; 0 for others.
    to: int
    # Elements of an array.
    count: int
    name: str
    text: str
    size: int | None
    members: tuple[MemberAnswer | tuple[str, int], ...]

    @property
    def fields(self) -> list[MemberAnswer]:
        """Return the members of a struct or union."""
        return [it for it in self.members if isinstance(it, MemberAnswer)]

    @property
    def enumerators(self) -> dict[str, int]:
        """Return the names and values of an enumeration."""
        return dict(it for it in self.members if isinstance(it, tuple))


class SlotAnswer(EngineAnswer):
    """A parameter of a function, or what one returns."""

    # Empty for what is returned.
    name: str
    # As C writes its type, and of what kind that is behind typedefs and modifiers.
    text: str
    kind: Kind
    # Bytes; None for void.
    size: int | None
    # Of a pointer: the name, kind and size of what it points to.
    to: str = ""
    to_kind: Kind = Kind.VOID
    to_size: int | None = None


class PrototypeAnswer(EngineAnswer):
    """What a function takes and returns."""

    parameters: tuple[SlotAnswer, ...]
    returns: SlotAnswer


class KfuncAnswer(EngineAnswer):
    """A function of the kernel that an object declares."""

    # Whether libbpf takes the object's prototype for the kernel's.
    compatible: bool
    # Whether its BTF says that programs may call it, and whether it says that of any.
    tagged: bool
    tags: bool


class ProgramAnswer(EngineAnswer):
    """A program, as libbpf takes its section's name."""

    name: str
    section: str
    # enum bpf_prog_type, 0 where the section's name tells none; enum bpf_attach_type.
    type: int
    attach_type: int
    # Whether libbpf would load it unasked.
    autoload: bool
    # Without the functions that it calls.
    instructions: int


class MapAnswer(EngineAnswer):
    """A map, as libbpf would make it."""

    name: str
    # enum bpf_map_type.
    type: int
    key_size: int
    value_size: int
    entries: int
    flags: int
    # Of libbpf's own making: .data, .bss, .rodata, .kconfig.
    internal: bool


class Contents(EngineAnswer):
    """What an object holds."""

    programs: tuple[ProgramAnswer, ...]
    maps: tuple[MapAnswer, ...]


class LibbpfNames(EngineAnswer):
    """What numbers are called; empty for those that libbpf does not know."""

    # Its own, as (1, 4).
    version: tuple[int, int] = (0, 0)
    helpers: tuple[str, ...]
    # Types of programs, of maps and of attachments.
    programs: tuple[str, ...]
    maps: tuple[str, ...]
    attach: tuple[str, ...]


class BrokenModule(EngineAnswer):
    """A module of the target whose BTF is left out, because it does not fit."""

    # Its number among the target's modules.
    module: int
    problem: str
    # Whether libbpf reads it nonetheless.
    parsed: bool


class TargetAnswer(EngineAnswer):
    """What a BTF says about its kernel."""

    types: int
    # Whether it says functions; BTF that was cut for relocations does not.
    functions: bool
    # Bytes of a pointer.
    pointer: int
    # Whether its byte order is not this machine's.
    swapped: bool
    broken: tuple[BrokenModule, ...] = ()


class _ObjectAnswer(EngineAnswer):
    object: int
    relocations: list[LocalAnswer]


# What an answer begins with that is none.
_ERROR = b'{"error":'

# Made once: an adapter takes longer to make than an answer to read.
_OBJECT = TypeAdapter(_ObjectAnswer)
_NAMES = TypeAdapter(LibbpfNames)
_CONTENTS = TypeAdapter(Contents)
_TARGET = TypeAdapter(TargetAnswer)
_RELOCATIONS = TypeAdapter(dict[str, list[RelocationAnswer]])
_TYPES = TypeAdapter(dict[str, list[TypeAnswer | None]])
_FOUND = TypeAdapter(dict[str, list[list[tuple[int, Kind]]]])
_THERE = TypeAdapter(dict[str, list[bool]])
_PROTOTYPES = TypeAdapter(dict[str, list[PrototypeAnswer | None]])
_KFUNCS = TypeAdapter(dict[str, list[KfuncAnswer | None]])
_ENUMERATORS = TypeAdapter(dict[str, list[int | None]])
_NEAR = TypeAdapter(dict[str, list[str]])
_MOVED = TypeAdapter(dict[str, list[MovedAnswer]])
_SAID = TypeAdapter(dict[str, str])


class Engine(AbstractContextManager["Engine"]):
    """One process, with objects and one target at a time. Not for two threads.

    What it knows is gone when a file broke it: EngineError is the end of it.
    """

    def __init__(self, path: Path) -> None:
        """Use the engine at `path`. Raises EngineError when it was not built."""
        self._path = path
        if not self._path.exists():
            raise EngineError(
                f"preflight's engine is not built: {self._path.name} is missing",
                hint=_REBUILD,
            )
        self._process: subprocess.Popen[bytes] | None = None
        # To its standard input.
        self._socket: socket.socket | None = None
        # Those of the current target that were asked for.
        self._types: dict[int, TypeAnswer | None] = {}
        # What is known of the current target.
        self.target = TargetAnswer(types=0, functions=False, pointer=0, swapped=False)

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if process is None:
            return
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def load_object(self, item: BpfObject) -> tuple[int, list[LocalAnswer]]:
        """Keep an object; return its number. Raises ObjectError, EngineError."""
        answer = self._ask(
            {"op": "object", "relocations": _relocations(item)}, [item.btf_data]
        )
        if error := _error(answer):
            raise ObjectError(f"{item.path}: its .BTF {error}")
        found = _read(_OBJECT, answer)
        return found.object, found.relocations

    @cached_property
    def names(self) -> LibbpfNames:
        """Return the names of helpers and types. Raises EngineError."""
        return _read(_NAMES, self._ask({"op": "names"}))

    def contents(self, item: BpfObject) -> Contents:
        """Return the programs and maps that libbpf finds in an object.

        Raises ObjectError with libbpf's words, EngineError.
        """
        answer = self._ask({"op": "contents"}, [in_order(item, _NATIVE)])
        if error := _error(answer):
            raise ObjectError(f"{item.path}: libbpf can't open it: {error.strip()}")
        return _read(_CONTENTS, answer)

    def load_target(
        self, btf: Payload, modules: Sequence[Payload] = ()
    ) -> TargetAnswer:
        """Make a kernel's BTF the current target, with its modules' BTFs on top.

        What of a module does not fit is left out; the answer tells.
        Files must be raw BTF, and are not read here.
        Raises BadBtfError, EngineError.
        """
        self._types.clear()
        for each in (btf, *modules):
            size = _size(each)
            if size > _MOST:
                raise BadBtfError(
                    f"BTF is {size >> 20} MB; the limit is {_MOST >> 20} MB",
                    hint="a kernel's BTF is about 5 MB",
                )
        answer = self._ask({"op": "target"}, [btf, *modules])
        if error := _error(answer):
            raise BadBtfError(
                error, hint="download it again, or generate it again with pahole"
            )
        self.target = _read(_TARGET, answer)
        return self.target

    @property
    def target_order(self) -> str:
        """Return the current target's byte order as struct names it."""
        return _OTHER[_NATIVE] if self.target.swapped else _NATIVE

    def relocate(self, number: int, *, search: str = "names") -> list[RelocationAnswer]:
        """Relocate an object against the current target.

        `search` "libbpf" looks for candidates by libbpf's own, slower search.
        """
        request = {"op": "relocate", "object": number, "search": search}
        return self._answer_to(_RELOCATIONS, request, "relocations")

    def find(
        self, names: Iterable[str], *, flavors: bool = False
    ) -> list[list[tuple[int, Kind]]]:
        """Return ids and kinds of the target's types with each of `names`.

        Functions are not among them.
        With `flavors`, "task_struct" finds "task_struct___old", too.
        """
        request = {"op": "find", "names": list(names), "flavors": flavors}
        return self._answer_to(_FOUND, request, "found")

    def functions(self, names: Iterable[str], *, own: bool = False) -> list[bool]:
        """Return which names are functions of the target or of its modules.

        With `own`, those of modules do not count.
        """
        request = {"op": "functions", "names": list(names), "own": own}
        return self._answer_to(_THERE, request, "found")

    def prototypes(
        self,
        functions: Sequence[str] = (),
        typedefs: Sequence[str] = (),
        members: Sequence[tuple[str, str]] = (),
    ) -> list[PrototypeAnswer | None]:
        """Return prototypes of the target, or of its modules; None for what lacks one.

        First those of functions, then of what typedefs point to, then of what members
        of structs do. Of several functions of a name it is the first one's.
        """
        request = {
            "op": "prototypes",
            "functions": functions,
            "typedefs": typedefs,
            "members": members,
        }
        return self._answer_to(_PROTOTYPES, request, "prototypes")

    def kfuncs(
        self, number: int, wanted: Sequence[tuple[str, int]]
    ) -> list[KfuncAnswer | None]:
        """Return what the target has for an object's externs; None for nothing.

        `wanted` are their names and the ids of their prototypes in the object's BTF.
        """
        request = {"op": "kfuncs", "object": number, "kfuncs": wanted}
        return self._answer_to(_KFUNCS, request, "kfuncs")

    def enumerators(self, names: Sequence[str]) -> list[int | None]:
        """Return the values of enumerators, of any enumeration; None for nothing.

        Also for a name that has several values.
        """
        request = {"op": "enumerators", "names": names}
        return self._answer_to(_ENUMERATORS, request, "enumerators")

    def near(self, name: str, *, functions: bool = False) -> list[str]:
        """Return the names of the target's types that resemble one, nearest first.

        Or those of its own functions.
        """
        request = {"op": "near", "name": name, "functions": functions}
        return self._answer_to(_NEAR, request, "near")

    def moved(self, holder: int, name: str) -> list[MovedAnswer]:
        """Return members called `name` near the type that should hold one."""
        request = {"op": "moved", "id": holder, "name": name}
        return self._answer_to(_MOVED, request, "moved")

    def types(self, ids: Iterable[int]) -> list[TypeAnswer | None]:
        """Return types of the target by their ids; None for one that is not there."""
        wanted = list(ids)
        if unknown := [it for it in wanted if it not in self._types]:
            found = self._answer_to(_TYPES, {"op": "types", "ids": unknown}, "types")
            self._types.update(zip(unknown, found, strict=True))
        return [self._types[it] for it in wanted]

    def _answer_to(
        self,
        adapter: TypeAdapter[dict[str, _T]],
        request: Mapping[str, object],
        key: str,
    ) -> _T:
        answer = self._ask(request)
        if error := _error(answer):
            raise EngineError(f"the engine says: {error}")
        return _read(adapter, answer)[key]

    def _ask(
        self, request: Mapping[str, object], payloads: Sequence[Payload] = ()
    ) -> bytes:
        try:
            with opened(payloads) as sizes:
                sized = {**request, "sizes": list(sizes.values())}
                return self._exchange(json.dumps(sized).encode() + b"\n", list(sizes))
        except OSError as error:
            raise BadBtfError(f"can't be read: {error}") from error

    def _exchange(self, line: bytes, descriptors: Sequence[int]) -> bytes:
        to, process = self._start()
        assert process.stdout is not None
        try:
            send(to, line, descriptors)
            if not select.select([process.stdout], [], [], _TIMEOUT)[0]:
                self.close()
                raise EngineError(
                    f"preflight's engine timed out after {_TIMEOUT:.0f} s",
                    hint=_REBUILD,
                )
            answer = process.stdout.readline()
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
        except BaseException:
            # An answer may still come, and must not be taken for another's.
            self.close()
            raise
        if not answer.endswith(b"\n"):
            raise self._end_of_process()
        return answer

    def _start(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        if self._process is None or self._socket is None:
            self._socket, other = socket.socketpair()
            try:
                self._process = subprocess.Popen(
                    [self._path, _PROTOCOL],
                    env=environment(),
                    stdin=other.fileno(),
                    stdout=subprocess.PIPE,
                )
            except OSError as error:
                raise EngineError(f"can't run {self._path}: {error}") from error
            finally:
                other.close()
        return self._socket, self._process

    def _end_of_process(self) -> EngineError:
        """Return what the process's end means, and forget it."""
        assert self._process is not None
        process = self._process
        if process.stdout is not None and process.poll() is None:
            process.wait()
        status = process.returncode
        self.close()
        if status == -signal.SIGPROF:
            return EngineError(
                "relocation timed out after 10 s",
                hint="compilers do not generate types like these",
            )
        if status < 0:
            name = signal.Signals(-status).name
            return EngineError(
                f"the engine was killed by {name} while it read this file"
            )
        if status == _OTHER_PROTOCOL:
            return EngineError(
                "preflight's engine was built from the sources of another version",
                hint=_REBUILD,
            )
        return EngineError(f"the engine failed on this file (status {status})")


def _size(payload: Payload) -> int:
    if not isinstance(payload, Path):
        return len(payload)
    # What is not there is reported when it is opened.
    return payload.stat().st_size if payload.exists() else 0


def _relocations(item: BpfObject) -> list[list[int]]:
    rows = []
    for it in item.relocations:
        insns = item.insns(it.function)
        following = insns[it.index + 1].word if it.index + 1 < len(insns) else 0
        rows.append(
            [it.type_id, it.access, it.kind, it.index, insns[it.index].word, following]
        )
    return rows


def _error(answer: bytes) -> str:
    """Return why a request could not be served, or nothing."""
    return _read(_SAID, answer)["error"] if answer.startswith(_ERROR) else ""


def _read(adapter: TypeAdapter[_T], answer: bytes) -> _T:
    try:
        return adapter.validate_json(answer)
    except ValidationError as error:
        raise EngineError("the engine's answer can't be read") from error
