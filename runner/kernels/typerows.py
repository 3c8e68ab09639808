"""Kernels whose types sources include as vmlinux.h: those of a run's matrix, or others.

A suite names one by the id of its row. A run with another matrix, such as the vendors',
still finds it.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from runner.files import shipped
from runner.kernels import lock
from runner.kernels.rows import KernelChoice
from runner.matrix import matrix as matrix_
from runner.matrix.matrix import Kernel, Matrix
from runner.suites import project
from runner.text.nearest import near


@dataclass(frozen=True, kw_only=True)
class TypeRow:
    """A row, and the matrix file that it is in."""

    kernel: Kernel
    matrix: Path


class TypeRows:
    """Rows by their ids: of a run's matrix, else of the project's, else built in."""

    def __init__(self, matrix: Matrix, choice: KernelChoice) -> None:
        """`matrix` is the run's, as `choice` makes it."""
        self._choice = choice
        self._own = _by_id(matrix, choice.matrix)

    def get(self, id_: str) -> TypeRow | None:
        """Return a row; None if no matrix has it.

        What the lock next to its matrix pins is bound, as in a run of that matrix.
        Raises UsageError for a matrix or a lock with a mistake.
        """
        # The others are not read without need.
        return self._own.get(id_) or self._others.get(id_)

    def why_not(self, id_: str) -> str:
        """Return why a suite can't name a kernel; empty if it can."""
        if self.get(id_) is not None:
            return ""
        unlocked = [
            row.id for file in self._files for row in matrix_.load(file).kernels
        ]
        if id_ in unlocked:
            return (
                f"--locked: no lock pins the kernel {id_!r}; pin it with "
                f"`python -m runner lock --kernels {id_}`"
            )
        known = list(dict.fromkeys([*self._own, *unlocked]))
        instead = "`python -m runner kernels` lists those that there are"
        return f"the matrix has no kernel {id_!r}{near(id_, known, instead)}"

    @cached_property
    def _files(self) -> list[Path]:
        listed = (self._choice.matrix, project.find(None).matrix, shipped.MATRIX)
        return list({it.resolve(): it for it in listed}.values())

    @cached_property
    def _others(self) -> dict[str, TypeRow]:
        found: dict[str, TypeRow] = {}
        for file in reversed(self._files[1:]):
            bound = lock.applied(
                matrix_.load(file),
                lock.read(lock.path_of(file)),
                lock.folder_of(file),
                strict=self._choice.locked,
            )
            found |= _by_id(bound, file)
        return found


def _by_id(matrix: Matrix, file: Path) -> dict[str, TypeRow]:
    return {it.id: TypeRow(kernel=it, matrix=file) for it in matrix.kernels}
