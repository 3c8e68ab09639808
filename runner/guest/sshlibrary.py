"""paramiko, imported without `invoke`, and with a clock that does not jump.

`invoke` takes a third of its import's time. paramiko needs it for `Match exec` in
ssh_config files, which are not read here.

paramiko (5.1, too) measures how long it waits by the time of day. Where that is set
forward, as by NTP or after a machine slept, all that waits has timed out at once.
"""

import importlib
import sys
import time
from collections.abc import Callable

_UNWANTED = "invoke"

if _UNWANTED in sys.modules:
    import paramiko
else:
    # None is Python's word for a module that can't be imported.
    sys.modules[_UNWANTED] = None  # type: ignore[assignment]
    try:
        import paramiko
    finally:
        del sys.modules[_UNWANTED]

# Its modules that wait.
WAITING = ("auth_handler", "buffered_pipe", "channel", "packet", "transport")


class _SteadyTime:
    """Python's `time` but for time(), which counts seconds from some moment on."""

    time: Callable[[], float] = staticmethod(time.monotonic)

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)


for _name in WAITING:
    importlib.import_module(f"paramiko.{_name}").time = _SteadyTime()  # type: ignore[attr-defined]

__all__ = ["WAITING", "paramiko"]
