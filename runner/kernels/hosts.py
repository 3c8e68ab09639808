"""How many files one server is asked for at once."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

# As browsers do, and less than what archives complain about.
MOST_CONNECTIONS = 4

_lock = threading.Lock()
_turns: defaultdict[str, threading.BoundedSemaphore] = defaultdict(
    lambda: threading.BoundedSemaphore(MOST_CONNECTIONS)
)


@contextmanager
def turn(url: str) -> Iterator[None]:
    """Wait until an address's server may be asked, and hold that for a `with` block.

    Ask for nothing else meanwhile: all who are at a server could wait for each other.
    """
    with _lock:
        mine = _turns[urlsplit(url).netloc]
    with mine:
        yield
