"""Sources and objects that tests write and compile, as their owners would."""

import functools
import subprocess
import tempfile
from pathlib import Path

from runner.bpf import compile as compile_
from runner.bpf import object as bpf_object
from runner.scaffold import inventory
from runner.scaffold.inventory import Inventory
from tests.unit.scaffold import sources


def compiled(folder: Path, name: str, body: str) -> Path:
    """Compile a source below a folder and return the object; it needs clang."""
    source = folder / f"{name}.bpf.c"
    source.write_text(sources.HEAD + body)
    built = folder / f"{name}.bpf.o"
    argv = compile_.command(source, built)
    subprocess.run(argv, cwd=folder, check=True)
    return built


@functools.cache
def small() -> bytes:
    """Return an object of one program; it needs clang."""
    with tempfile.TemporaryDirectory() as folder:
        return compiled(Path(folder), "small", sources.PACKETS).read_bytes()


def inventory_of(folder: Path, body: str) -> Inventory:
    """Return what is in a compiled source."""
    built = compiled(folder, "tool", body)
    return inventory.of_object(bpf_object.read_whole(built.read_bytes(), built))
