"""Files of a kernel on the disk, read when they are asked for."""

from collections.abc import Iterator, Mapping
from pathlib import Path


class Spool(Mapping[str, bytes]):
    """Files by their path in a package; a distribution's modules are 300 MB."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths: dict[str, Path] = {}
        self._written = 0
        folder.mkdir(exist_ok=True)

    def add(self, name: str, content: bytes) -> None:
        """Keep a file; one of the same name is replaced."""
        path = self._folder / str(self._written)
        path.write_bytes(content)
        self._written += 1
        self._paths[name] = path

    def discard(self, name: str) -> None:
        """Forget a file, if it is there."""
        self._paths.pop(name, None)

    def __getitem__(self, name: str) -> bytes:
        return self._paths[name].read_bytes()

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)
