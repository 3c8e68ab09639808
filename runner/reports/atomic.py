"""Files that are there whole or not at all."""

from contextlib import AbstractContextManager
from pathlib import Path

from runner.errors import InfrastructureError, file_errors
from runner.files import whole


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8 by way of a temporary one next to it.

    Lone surrogates become question marks.
    Raises InfrastructureError that names the file.
    """
    with explained(path):
        # Reports are for everybody.
        whole.write(path, text.encode("utf-8", "replace"), mode=0o644)


def explained(path: Path) -> AbstractContextManager[None]:
    """Turn what the file system refuses into what the user can do about it.

    Raises InfrastructureError for OSError.
    """
    hint = "free some space, or use another folder with --reports"
    return file_errors(InfrastructureError, f"{path} can't be written", hint=hint)
