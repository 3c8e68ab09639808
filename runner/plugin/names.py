"""What reports call an item, told from its node id: all that pytest-xdist sends."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from runner.results import CaseKey
from runner.suites.search import SUITE_FILE

# "Class::test_a[6.1-2]", and with pytest-xdist's group behind it.
_NAME = re.compile(
    r"(?P<name>[^\[@]*)(\[(?P<parameters>.*)\])?(@(?P<group>[^@\]]*))?", re.DOTALL
)


def key_of(
    nodeid: str, kernels: Sequence[str], suite_of: Callable[[str], str]
) -> CaseKey | None:
    """Return what reports call an item; None for one that runs on no kernel.

    `kernels` are the ids of the run's kernels; `suite_of` gives the name of the suite
    in a suite.yaml, from its path in the node id. A test's parameter that looks like a
    kernel may be taken for it: the item itself knows better, once it has a result.
    """
    file, _, rest = nodeid.partition("::")
    found = _NAME.fullmatch(rest)
    if found is None or found["parameters"] is None:
        return None
    given = found["group"]
    known = [given] if given in kernels else sorted(kernels, key=len, reverse=True)
    for kernel in known:
        others, is_there = without(found["parameters"], kernel)
        if is_there:
            case = found["name"] + (f"[{others}]" if others else "")
            suite = suite_of(file) if file.endswith(SUITE_FILE) else Path(file).stem
            return CaseKey(kernel, suite, case)
    return None


def without(parameters: str, kernel: str) -> tuple[str, int]:
    """Return a test's parameters without the kernel, and how often it was there.

    pytest joins parameters by "-", in their order, and a kernel is one like others.
    """
    return re.subn(
        rf"(^|-){re.escape(kernel)}(-|$)",
        lambda it: "-" if it[1] and it[2] else "",
        parameters,
        count=1,
    )


def keys_of(
    nodeids: Iterable[str], kernels: Sequence[str], suite_of: Callable[[str], str]
) -> dict[str, CaseKey]:
    """Return the items that run on a kernel, by their node ids."""
    found = ((it, key_of(it, kernels, suite_of)) for it in nodeids)
    return {nodeid: key for nodeid, key in found if key is not None}
