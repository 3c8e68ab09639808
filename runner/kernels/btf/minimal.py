"""BTF cut down to what objects need of it, by bpftool."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from runner.bpf import compile as compile_
from runner.errors import ArtifactError, UsageError
from runner.files.cache import Cache
from runner.process import programs
from runner.suites import suitefile
from runner.suites.project import named
from runner.suites.search import SUITE_FILE

_TIMEOUT = 60.0
_SOURCE = ".bpf.c"
_OBJECT = ".bpf.o"


def objects(paths: Sequence[Path], cache: Cache) -> list[Path]:
    """Return the compiled objects that paths mean.

    A path is an object, a source (.bpf.c) or a folder of them, such as a suite.
    Raises UsageError for something that does not exist, CompileError and ObjectError.
    """
    compiled = [compile_.compile_object(path, cache) for path in files(paths)]
    return list(dict.fromkeys(compiled))


def files(paths: Sequence[Path]) -> list[Path]:
    """Return the objects and sources that paths mean, each once.

    Raises UsageError for something that does not exist.
    """
    return list(dict.fromkeys(it for path in named(paths) for it in _files(path)))


def cut(data: bytes, objects_: Sequence[Path], scratch: Path) -> bytes:
    """Return of a kernel's BTF what objects relocate against.

    Raises ArtifactError with bpftool's words.
    """
    whole, output = scratch / "whole.btf", scratch / "min.btf"
    whole.write_bytes(data)
    # Debian keeps it where only root's PATH looks.
    bpftool = shutil.which("bpftool") or "/usr/sbin/bpftool"
    done = programs.run(
        [bpftool, "gen", "min_core_btf", str(whole), str(output), *map(str, objects_)],
        timeout=_TIMEOUT,
        error=ArtifactError,
        hint="apt-get install bpftool",
    )
    if done.returncode != 0 or not output.exists():
        names = ", ".join(path.name for path in objects_)
        raise ArtifactError(
            f"bpftool gen min_core_btf failed for {names}: {programs.words_of(done)}",
            hint="check that every relocation of each object has a target in this "
            "kernel",
        )
    return output.read_bytes()


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        named = _of_suites(path)
        compiled = {
            *path.rglob(f"*{_OBJECT}"),
            *(it for it in named if it.name.endswith(_OBJECT)),
        }
        # A source whose object lies next to it is for another compiler than this one's.
        sources = (
            it
            for it in path.rglob(f"*{_SOURCE}")
            if it.with_name(it.name.removesuffix(_SOURCE) + _OBJECT) not in compiled
        )
        found = sorted({*sources, *compiled, *named})
        if not found:
            raise UsageError(f"{path} has no *{_SOURCE} and no *{_OBJECT}")
        return found
    if not path.exists():
        raise UsageError(f"{path} does not exist", hint="name an object or its source")
    return _of_suites(path) if path.name == SUITE_FILE else [path]


def _of_suites(path: Path) -> list[Path]:
    """Return the objects that suites name, wherever these lie."""
    return [
        file
        for suite in suitefile.files_below(path)
        for file in suitefile.referenced(suite)
        if file.name.endswith(suitefile.OBJECTS)
    ]
