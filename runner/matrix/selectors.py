"""Which kernels of a matrix a command line means."""

import re
from collections.abc import Callable, Iterator, Sequence

from runner.errors import UsageError
from runner.facts import families
from runner.matrix.matrix import Kernel, Matrix
from runner.text.nearest import near
from runner.versions import KernelVersion, VersionRange

ALL = "all"
# What a run takes when nothing is asked for: all rows of a matrix without this tag.
DEFAULT = "@default"
_COMPARISONS = ("<", ">", "=", "!")
# "rhel>=9.4", "ubuntu:5.15>=5.15.0-91": a vendor's kernels.
_OF_FAMILY = re.compile(rf"({'|'.join(families.NAMES)})(:[\d.]+)?\s*[<>=!].*")

VersionOf = Callable[[Kernel], KernelVersion | None]


def select(
    matrix: Matrix, selectors: Sequence[str], version_of: VersionOf
) -> tuple[Kernel, ...]:
    """Return the kernels that selectors name, in the matrix's order, each once.

    A selector is an id, @tag, `all`, a range (">=5.4,<6"), a vendor's range
    ("rhel>=9.4"), or several with commas between; comparisons of upstream versions that
    stand side by side are one range. `version_of` is asked for kernels whose id has no
    version, and for releases.
    Raises UsageError for what the matrix lacks and when nothing is left.
    """
    wanted: set[str] = set()
    for selector in selectors:
        for part in _parts(selector):
            wanted |= {kernel.id for kernel in _matching(matrix, part, version_of)}
    chosen = tuple(kernel for kernel in matrix.kernels if kernel.id in wanted)
    if not chosen:
        raise UsageError(
            f"--kernels {' '.join(selectors)!r} selects no kernel",
            hint=f"the kernels are {', '.join(kernel.id for kernel in matrix.kernels)}",
        )
    return chosen


def _parts(selector: str) -> Iterator[str]:
    """Split at commas, but keep comparisons together: ">=5.4,<6,@lts" is two parts."""
    comparisons: list[str] = []
    for word in selector.split(","):
        word = word.strip()
        if word.startswith(_COMPARISONS):
            comparisons.append(word)
        elif word:
            yield word
    if comparisons:
        yield ",".join(comparisons)


def _matching(matrix: Matrix, part: str, version_of: VersionOf) -> list[Kernel]:
    kernels = matrix.kernels
    if part == ALL:
        return list(kernels)
    if part.startswith("@"):
        return _tagged(matrix, part[1:])
    if part.startswith(_COMPARISONS) or _OF_FAMILY.fullmatch(part):
        return _in_range(matrix, part, version_of)
    found = [kernel for kernel in kernels if kernel.id == part]
    if not found:
        raise UsageError(
            f"there is no kernel {part!r}{_near(part, [it.id for it in kernels])}",
            hint=f"the matrix has {', '.join(kernel.id for kernel in kernels)}",
        )
    return found


def _tagged(matrix: Matrix, tag: str) -> list[Kernel]:
    found = [kernel for kernel in matrix.kernels if tag in kernel.tags]
    if not found and f"@{tag}" == DEFAULT:
        # Nobody chose some rows, so all are meant.
        return list(matrix.kernels)
    if not found:
        tags = sorted({f"@{tag}" for kernel in matrix.kernels for tag in kernel.tags})
        raise UsageError(
            f"no kernel has the tag @{tag}{_near(f'@{tag}', tags)}",
            hint=f"the tags are {', '.join(tags)}"
            if tags
            else "the matrix has no tags",
        )
    return found


def _in_range(matrix: Matrix, text: str, version_of: VersionOf) -> list[Kernel]:
    try:
        wanted = VersionRange.parse(text)
    except ValueError as error:
        raise UsageError(f"--kernels {text!r}: {error}") from error
    found = []
    for kernel in matrix.kernels:
        version = kernel.version
        if version is None or (wanted.needs_release and not version.release):
            version = version_of(kernel) or version
        if version is not None and version in wanted:
            found.append(kernel)
    return found


def _near(word: str, known: Sequence[str]) -> str:
    # Ids are short: "4.40" is as near to "4.4" as it gets.
    return near(word, known, "", cutoff=0.5)
