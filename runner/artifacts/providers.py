"""Which provider gets the kernels of which type of source."""

from collections.abc import Mapping
from typing import Any

from runner.artifacts.debian import Debian
from runner.artifacts.localpath import LocalPath
from runner.artifacts.source import Provider
from runner.matrix import BaseSource, DebianSource, PathSource

PROVIDERS: Mapping[type[BaseSource], Provider[Any]] = {
    DebianSource: Debian(),
    PathSource: LocalPath(),
}


def of(source: BaseSource) -> Provider[Any] | None:
    """Return a source's provider, or None for one that nothing can provide."""
    return PROVIDERS.get(type(source))
