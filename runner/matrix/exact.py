"""Rows of one version exactly, which a command line names: ROW@VERSION."""

import re
from collections.abc import Sequence

from runner.errors import UsageError
from runner.matrix.matrix import AT, EXACT_VERSION, Kernel, Matrix
from runner.text.nearest import near


def apply(matrix: Matrix, selectors: Sequence[str]) -> Matrix:
    """Return the matrix with the rows that selectors name as ROW@VERSION.

    Each stands behind its row. Raises UsageError for a row that the matrix lacks, and
    for one whose source can't be asked for a version.
    """
    words = [word.strip() for it in selectors for word in it.split(",")]
    wanted = [word for word in dict.fromkeys(words) if is_exact(word)]
    if not wanted:
        return matrix
    return with_rows(matrix, [row(matrix, word) for word in wanted])


def is_exact(word: str) -> bool:
    """Whether a word is ROW@VERSION; "@lts" is a tag."""
    return AT in word[1:]


def with_rows(matrix: Matrix, exact: Sequence[Kernel]) -> Matrix:
    """Return the matrix with rows of exact versions, each behind the row it is of."""
    known = {kernel.id for kernel in matrix.kernels}
    kernels: list[Kernel] = []
    for kernel in matrix.kernels:
        kernels.append(kernel)
        kernels += [
            it
            for it in exact
            if it.id not in known and it.id.partition(AT)[0] == kernel.id
        ]
    return matrix.model_copy(update={"kernels": tuple(kernels)})


def row(matrix: Matrix, word: str) -> Kernel:
    """Return the row that ROW or ROW@VERSION means. Raises UsageError."""
    name, _, version = word.partition(AT)
    rows = {kernel.id: kernel for kernel in matrix.kernels}
    if name not in rows:
        raise UsageError(
            f"{word}: the matrix has no kernel {name!r}"
            f"{near(name, list(rows), '', cutoff=0.5)}",
            hint=f"the matrix has {', '.join(rows)}",
        )
    if AT not in word:
        return rows[name]
    if not version:
        raise UsageError(
            f"{word}: there is no version behind the {AT}",
            hint=f"such as {name}{AT}6.1.176-1; {name} alone means what a run boots",
        )
    if re.fullmatch(EXACT_VERSION, version) is None:
        raise UsageError(
            f"{word}: {version!r} is not a version",
            hint=f"such as {name}{AT}6.1.176-1",
        )
    found = rows[name].at(version)
    if found is None:
        shown = ", ".join(it.shown for it in rows[name].sources)
        raise UsageError(
            f"{word}: the source of {name} can't be asked for a version: {shown}",
            hint="the sources debian, ubuntu, rpm, and kernel-org with the key tree "
            "can; for others, add a row for each version",
        )
    return found
