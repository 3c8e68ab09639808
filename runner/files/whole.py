"""Files that are there whole or not at all."""

import os
import tempfile
from pathlib import Path


def write(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file by way of a temporary one next to it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
