"""paramiko, imported without `invoke`, which takes a third of its import's time.

paramiko needs it for `Match exec` in ssh_config files, which are not read here.
"""

import sys

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

__all__ = ["paramiko"]
