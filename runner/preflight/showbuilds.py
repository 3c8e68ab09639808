"""How several builds of one source differ, for people."""

from collections.abc import Sequence

from rich.markup import escape

from runner.preflight.buildcode import ProgramCode
from runner.text.tables import print_rows

_COLUMNS = ("program", "build", "instructions", "next to the first")


def show_builds(source: str, programs: Sequence[Sequence[ProgramCode]]) -> None:
    """Print what each program's code has, and how much more than the first build's."""
    print(f"\nHow the builds of {source} differ")
    print_rows(
        _COLUMNS,
        [row for builds in programs for row in _rows(builds)],
        right=("instructions",),
        whole=("program", "build"),
    )


def _rows(builds: Sequence[ProgramCode]) -> list[tuple[str, ...]]:
    first = builds[0]
    return [
        (
            escape(it.program) if it is first else "",
            escape(it.build),
            f"{it.instructions:,}",
            "" if it is first else _difference(it, first),
        )
        for it in builds
    ]


def _difference(code: ProgramCode, first: ProgramCode) -> str:
    """Return "+12 32-bit jumps, -3 loads"; the largest differences come first."""
    found = sorted(code.beside(first).items(), key=lambda it: -abs(it[1]))
    if not found:
        return "as many of each kind of instruction"
    return ", ".join(f"{more:+} {kind}" for kind, more in found)
