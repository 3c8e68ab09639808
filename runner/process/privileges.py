"""The rights that a program is started without, by setpriv(1) of util-linux."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

# nobody and nogroup, on Debian and most others.
NOBODY = 65534
# What whoever starts it may not give it back: a set-user-ID program gains nothing.
_NONE = ("--no-new-privs", "--inh-caps=-all")


def dropped(program: Path, *, groups: Sequence[int] = ()) -> list[str]:
    """Return setpriv's options for a program that gets no privilege.

    Where we are root, it runs as nobody, in these groups only, if nobody can read it;
    otherwise as root without any capability.
    """
    if os.geteuid() != 0:
        return list(_NONE)
    if not _is_open(program):
        return [*_NONE, "--bounding-set=-all"]
    ids = ",".join(map(str, groups))
    return [
        *_NONE,
        *(f"--reuid={NOBODY}", f"--regid={NOBODY}"),
        f"--groups={ids}" if ids else "--clear-groups",
    ]


def _is_open(program: Path) -> bool:
    """Whether everybody may read and run a program by its path."""
    wanted = stat.S_IROTH | stat.S_IXOTH
    try:
        path = program.resolve(strict=True)
        ways = [it.stat().st_mode & stat.S_IXOTH for it in path.parents]
        return all(ways) and path.stat().st_mode & wanted == wanted
    except OSError:
        return False
