"""How the C sources hang together."""

import re
import subprocess
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.unit.preflight.made import BUILD, ROOT, build

IMAGES = ROOT / "images"
# Symbols that have the names that libbpf, libelf, the linker or C give them.
FOREIGN = ("__wrap_", "libbpf_", "main", "eu_")


def units(folder: Path) -> dict[str, set[str]]:
    """Return which units, a source and its header, each unit of a program includes."""
    files = [
        path for part in (folder, IMAGES / "common") for path in part.glob("*.[ch]")
    ]
    names = {path.stem for path in files}
    found: dict[str, set[str]] = {name: set() for name in names}
    for path in files:
        for header in re.findall(r'^#include "(\w+)\.h"', path.read_text(), re.M):
            if header in names and header != path.stem:
                found[path.stem].add(header)
    return found


@pytest.mark.parametrize("program", ["agent", "preflight"])
def test_no_two_units_include_each_other(program: str) -> None:
    # Raises CycleError, which names the circle.
    assert list(TopologicalSorter(units(IMAGES / program)).static_order())


def exported(path: Path) -> list[str]:
    """Return the functions and data that an object file defines for others."""
    said = subprocess.run(
        ["nm", "--defined-only", "--extern-only", "--format=just-symbols", path],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return said.split()


def test_symbols_of_the_engine_begin_with_the_name_of_their_file() -> None:
    build()
    built = {path.stem: path for path in (BUILD / "static").glob("*.o")}
    sources = [
        path.stem
        for part in ("preflight", "common")
        for path in (IMAGES / part).glob("*.c")
    ]

    wrong = [
        f"{name}.c: {symbol}"
        for name in sources
        for symbol in exported(built[name])
        if not symbol.startswith((f"{name}_", *FOREIGN)) and symbol != "btf_problem"
    ]

    assert wrong == []
