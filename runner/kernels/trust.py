"""Whose signatures a source accepts, as keys of the cache tell it."""

from pathlib import Path

from runner.errors import ArtifactError, MissingFileError
from runner.files.cache import key_of, sha256_of
from runner.matrix.matrix import BaseSource


def identity(source: BaseSource) -> tuple[str, ...]:
    """Return the parts of a key that stand for whom a source trusts.

    What was checked for one row counts for another only where they are equal. They are
    empty for a source that leaves the keys to this machine, or checks no signature.
    Files of keys count by their content. Raises MissingFileError for one that does not
    exist, ArtifactError for one that can't be read.
    """
    parts = [
        f"sha256 {_sha256(it)}" if isinstance(it, Path) else it for it in source.trusted
    ]
    return (f"trust-{key_of(*parts)}",) if parts else ()


def _sha256(keys: Path) -> str:
    try:
        return sha256_of(keys)
    except FileNotFoundError as error:
        raise MissingFileError(
            f"the file of public keys {keys} does not exist",
            hint="download the vendor's public keys to it",
        ) from error
    except OSError as error:
        raise ArtifactError(
            f"the file of public keys {keys}: {error.strerror}",
            hint="the key gpgkey or keyring must name a file that you can read",
        ) from error
