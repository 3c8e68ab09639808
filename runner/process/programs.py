"""The environment of the programs that the runner starts on this machine."""

import os
import tempfile

# All that they are given. Others change what programs make: C_INCLUDE_PATH and
# CCC_OVERRIDE_OPTIONS what clang compiles, MAKEFLAGS and CFLAGS what make builds,
# QEMU_AUDIO_DRV and LD_PRELOAD what runs in QEMU.
_KEPT = ("HOME", "PATH", "LD_LIBRARY_PATH")
# Settings of ccache, which may be what PATH calls clang or gcc. It changes no output.
_KEPT_PREFIX = "CCACHE_"
_TEMPORARY = "TMPDIR"


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a program; its messages are in English."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or name.startswith(_KEPT_PREFIX)
    }
    if _TEMPORARY in os.environ:
        # Another one where that folder is missing.
        kept[_TEMPORARY] = tempfile.gettempdir()
    return {**kept, "LC_ALL": "C", **more}
