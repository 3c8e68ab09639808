"""What a run was asked for, as checksums by which parts of one run are known."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from runner.kernels import lock
from runner.kernels.rows import KernelChoice
from runner.results import Selection
from runner.suites.suitefile import files_below, referenced

# What decides over a case: suites, sources, headers, objects, tests.
_SUFFIXES = (".yaml", ".c", ".h", ".o", ".py")


def describe(
    choice: KernelChoice,
    tests: Sequence[str],
    expression: str,
    *,
    all_kernels: bool = False,
) -> Selection:
    """Return what a run was asked for.

    `tests` are pytest's arguments: paths, with ::NAME behind some. Checksums tell the
    same on machines where the files lie elsewhere.
    """
    return Selection(
        matrix_sha256=_sha256(_matrix(choice)),
        suites_sha256=_sha256(_suites(tests)),
        expression=expression,
        all_kernels=all_kernels,
        guest=choice.guest,
    )


def _matrix(choice: KernelChoice) -> Iterator[bytes]:
    yield _content(choice.matrix)
    yield _content(lock.path_of(choice.matrix))
    for override in choice.overrides:
        yield override.partition("=")[0].encode()


def _suites(tests: Sequence[str]) -> Iterator[bytes]:
    for word in tests:
        path, _, name = word.partition("::")
        yield name.encode()
        for file in _files(Path(path)):
            yield file.name.encode()
            yield _content(file)


def _files(path: Path) -> list[Path]:
    """Return the files that a path means, in the same order everywhere."""
    if not path.exists():
        return []
    suites = files_below(path)
    found = {file for suite in suites for file in suite.parent.rglob("*")}
    # What lies elsewhere, such as in build/.
    found |= {file for suite in suites for file in referenced(suite)}
    if path.is_dir():
        found |= set(path.rglob("test_*.py"))
    else:
        found.add(path)
    return sorted(it for it in found if it.suffix in _SUFFIXES and it.is_file())


def _content(path: Path) -> bytes:
    """Return a file's bytes; none of one that is gone: it is late to report it."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _sha256(parts: Iterable[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        # So that two files are not taken for one.
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()
