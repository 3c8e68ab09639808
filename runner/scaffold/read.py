"""Reads what is in an object or a source, as far as that is possible here."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner.bpf import compile as compile_
from runner.bpf import object as bpf_object
from runner.bpf.compile import VMLINUX_H, CompileCache, CompileError
from runner.errors import RunnerError, UsageError, file_errors
from runner.scaffold import inventory
from runner.scaffold.find import ObjectFound
from runner.scaffold.inventory import Inventory

_INCLUDES_TYPES = re.compile(r'^\s*#\s*include\s*["<]([\w./-]*/)?vmlinux\.h[">]', re.M)
_NO_TYPES = re.compile(r"'[\w./-]*vmlinux\.h' file not found")
_ERROR = re.compile(r"(?:fatal )?error: (.+)")

# Returns a folder with vmlinux.h, or None where there is no kernel to make it of.
GetTypes = Callable[[], Path | None]


@dataclass(frozen=True, kw_only=True)
class ObjectRead:
    """What is known of an object."""

    inventory: Inventory
    # Whether a run has to give its source the types of a kernel.
    wants_types: bool = False
    # Why it could not be read whole, in a line; empty if it could.
    problem: str = ""


def read(found: ObjectFound, cache: CompileCache, types: GetTypes) -> ObjectRead:
    """Read a built object, or compile its source and read that.

    Where neither works, the source's text says what it can. Raises UsageError for a
    file that can't be read.
    """
    if found.built is not None:
        try:
            return ObjectRead(inventory=_of_built(found.built))
        except RunnerError as error:
            return _guessed(found.source, error.message, wants_types=False)
    assert found.source is not None
    return _of_source(found.source, cache, types)


def _of_built(path: Path) -> Inventory:
    with file_errors(UsageError, path):
        data = path.read_bytes()
    return inventory.of_object(bpf_object.read_whole(data, path))


def _of_source(source: Path, cache: CompileCache, types: GetTypes) -> ObjectRead:
    wants = bool(_INCLUDES_TYPES.search(_text(source)))
    wants = wants and not (source.parent / VMLINUX_H).is_file()
    if not wants:
        try:
            return ObjectRead(inventory=_compiled(source, cache, None))
        except CompileError as error:
            # A header of its own may include it.
            if not _NO_TYPES.search(error.message):
                return _guessed(source, _first_error(error), wants_types=False)
        except RunnerError as error:
            return _guessed(source, error.message, wants_types=False)
    try:
        return ObjectRead(inventory=_compiled(source, cache, types()), wants_types=True)
    except CompileError as error:
        return _guessed(source, _first_error(error), wants_types=True)
    except RunnerError as error:
        return _guessed(source, error.message, wants_types=True)


def _compiled(source: Path, cache: CompileCache, headers: Path | None) -> Inventory:
    return _of_built(compile_.compile_object(source, cache, headers))


def _guessed(source: Path | None, problem: str, *, wants_types: bool) -> ObjectRead:
    guess = inventory.of_source("" if source is None else _text(source))
    return ObjectRead(inventory=guess, wants_types=wants_types, problem=problem)


def _text(source: Path) -> str:
    with file_errors(UsageError, source):
        return source.read_text(errors="replace")


def _first_error(error: CompileError) -> str:
    found = _ERROR.search(error.message)
    where = f"{error.source}: " if error.source else ""
    return f"{where}{found[1]}" if found else error.message.partition("\n")[0]
