"""How the steps of guests reach whoever shows them, from another process too."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import pytest

from runner.guest.life import Observe, Step

# What a worker of pytest-xdist finds its end of the channel under.
_CHANNEL = "steps"
_OUTPUT = "output"


def receive(node: Any) -> None:
    """Let a worker of pytest-xdist send its steps, as it takes them."""
    show = node.config.hook.pytest_kernel_matrix_step
    channel = node.gateway.newchannel()
    channel.setcallback(lambda words: show(step=Step(**words)))
    node.workerinput[_CHANNEL] = channel
    printed = node.config.hook.pytest_kernel_matrix_output
    channel = node.gateway.newchannel()
    channel.setcallback(lambda words: printed(**words))
    node.workerinput[_OUTPUT] = channel


def printer(config: pytest.Config) -> Callable[[str, str, bytes], None]:
    """Return what shows a program's output, in the process that has the display."""
    channel: Any = getattr(config, "workerinput", {}).get(_OUTPUT)
    if channel is None:
        hook = config.hook.pytest_kernel_matrix_output
        return lambda kernel, stream, data: hook(
            kernel=kernel, stream=stream, data=data
        )

    def send(kernel: str, stream: str, data: bytes) -> None:
        with suppress(OSError):
            channel.send({"kernel": kernel, "stream": stream, "data": data})

    return send


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
