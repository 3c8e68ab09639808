"""What reports call an item, told from its node id: all that pytest-xdist sends."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from runner import suitefile
from runner.results import CaseKey
from runner.suitesearch import SUITE_FILE

# "Class::test_a[6.1-2]", and with pytest-xdist's group behind it.
_NAME = re.compile(
    r"(?P<name>[^\[@]*)(\[(?P<parameters>.*)\])?(@(?P<group>[^@\]]*))?", re.DOTALL
)


def key_of(nodeid: str, kernels: Sequence[str], root: Path) -> CaseKey | None:
    """Return what reports call an item; None for one that runs on no kernel.

    `kernels` are the ids of the run's kernels; `root` is what node ids are relative to.
    """
    file, _, rest = nodeid.partition("::")
    found = _NAME.fullmatch(rest)
    if found is None or found["parameters"] is None:
        return None
    given = found["group"]
    known = [given] if given in kernels else sorted(kernels, key=len, reverse=True)
    for kernel in known:
        # A kernel is a parameter like others, in their order.
        others, is_there = re.subn(
            rf"(^|-){re.escape(kernel)}(-|$)",
            lambda it: "-" if it[1] and it[2] else "",
            found["parameters"],
            count=1,
        )
        if is_there:
            case = found["name"] + (f"[{others}]" if others else "")
            return CaseKey(kernel, _suite(root / file), case)
    return None


def keys_of(
    nodeids: Iterable[str], kernels: Sequence[str], root: Path
) -> dict[str, CaseKey]:
    """Return the items that run on a kernel, by their node ids."""
    found = ((it, key_of(it, kernels, root)) for it in nodeids)
    return {nodeid: key for nodeid, key in found if key is not None}


@cache
def _suite(file: Path) -> str:
    return suitefile.load(file).name if file.name == SUITE_FILE else file.stem
