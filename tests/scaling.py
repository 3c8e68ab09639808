"""Whether work grows with its input and no faster: a ratio, for machines differ."""

import time
from collections.abc import Callable


def grows(work: Callable[[int], object], *, small: int, times: int) -> float:
    """Return how many times longer the work takes with so many times the input.

    By the processor time of this process: others may keep the machine busy. The small
    one is done twice, and its quicker time counts: the first one also imports.
    """
    quick = min(_seconds(work, small) for _ in range(2))
    return _seconds(work, small * times) / quick


def _seconds(work: Callable[[int], object], size: int) -> float:
    began = time.process_time()
    work(size)
    return time.process_time() - began
