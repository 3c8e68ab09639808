"""The kernels that `check` is given: files, or rows of the matrix with modules."""

import argparse
import sys
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from runner.bpf.compile import vmlinux_h
from runner.errors import RunnerError, UsageError
from runner.files.cache import Cache
from runner.kernels import fetch, modulefiles, moduleowners, rows
from runner.kernels.typerows import TypeRows
from runner.matrix.environment import GuestEnvironment
from runner.matrix.matrix import Kernel
from runner.matrix.selectors import ALL
from runner.preflight import check as check_
from runner.preflight import elsewhere, targets
from runner.preflight.targets import BtfSource
from runner.run import options
from runner.text import progress

_MATRIX = "kernels"


def uses_matrix(arguments: argparse.Namespace) -> bool:
    """Whether kernels of the matrix are meant."""
    return not arguments.btf or _MATRIX in arguments.btf


class CheckedKernels:
    """The kernels that objects are checked against, with the modules that they load."""

    def __init__(
        self, arguments: argparse.Namespace, cache: Cache, *, compiles: bool = False
    ) -> None:
        """Look for them. Raises UsageError for what is not there.

        `compiles` is whether objects are compiled for them, for which each must say its
        architecture.
        """
        self._cache = cache
        self._choice = options.choice_of(arguments, ALL)
        self._files: list[BtfSource] = []
        self._rows: tuple[Kernel, ...] = ()
        self._known: dict[tuple[str, ...] | None, list[BtfSource]] = {}
        self._modules: tuple[str, ...] | None = arguments.modules
        if self._modules is not None and not uses_matrix(arguments):
            raise UsageError(
                "--modules is about kernels of the matrix",
                hint="with --btf, give a folder as /sys/kernel/btf is: vmlinux, and a "
                "file for each module",
            )
        for text in arguments.btf or [_MATRIX]:
            if text == _MATRIX:
                self._rows = tuple(rows.choose(self._choice, cache).kernels)
            else:
                found = targets.of_path(text)
                self._files += (
                    map(targets.with_architecture, found) if compiles else found
                )
        if self._rows and not targets.of_kernels(self._rows, cache):
            raise UsageError(
                "no kernel of the matrix has its BTF in the cache",
                hint="python -m runner fetch, or --btf FILE",
            )

    def sources(self, modules: tuple[str, ...] | None) -> list[BtfSource]:
        """Return them by age, and what nobody knows the age of behind the others.

        Raises UsageError for a module that none of them has.
        """
        wanted = modules if self._modules is None else self._modules
        if wanted not in self._known:
            self._known[wanted] = self._found(wanted)
        return self._known[wanted]

    def _found(self, modules: tuple[str, ...] | None) -> list[BtfSource]:
        wanted = GuestEnvironment(modules=modules)
        loading = targets.of_kernels(
            [it.within(wanted) for it in self._rows], self._cache
        )
        if loading and modules and all(it.problem for it in loading):
            raise UsageError(loading[-1].problem)
        return sorted(
            [*self._files, *loading],
            key=lambda it: (
                it.version is None,
                it.version.filled() if it.version else (),
            ),
        )

    def types(self, kernel_id: str) -> Path:
        """Return the folder with the vmlinux.h that a suite names by a kernel's id.

        Raises UsageError for a kernel that there is not, or that the cache lacks.
        """
        row = self._type_rows.get(kernel_id)
        if row is None:
            raise UsageError(f"vmlinux: {self._type_rows.why_not(kernel_id)}")
        found = fetch.cached(row.kernel, self._cache)
        if found is None:
            raise UsageError(
                f"vmlinux: the kernel {kernel_id} is not in the cache",
                hint=f"python -m runner fetch --kernels {kernel_id}",
            )
        if found.btf is None:
            raise UsageError(f"vmlinux: {kernel_id} has no BTF: {found.btf_detail}")
        return vmlinux_h(found.btf, found.btf_sha256, self._cache)

    @cached_property
    def _type_rows(self) -> TypeRows:
        return TypeRows(rows.choose(self._choice, self._cache).matrix, self._choice)

    def advised(self, result: check_.Result) -> check_.Result:
        """Return a result that names the modules which have what is missing."""
        kernel = next((it for it in self._rows if it.id == result.source.name), None)
        artifact = fetch.cached(kernel, self._cache) if kernel else None
        names = [elsewhere.lacking(it) for it in result.predictions]
        if kernel is None or artifact is None or not any(names):
            return result
        if not modulefiles.shows_btf(artifact):
            return result
        try:
            owners = moduleowners.owners(
                kernel, artifact, self._cache, progress.progress()
            )
        except RunnerError as error:
            print(f"{kernel.id}: no look into its modules: {error}", file=sys.stderr)
            return result
        advised = (
            elsewhere.with_modules(
                it,
                [
                    *elsewhere.found_in(lacking, owners),
                    *elsewhere.similar_in(lacking, owners),
                ],
            )
            for it, lacking in zip(result.predictions, names, strict=True)
        )
        return replace(result, predictions=tuple(advised))
