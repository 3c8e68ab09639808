"""Files that are there whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.errors import InfrastructureError
from runner.files import whole


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8 by way of a temporary one next to it.

    Lone surrogates become question marks.
    Raises InfrastructureError that names the file.
    """
    with explained(path):
        # Reports are for everybody.
        whole.write(path, text.encode("utf-8", "replace"), mode=0o644)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into what the user can do about it.

    Raises InfrastructureError for OSError.
    """
    try:
        yield
    except OSError as error:
        raise InfrastructureError(
            f"{path} can't be written: {error.strerror or error}",
            hint="free some space, or use another folder with --reports",
        ) from error
