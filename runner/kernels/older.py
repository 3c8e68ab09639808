"""The version before one that an index lists and whose files nobody has.

Mirrors may list a package before they have its file, and some do so for days.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from runner.errors import NotOnServerError
from runner.files.cache import Cache
from runner.kernels.sources import providers
from runner.kernels.sources.source import Pin
from runner.matrix.matrix import BaseSource

log = logging.getLogger(__name__)

# A mirror that lacks the files of more versions than these is broken.
_MOST_TRIED = 3

_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True)
class _OlderKernel:
    # As the source's key `version` takes it: "6.12.107-1".
    version: str
    pin: Pin


def instead(
    missing: Pin,
    failure: NotOnServerError,
    source: BaseSource,
    cache: Cache,
    attempt: Callable[[Pin], _Result],
    tell: Callable[[str], None],
) -> tuple[Pin, _Result]:
    """Return the newest kernel that a source has the files of, and what was made of it.

    `attempt` raises NotOnServerError for a kernel whose files are missing, too; `tell`
    gets what is used instead of `missing`. Raises `failure` if there is none.
    """
    for older in _before(missing, source, cache):
        try:
            made = attempt(older.pin)
        except NotOnServerError as error:
            log.debug("%s: %s", older.pin.origin, error)
            continue
        tell(
            f"using {older.version} instead of {missing.origin}, which is in the index "
            f"only: {failure.message}"
        )
        return older.pin, made
    raise failure


def _before(pin: Pin, source: BaseSource, cache: Cache) -> Iterator[_OlderKernel]:
    """Yield what a source offers before a pin, the newest first.

    Nothing of a source that can't list versions. Raises ArtifactError.
    """
    # A row that says a version means that one.
    if source.at("") != source:
        return
    newest = providers.offer_of(pin, source)
    if newest is None:
        return
    offers = providers.offers(source, cache)
    older = [it for it in offers if it.order < newest.order]
    for offer in reversed(older[-_MOST_TRIED:]):
        exact = source.at(offer.version)
        assert exact is not None
        found = providers.of(source).resolve(exact, cache)
        yield _OlderKernel(version=offer.version, pin=found)
