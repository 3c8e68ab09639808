"""How the steps of guests reach whoever shows them, from another process too."""

from contextlib import suppress
from dataclasses import asdict
from typing import Any

import pytest

from runner.guest.life import Observe, Step

# What a worker of pytest-xdist finds its end of the channel under.
_CHANNEL = "steps"


def receive(node: Any) -> None:
    """Let a worker of pytest-xdist send its steps, as it takes them."""
    show = node.config.hook.pytest_kernel_matrix_step
    channel = node.gateway.newchannel()
    channel.setcallback(lambda words: show(step=Step(**words)))
    node.workerinput[_CHANNEL] = channel


def observer(config: pytest.Config) -> Observe:
    """Return what shows a step, in the process that has the display."""
    channel: Any = getattr(config, "workerinput", {}).get(_CHANNEL)
    if channel is None:
        return lambda step: config.hook.pytest_kernel_matrix_step(step=step)

    def send(step: Step) -> None:
        # Where the other process is gone, pytest-xdist ends this one.
        with suppress(OSError):
            channel.send(asdict(step))

    return send
