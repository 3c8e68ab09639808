"""The versions that a search or a sweep chooses from: what sources of rows offer."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runner.errors import ArtifactError, UsageError
from runner.files.cache import Cache
from runner.kernels import fetch
from runner.kernels.sources import providers
from runner.kernels.sources.offer import Offer, Order, order_of
from runner.matrix import exact
from runner.matrix.matrix import AT, EXACT_VERSION, Kernel, Matrix
from runner.text.nearest import nearest
from runner.text.progress import Progress

# Versions that an error lists.
_MOST_SHOWN = 6


@dataclass(frozen=True, kw_only=True)
class OfferedKernel:
    """One version of a kernel, as a row of the matrix."""

    # Its id is ROW@VERSION, or a row's own where the source has but one version.
    kernel: Kernel
    # As the package has it: "6.1.176-1".
    version: str
    # The package; for a row without versions, where it comes from.
    package: str
    order: Order
    # When it was published, as YYYY-MM-DD; empty if the source does not say it.
    date: str = ""

    @property
    def id(self) -> str:
        """What reports call it."""
        return self.kernel.id


def offered(row: Kernel, cache: Cache) -> list[OfferedKernel]:
    """Return the versions that a row's source offers, the oldest first.

    Of several sources, the first that can list versions counts. Raises ArtifactError,
    also for a row of which no source can list any.
    """
    failure: ArtifactError | None = None
    for source in row.sources:
        try:
            found = providers.offers(source, cache)
        except ArtifactError as error:
            failure = failure or error
            continue
        # Others could be no part of a folder's name.
        usable = (it for it in found if re.fullmatch(EXACT_VERSION, it.version))
        return [_candidate(row, it) for it in usable]
    assert failure is not None
    raise ArtifactError(f"{row.id}: {failure.message}", hint=failure.hint) from failure


def _candidate(row: Kernel, offer: Offer) -> OfferedKernel:
    kernel = row.at(offer.version)
    # A source that lists versions can be asked for them.
    assert kernel is not None
    return OfferedKernel(
        kernel=kernel,
        version=offer.version,
        package=offer.package,
        order=offer.order,
        date=offer.date,
    )


def single(row: Kernel, cache: Cache, progress: Progress) -> OfferedKernel:
    """Return the only version of a row whose source lists none; it is fetched.

    Raises as `fetch.obtain` does.
    """
    found = fetch.obtain(row, cache, progress)
    return OfferedKernel(
        kernel=row,
        version=str(found.version),
        package=found.release,
        order=order_of("", str(found.version), found.version.build),
    )


class Versions:
    """The versions of rows, each row asked once."""

    def __init__(self, matrix: Matrix, cache: Cache, progress: Progress) -> None:
        self._matrix = matrix
        self._cache = cache
        self._progress = progress
        self._known: dict[str, list[OfferedKernel]] = {}

    def row(self, word: str) -> Kernel:
        """Return the row that ROW or ROW@VERSION is about. Raises UsageError."""
        return exact.row(self._matrix, word.partition(AT)[0])

    def of_row(self, row: Kernel) -> list[OfferedKernel]:
        """Return all versions of a row, the oldest first; the row itself if it has one.

        Raises ArtifactError, and UsageError for a file that is not there.
        """
        if row.id not in self._known:
            self._known[row.id] = self._of_row(row)
        return self._known[row.id]

    def _of_row(self, row: Kernel) -> list[OfferedKernel]:
        if any(it.at("") is not None for it in row.sources):
            found = offered(row, self._cache)
            if not found:
                raise ArtifactError(f"{row.id}: its source offers no version")
            return found
        return [single(row, self._cache, self._progress)]

    def current(self, row: Kernel) -> OfferedKernel:
        """Return the version that a run of a row boots.

        That may be older than the newest one: metapackages lead to one series of
        several that a suite has, and a run keeps for a week what it once found.
        Raises as `of_row` does.
        """
        there = self.of_row(row)
        found = fetch.resolved(row, self._cache)
        offer = providers.offer_of(found.pin, found.source)
        if offer is None:
            return there[-1]
        for candidate in reversed(there):
            if candidate.version == offer.version:
                return candidate
        # The source has dropped it since, and the cache has it.
        return OfferedKernel(
            kernel=row,
            version=offer.version,
            package=offer.package,
            order=offer.order,
        )

    def one(self, word: str, option: str) -> OfferedKernel:
        """Return the version that ROW or ROW@VERSION means: of ROW, what a run boots.

        Raises UsageError for one that the source does not offer, and as `of_row` does.
        """
        # Tells what is wrong with the word itself.
        exact.row(self._matrix, word)
        row, _, version = word.partition(AT)
        if not version:
            return self.current(self.row(word))
        there = self.of_row(self.row(word))
        for candidate in reversed(there):
            if version == candidate.version or _is_abi(version, candidate.package):
                return candidate
        known = [it.version for it in there]
        near = nearest(version, known, 3) or known[-3:]
        raise UsageError(
            f"{option} {word}: the source of {row} offers no version {version}",
            hint=f"it has {shown(known)}; the nearest: {', '.join(near)}",
        )


def _is_abi(version: str, package: str) -> bool:
    """Whether a version is what `uname -r` says, and so in the package's name."""
    return f"-{version}-" in package or package.endswith(f"-{version}")


def shown(versions: Sequence[str]) -> str:
    """Return some versions in words: the first ones and the last ones."""
    if len(versions) <= _MOST_SHOWN:
        return ", ".join(versions)
    half = _MOST_SHOWN // 2
    left = len(versions) - 2 * half
    first, last = versions[:half], versions[-half:]
    return f"{', '.join(first)}, … {left} more …, {', '.join(last)}"


def ordered(found: Iterable[OfferedKernel]) -> list[OfferedKernel]:
    """Return versions by age, each once: two suites may offer the same package."""
    once: dict[tuple[str, str], OfferedKernel] = {}
    for it in found:
        once.setdefault((it.package, it.version), it)
    return sorted(once.values(), key=lambda it: it.order)


def between(
    first: OfferedKernel, last: OfferedKernel, others: Iterable[OfferedKernel]
) -> list[OfferedKernel]:
    """Return versions from one to another, both included, in that direction."""
    low, high = sorted((first, last), key=lambda it: it.order)
    inside = [it for it in ordered(others) if low.order < it.order < high.order]
    found = [low, *inside, high]
    return found if low is first else found[::-1]
