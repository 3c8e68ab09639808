"""Make each thing once, for several threads."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)
_Made = TypeVar("_Made")


class Once(Generic[_Key, _Made]):
    """Things by their keys. Different ones are made at the same time."""

    def __init__(self) -> None:
        self._made: dict[_Key, Future[_Made]] = {}
        self._lock = threading.Lock()

    def get(self, key: _Key, make: Callable[[], _Made]) -> _Made:
        """Return what `make` returns, or returned for this key before.

        Threads that ask for the same key wait for the first one. Raises what `make`
        raises or raised.
        """
        with self._lock:
            known = self._made.get(key)
            mine = known or self._made.setdefault(key, Future())
        if known is None:
            try:
                mine.set_result(make())
            except BaseException as error:
                mine.set_exception(error)
                if not isinstance(error, Exception):
                    # Ctrl-C says nothing about the key: the next one tries again.
                    with self._lock:
                        del self._made[key]
        return mine.result()
