"""A function on many values, in processes that share what it knows.

A process that is forked has all values of this one, and needs none of them sent.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

# Fewer values are done sooner than processes start.
WORTH_PROCESSES = 40

# What processes of a pool call; set before they are forked.
_function: Callable[[str], str] = str


def mapped(function: Callable[[str], str], values: Sequence[str]) -> Iterator[str]:
    """Yield what a function returns for each value, in their order.

    The function must not change anything: it may run in another process.
    """
    global _function
    workers = min(4, len(os.sched_getaffinity(0)))
    if len(values) < WORTH_PROCESSES or workers < 2:
        yield from map(function, values)
        return
    _function = function
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        yield from pool.map(_call, values, chunksize=4)


def _call(value: str) -> str:
    return _function(value)
