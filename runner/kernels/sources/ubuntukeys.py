"""Ubuntu's public keys: of this machine, or else out of Debian's package of them.

Debian has the package ubuntu-keyring from 13 on. A machine with Debian 12 can't install
it; it is fetched from Debian's mirror, verified by Debian's own keys and kept in the
cache. Nothing is installed.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from runner.errors import ArtifactError
from runner.files.cache import Cache, key_of
from runner.kernels.sources import apt, debian, packages
from runner.matrix.matrix import DebianSource

# Of archive.ubuntu.com, and of the archive of debug information.
ARCHIVE_KEYS = "ubuntu-archive-keyring.gpg"
DEBUG_KEYS = "ubuntu-dbgsym-keyring.gpg"
# Where packages put keys.
INSTALLED = Path("/usr/share/keyrings")
# The first suite of Debian's that has it.
_SUITE = "trixie"
_PACKAGE = "ubuntu-keyring"


def find(name: str, cache: Cache) -> Path:
    """Return a file of keys. Raises ArtifactError with what to do."""
    installed = INSTALLED / name
    if installed.is_file():
        return installed

    def build(folder: Path) -> Mapping[str, JsonValue]:
        return _fetch(folder, cache)

    try:
        entry = cache.entry("keys", key_of(_SUITE, _PACKAGE), build)
    except ArtifactError as error:
        raise ArtifactError(
            f"Ubuntu's public keys are not here: {installed} is missing, and Debian's "
            f"package {_PACKAGE} is unavailable: {error.message}",
            hint=f"install the package {_PACKAGE} (Ubuntu, Debian 13), or name a file "
            "of keys with the key keyring",
        ) from error
    return entry.directory / name


def _fetch(folder: Path, cache: Cache) -> Mapping[str, JsonValue]:
    """Write the keys of Debian's package into a folder."""
    place = debian.place(DebianSource(type="debian", suite=_SUITE))
    with apt.fresh(place, cache) as archive, cache.scratch() as scratch:
        found = archive.describe([_PACKAGE])
        if not found:
            raise ArtifactError(f"{_SUITE} has no package {_PACKAGE}")
        path = archive.download(found[0].item, scratch, lambda done, total: None)
        for file, content in packages.files(path, _is_wanted):
            (folder / Path(file).name).write_bytes(content)
    missing = [it for it in (ARCHIVE_KEYS, DEBUG_KEYS) if not (folder / it).exists()]
    if missing:
        raise ArtifactError(f"it does not contain {' and '.join(missing)}")
    return {"origin": f"{_SUITE} {_PACKAGE} {found[0].version}"}


def _is_wanted(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return f"/{folder}" == str(INSTALLED) and name in (ARCHIVE_KEYS, DEBUG_KEYS)
