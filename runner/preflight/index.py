"""What was predicted before: a folder for each BTF, by its SHA-256."""

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from runner.files import regular, whole
from runner.files.cache import key_of, sha256_of
from runner.preflight.model import Prediction

_PREDICTION = TypeAdapter(Prediction)
_BTFS, _FILES = "btf", "file"
# The folder that holds the package.
_ROOT = Path(__file__).parents[2]
_PREDICTOR = "runner.preflight.check"
# An import as the formatter writes it.
_IMPORT = re.compile(
    r"^\s*(?:from (?P<of>[\w.]+) import (?P<names>\([^)]*\)|[^\n(]*)"
    r"|import (?P<whole>[\w.]+))",
    re.MULTILINE,
)
# A name that is imported, or that it gets.
_WORD = re.compile(r"\w+")
# Seconds.
_UNUSED = 60 * 24 * 3600


class Index:
    """A folder of predictions. What can't be read or written is not in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in (_BTFS, _FILES):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def sha256(self, path: Path) -> str:
        """Return the hash of a file's content, known by its size and times.

        Raises OSError.
        """
        known = self.known_sha256(path)
        if known is not None:
            return known
        found = sha256_of(path)
        with contextlib.suppress(OSError):
            whole.write(self._place(path), found.encode())
        return found

    def known_sha256(self, path: Path) -> str | None:
        """Return the hash of a file that was hashed before."""
        try:
            return regular.read(self._place(path)).decode("ascii", "replace")
        except OSError:
            return None

    def _place(self, path: Path) -> Path:
        status = path.stat()
        known_by = (path.absolute(), status.st_size, status.st_mtime_ns)
        return self._folder / _FILES / key_of(*known_by, status.st_ctime_ns)

    def find(self, btf: str, key: str) -> Prediction | None:
        """Return what was predicted for a BTF, by their hashes."""
        try:
            text = regular.read(self._folder / _BTFS / btf / key)
            return unpacked(text)
        except (OSError, ValidationError):
            return None

    def keep(self, btf: str, key: str, prediction: Prediction) -> None:
        """Keep a prediction."""
        folder = self._folder / _BTFS / btf
        with contextlib.suppress(OSError):
            whole.write(folder / key, packed(prediction))

    def sweep(self) -> None:
        """Remove what was not added to for two months."""
        oldest = time.time() - _UNUSED
        with contextlib.suppress(OSError):
            for entry in os.scandir(self._folder / _BTFS):
                if entry.stat().st_mtime < oldest:
                    shutil.rmtree(entry.path, ignore_errors=True)
            for entry in os.scandir(self._folder / _FILES):
                if entry.stat().st_mtime < oldest:
                    os.unlink(entry.path)


def packed(prediction: Prediction) -> bytes:
    """Return a prediction as a file holds it."""
    return _PREDICTION.dump_json(prediction)


def unpacked(data: bytes) -> Prediction:
    """Read what `packed` gave. Raises ValidationError."""
    return _PREDICTION.validate_json(data)


@cache
def fingerprint(engine: Path) -> str:
    """Return a hash of what predicts: all that the checker imports, and the engine."""
    digest = hashlib.sha256()
    for name, content in sorted(closure(_PREDICTOR, _ROOT).items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    with contextlib.suppress(OSError):
        status = engine.stat()
        digest.update(f"{engine} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def closure(module: str, root: Path) -> dict[str, bytes]:
    """Return the source of a module and of all that it imports of its own package.

    `root` is the folder that holds the package. By their names, with the packages that
    they are in: importing one runs these.
    """
    found: dict[str, bytes] = {}
    left, seen = [module], {""}
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        place = root / name.replace(".", "/")
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            with contextlib.suppress(OSError):
                found[name] = path.read_bytes()
                left += [name.rpartition(".")[0], *_imported(found[name])]
                break
    return found


def _imported(source: bytes) -> Iterator[str]:
    """Yield what a source imports; of "from a import b" both "a" and "a.b"."""
    package = f"{__name__.partition('.')[0]}."
    for match in _IMPORT.finditer(source.decode()):
        module = match["of"] or match["whole"]
        if f"{module}.".startswith(package):
            yield module
            for name in _WORD.findall(match["names"] or ""):
                yield f"{module}.{name}"
