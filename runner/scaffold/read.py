"""Reads what is in an object or a source, as far as that is possible here."""

import re
from collections.abc import Callable, Sequence
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


@dataclass(frozen=True, kw_only=True)
class KernelTypes:
    """A kernel whose types sources may be compiled with."""

    # Its row in the matrix.
    kernel: str
    # Returns a folder with its vmlinux.h, or None where that can't be made.
    folder: Callable[[], Path | None]


@dataclass(frozen=True, kw_only=True)
class ObjectRead:
    """What is known of an object."""

    inventory: Inventory
    # The kernel whose types a run has to give its source; empty for none.
    types_of: str = ""
    # Why it could not be read whole, in a line; empty if it could.
    problem: str = ""


def read(
    found: ObjectFound, cache: CompileCache, types: Sequence[KernelTypes]
) -> ObjectRead:
    """Read a built object, or compile its source and read that.

    A source that wants a kernel's types gets those of the first of `types` that it
    compiles with. Where nothing works, the source's text says what it can. Raises
    UsageError for a file that can't be read.
    """
    if found.built is not None:
        try:
            return ObjectRead(inventory=_of_built(found.built))
        except RunnerError as error:
            return _guessed(found.source, error.message)
    assert found.source is not None
    return _of_source(found.source, cache, types)


def _of_built(path: Path) -> Inventory:
    with file_errors(UsageError, path):
        data = path.read_bytes()
    return inventory.of_object(bpf_object.read_whole(data, path))


def _of_source(
    source: Path, cache: CompileCache, types: Sequence[KernelTypes]
) -> ObjectRead:
    wants = bool(_INCLUDES_TYPES.search(_text(source)))
    if not wants or (source.parent / VMLINUX_H).is_file():
        try:
            return ObjectRead(inventory=_compiled(source, cache, None))
        except CompileError as error:
            # A header of its own may include it.
            if not _NO_TYPES.search(error.message):
                return _guessed(source, _first_error(error))
        except RunnerError as error:
            return _guessed(source, error.message)
    return _with_types(source, cache, types)


def _with_types(
    source: Path, cache: CompileCache, types: Sequence[KernelTypes]
) -> ObjectRead:
    problem = ""
    for each in types:
        try:
            found = _compiled(source, cache, each.folder())
            return ObjectRead(inventory=found, types_of=each.kernel)
        except CompileError as error:
            problem = problem or _first_error(error)
        except RunnerError as error:
            problem = problem or error.message
    return _guessed(source, problem, types_of=types[0].kernel if types else "")


def _compiled(source: Path, cache: CompileCache, headers: Path | None) -> Inventory:
    return _of_built(compile_.compile_object(source, cache, headers))


def _guessed(source: Path | None, problem: str, types_of: str = "") -> ObjectRead:
    guess = inventory.of_source("" if source is None else _text(source))
    return ObjectRead(inventory=guess, types_of=types_of, problem=problem)


def _text(source: Path) -> str:
    with file_errors(UsageError, source):
        return source.read_text(errors="replace")


def _first_error(error: CompileError) -> str:
    found = _ERROR.search(error.message)
    where = f"{error.source}: " if error.source else ""
    return f"{where}{found[1]}" if found else error.message.partition("\n")[0]
