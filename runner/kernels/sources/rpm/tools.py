"""The programs that RPM packages need, each with folders of this process only.

So neither the keyring nor the RPM database nor the macros of this system's user count.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess
from types import MappingProxyType

from runner.errors import ArtifactError
from runner.process import programs

# Seconds. A package of debug information has 1 GB, all of which is hashed.
_GPG_TIMEOUT = 60.0
_RPM_TIMEOUT = 600.0

# By name, with Debian's package of each.
PROGRAMS: Mapping[str, str] = MappingProxyType(
    {"gpg": "gpg", "rpmkeys": "rpm", "rpm2archive": "rpm2cpio"}
)


def missing() -> dict[str, str]:
    """Return the programs that this system lacks, each with Debian's package of it."""
    return {
        name: package
        for name, package in PROGRAMS.items()
        if shutil.which(name) is None
    }


def gpg(folder: Path, *arguments: str) -> CompletedProcess[str]:
    """Run gpg with a folder's keyring. Raises ArtifactError if it does not run."""
    return programs.run(
        [
            *("gpg", "--homedir", str(folder), "--batch", "--no-tty", "--quiet"),
            # Neither a user's configuration and agent, nor a server of keys.
            *("--no-options", "--no-autostart", "--no-auto-key-locate"),
            *("--trust-model", "always", *arguments),
        ],
        timeout=_GPG_TIMEOUT,
        error=ArtifactError,
        hint=f"apt-get install {PROGRAMS['gpg']}",
        env=programs.environment(HOME=str(folder)),
    )


def rpmkeys(*arguments: str, folder: Path) -> CompletedProcess[str]:
    """Run rpmkeys with a folder's database. Raises ArtifactError if it does not run."""
    return programs.run(
        ["rpmkeys", "--dbpath", str(folder), *arguments],
        timeout=_RPM_TIMEOUT,
        error=ArtifactError,
        hint=f"apt-get install {PROGRAMS['rpmkeys']}",
        slow_hint="this machine may be busy; try again",
        env=programs.environment(HOME=str(folder)),
    )
