"""Expected costs for people: a table, and that most of it is a guess."""

from collections.abc import Sequence

from runner.preflight.expectedcost import ExpectedCost
from runner.text.tables import print_rows

_COLUMNS = ("object", "program", "kernel", "instructions", "of the limit", "from")


def show_costs(costs: Sequence[ExpectedCost]) -> None:
    """Print what programs cost the verifier on kernels, and from which kernels."""
    print()
    if not costs:
        print(
            "No cost is known: none of the runs has booted one of these objects, or "
            "an earlier build."
        )
        return
    print_rows(
        _COLUMNS,
        [_row(it) for it in costs],
        right=("instructions", "of the limit"),
        whole=("object", "program", "kernel"),
    )
    if any(it.guess for it in costs):
        print(
            "~ is a guess, by what similar booted kernels took: nothing but the "
            "verifier knows."
        )


def _row(it: ExpectedCost) -> tuple[str, ...]:
    sign = "~" if it.guess else ""
    number = f"{it.least:,}"
    if it.most != it.least:
        number += f" to {it.most:,}"
    share = f"{sign}{it.most / it.limit * 100:.1f} %" if it.limit else ""
    origin = ", ".join(_origin(it, kernel) for kernel in it.booted)
    return it.object, it.program, it.kernel, sign + number, share, origin


def _origin(it: ExpectedCost, kernel: str) -> str:
    name = kernel if it.guess else "booted"
    return f"{name} (refused)" if kernel in it.refused else name
