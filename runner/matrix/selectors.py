"""Which kernels of a matrix a command line means."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runner import arch
from runner.errors import UsageError
from runner.matrix.matrix import Kernel, Matrix
from runner.text.nearest import near
from runner.versions import KernelVersion, VersionRange

ALL = "all"
# What a run takes when nothing is asked for: all rows of a matrix without this tag.
DEFAULT = "@default"
# Before an architecture's name: arch=arm64.
_ARCH = "arch="
# No id has one of these.
_COMPARES = frozenset("<>=!")

_ALL_MUST_HOLD = (
    "comparisons with commas between must all hold; give ranges that add up as words "
    "of their own: --kernels 'rhel>=9' 'suse>=15.5'"
)

VersionOf = Callable[[Kernel], KernelVersion | None]


def select(
    matrix: Matrix, selectors: Sequence[str], version_of: VersionOf
) -> tuple[Kernel, ...]:
    """Return the kernels that selectors name, in the matrix's order, each once.

    A selector is an id, @tag, @ARCHITECTURE, `all`, arch=ARCHITECTURE, a comparison
    (">=5.4", "rhel>=9.4", "uek", a whole release), or several with commas between. All
    comparisons of a selector are one range, as in suites: kernels must meet all of
    them, and be of the architecture that the selector names. What is an id is no
    comparison.
    `version_of` is asked for kernels whose id has no version, and for releases.
    Raises UsageError for what the matrix lacks, for a range that can't be read and when
    nothing is left.
    """
    wanted: set[str] = set()
    parts = [_Parts.of(selector, matrix) for selector in selectors]
    for part in parts:
        for name in part.names:
            wanted |= {kernel.id for kernel in _named(matrix, name)}
        wanted |= {kernel.id for kernel in _in_range(matrix, part, version_of)}
    chosen = tuple(kernel for kernel in matrix.kernels if kernel.id in wanted)
    if not chosen:
        ids = f"the kernels are {', '.join(kernel.id for kernel in matrix.kernels)}"
        raise UsageError(
            f"--kernels {' '.join(selectors)!r} selects no kernel",
            hint=f"{_ALL_MUST_HOLD}; {ids}"
            if any(len(it.comparisons) > 1 for it in parts)
            else ids,
        )
    return chosen


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """What one selector consists of: ">=5.4,<6,@lts" is a name and a range."""

    # Ids, tags and `all`: kernels that any of them names are meant.
    names: tuple[str, ...]
    # Of one range, as they stand.
    comparisons: tuple[str, ...]
    # Which all kernels of the range must have; empty if any will do.
    architectures: tuple[str, ...]

    @classmethod
    def of(cls, selector: str, matrix: Matrix) -> "_Parts":
        """Split at commas."""
        ids = {kernel.id for kernel in matrix.kernels}
        words = [word for it in selector.split(",") if (word := it.strip())]
        limits = [it for it in words if it.startswith(_ARCH)]
        others = [it for it in words if it not in limits]
        compared = [it for it in others if it not in ids and _is_comparison(it)]
        return cls(
            names=tuple(it for it in others if it not in compared),
            comparisons=tuple(compared),
            architectures=tuple(_architecture(it) for it in limits),
        )


def _architecture(word: str) -> str:
    """Return the architecture of a word such as arch=aarch64. Raises UsageError."""
    name = word.removeprefix(_ARCH)
    found = arch.find(name)
    if found is None:
        known = [it.name for it in arch.ARCHITECTURES]
        raise UsageError(
            f"--kernels {word}: there is no architecture {name!r}{_near(name, known)}",
            hint=f"the architectures are {', '.join(known)}",
        )
    return found.name


def _is_comparison(word: str) -> bool:
    """Whether a word that is no id is part of a range."""
    if word == ALL or word.startswith("@"):
        return False
    if not _COMPARES.isdisjoint(word):
        return True
    try:
        # "uek", "5.14.0-570.el9". A bare "5.10" is nothing but an id here.
        return VersionRange.parse(word).needs_release
    except ValueError:
        return False


def _named(matrix: Matrix, name: str) -> list[Kernel]:
    if name == ALL:
        return list(matrix.kernels)
    if name.startswith("@"):
        return _tagged(matrix, name[1:])
    found = [kernel for kernel in matrix.kernels if kernel.id == name]
    if not found:
        raise _no_kernel(matrix, name)
    return found


def _no_kernel(matrix: Matrix, name: str) -> UsageError:
    ids = [kernel.id for kernel in matrix.kernels]
    return UsageError(
        f"there is no kernel {name!r}{_near(name, ids)}",
        hint=f"the matrix has {', '.join(ids)}",
    )


def _tagged(matrix: Matrix, tag: str) -> list[Kernel]:
    own = arch.find(tag)
    found = [
        kernel
        for kernel in matrix.kernels
        if tag in kernel.tags or kernel.architecture is own
    ]
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


def _in_range(matrix: Matrix, parts: _Parts, version_of: VersionOf) -> list[Kernel]:
    rows = [
        kernel
        for kernel in matrix.kernels
        if all(kernel.arch == it for it in parts.architectures)
    ]
    if not parts.comparisons:
        return rows if parts.architectures else []
    text = ",".join(parts.comparisons)
    try:
        wanted = VersionRange.parse(text)
    except ValueError as error:
        raise UsageError(f"--kernels {text!r}: {error}") from error
    found = []
    for kernel in rows:
        version = kernel.version
        if version is None or (wanted.needs_release and not version.release):
            version = version_of(kernel) or version
        if version is not None and version in wanted:
            found.append(kernel)
    if not found and _COMPARES.isdisjoint(text) and len(parts.comparisons) == 1:
        # It may be an id with a typing mistake.
        raise _no_kernel(matrix, text)
    return found


def _near(word: str, known: Sequence[str]) -> str:
    # Ids are short: "4.40" is as near to "4.4" as it gets.
    return near(word, known, "", cutoff=0.5)
