"""A cache of directories, each made once from what its key says, and verified."""

import contextlib
import errno
import hashlib
import json
import logging
import os
import re
import shlex
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs
from filelock import FileLock
from pydantic import BaseModel, JsonValue

from runner.errors import InfrastructureError, UsageError
from runner.files import regular
from runner.memo import found_once

log = logging.getLogger(__name__)

APPLICATION = "bpf-kernel-matrix"
_XDG = "XDG_CACHE_HOME"
_MANIFEST = "manifest.json"
_TEMPORARY = "temporary"
_LOCKS = "locks"
_REFS = "refs"
# Bytes; a larger file's checksum is remembered.
_LARGE = 16 << 20

LIMIT_SETTING = "BPF_KERNEL_MATRIX_CACHE_LIMIT"
_LIMIT = "4G"
_SIZE = re.compile(r"(\d+) *([KMG]?)B?", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
# Seconds within which an entry that was used may be in use still.
_IN_USE = 3600.0
# Keys of metadata that tell people what an entry is of.
_ABOUT = ("origin", "kernel")

# Writes files into the folder that it is given, and returns what to remember of them.
EntryBuilder = Callable[[Path], Mapping[str, JsonValue]]


class _EntryManifest(BaseModel):
    metadata: dict[str, JsonValue]
    files: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class CacheEntry:
    """A directory of the cache whose files are as they were written."""

    directory: Path
    metadata: Mapping[str, JsonValue]
    # Relative path → SHA-256.
    checksums: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Held:
    """An entry, as it is on disk."""

    kind: str
    key: str
    metadata: Mapping[str, JsonValue]
    # Bytes.
    size: int
    # Seconds since the epoch.
    used: float

    @property
    def about(self) -> str:
        """What it is of, for people; empty when it does not say."""
        known = (self.metadata.get(key) for key in _ABOUT)
        return next((str(it) for it in known if it), "")


@dataclass(frozen=True)
class Cache:
    """Directories under one root; safe for several processes at a time."""

    root: Path = field(default_factory=lambda: _default_root())
    # What was found whole. Nobody changes an entry's files, only its place.
    _verified: list[CacheEntry] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def entry(
        self, kind: str, key: str, build: EntryBuilder, *, verify: bool = True
    ) -> CacheEntry:
        """Return the entry of a key, built if it is not there whole.

        Of several processes one builds, the others wait. A build that is killed leaves
        nothing that counts; its leftovers are swept by a later build.
        Raises InfrastructureError when the cache can't be written, and what `build`
        raises.
        """
        found = self.lookup(kind, key, verify=verify)
        if found is not None:
            return found
        with self.locked(f"{kind}-{key}"):
            return self.lookup(kind, key, verify=verify) or self._build(
                kind, key, build
            )

    def renew(self, kind: str, key: str, build: EntryBuilder) -> CacheEntry:
        """Return the entry of a key, built even if it is there; raises as `entry`."""
        with self.locked(f"{kind}-{key}"):
            return self._build(kind, key, build)

    def lookup(self, kind: str, key: str, *, verify: bool = True) -> CacheEntry | None:
        """Return an entry if it is there and whole; a corrupted one counts for none.

        It is left in its place until a build replaces it: who looks holds no lock.
        Files are read through once by a Cache; not at all without `verify`, which is
        for files that carry a checksum of their own.
        """
        entry = self._read(kind, key)
        if entry is None:
            return None
        if verify and entry not in self._verified:
            damaged = _damaged(entry)
            if damaged:
                log.warning(
                    "the cache's %s/%s is corrupted: building it again", kind, damaged
                )
                return None
            self._verified.append(entry)
        with contextlib.suppress(OSError):
            # `prune` goes by it.
            os.utime(entry.directory)
        return entry

    def drop(self, kind: str, key: str) -> None:
        """Remove an entry, if it is there."""
        with self.locked(f"{kind}-{key}"):
            shutil.rmtree(self.root / kind / key, ignore_errors=True)

    def held(self) -> list[Held]:
        """Return all entries, those that were not used for longest first."""
        found = []
        for manifest in self.root.glob(f"*/*/{_MANIFEST}"):
            directory = manifest.parent
            if directory.parent.name == _TEMPORARY:
                continue
            # One that another process removes meanwhile is none.
            with contextlib.suppress(OSError):
                found.append(_held(directory))
        return sorted(found, key=lambda it: it.used)

    def prune(self, most: int, *, unused_for: float = 0.0) -> list[Held]:
        """Remove what `surplus` returns, and return it."""
        removed = self.surplus(most, unused_for=unused_for)
        for it in removed:
            self.drop(it.kind, it.key)
        return removed

    def surplus(self, most: int, *, unused_for: float = 0.0) -> list[Held]:
        """Return the entries without which `most` bytes are left, longest unused first.

        Those that were used in the last `unused_for` seconds are not among them.
        """
        held = self.held()
        total, removed = sum(it.size for it in held), []
        for it in held:
            if total <= most or time.time() - it.used < unused_for:
                break
            total -= it.size
            removed.append(it)
        return removed

    def _read(self, kind: str, key: str) -> CacheEntry | None:
        directory = self.root / kind / key
        try:
            manifest = _EntryManifest.model_validate_json(
                regular.read(directory / _MANIFEST)
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning(
                "the cache's %s is not readable (%s): building it again", kind, error
            )
            return None
        return CacheEntry(
            directory=directory, metadata=manifest.metadata, checksums=manifest.files
        )

    def remember(self, name: str, value: JsonValue) -> None:
        """Keep a small value under a name, such as what a package resolved to.

        Raises InfrastructureError when the cache can't be written.
        """
        with _explained(self.root), self.scratch() as temporary:
            made = temporary / "value"
            made.write_text(json.dumps(value))
            os.replace(made, self._folder(_REFS) / f"{name}.json")

    def recall(self, name: str) -> JsonValue:
        """Return what was kept under a name, or None."""
        try:
            found: JsonValue = json.loads(
                regular.read(self.root / _REFS / f"{name}.json")
            )
        except (OSError, ValueError):
            return None
        return found

    def folder(self, kind: str) -> Path:
        """Return a folder of the cache that its user keeps in order himself."""
        with _explained(self.root):
            return self._folder(kind)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a temporary folder on the cache's disk, removed afterwards.

        Its lock is held meanwhile, so that a sweep leaves it alone.
        """
        with _explained(self.root):
            # The lock before the folder: a sweep goes by the locks.
            lock = FileLock(self._folder(_TEMPORARY) / f"{uuid.uuid4().hex}.lock")
            lock.acquire()
        path = Path(lock.lock_file)
        temporary = path.with_suffix("")
        try:
            with _explained(self.root):
                temporary.mkdir(mode=0o700)
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            path.unlink(missing_ok=True)
            lock.release()

    def _build(self, kind: str, key: str, build: EntryBuilder) -> CacheEntry:
        with _explained(self.root):
            self._sweep()
            with self.scratch() as temporary:
                metadata = dict(build(temporary))
                files = _checksums(temporary)
                _write_manifest(temporary, {"metadata": metadata, "files": files})
                final = self._folder(kind) / key
                # A corrupted one; nobody else replaces it meanwhile.
                shutil.rmtree(final, ignore_errors=True)
                os.rename(temporary, final)
        for gone in self.prune(limit(), unused_for=_IN_USE):
            log.info("the cache was full: removed %s of %s", gone.about, gone.kind)
        return CacheEntry(directory=final, metadata=metadata, checksums=files)

    def _sweep(self) -> None:
        """Remove what killed builds left behind."""
        folder = self._folder(_TEMPORARY)
        for lock in folder.glob("*.lock"):
            attempt = FileLock(lock, blocking=False)
            try:
                attempt.acquire()
            except TimeoutError:
                continue
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            attempt.release()
            lock.unlink(missing_ok=True)

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Let one process at a time do something."""
        with _explained(self.root):
            held = FileLock(self._folder(_LOCKS) / f"{name}.lock").acquire()
        with held:
            yield

    def _folder(self, kind: str) -> Path:
        folder = self.root / kind
        # Each its owner's, whatever the umask: whoever may write one may swap kernels.
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder


def _default_root() -> Path:
    # The XDG specification: "If an implementation encounters a relative path in any of
    # these variables it should consider the path invalid and ignore it."
    if Path(os.environ.get(_XDG, "/")).is_absolute():
        return platformdirs.user_cache_path(APPLICATION)
    return Path("~/.cache").expanduser() / APPLICATION


# The folder of the cache, as a shell finds it on any machine.
_IN_SHELL = f'"${{{_XDG}:-$HOME/.cache}}"/{APPLICATION}/'


def in_shell(argv: Iterable[str]) -> str:
    """Return a command as a shell takes it, without the place of the cache here.

    Files of the cache are named after what is in them, so that the command works on
    each machine that has them.
    """
    return " ".join(map(_word, argv))


def _word(word: str) -> str:
    before, root, after = word.partition(f"{_default_root()}/")
    if not root:
        return shlex.quote(word)
    quoted = (shlex.quote(it) if it else "" for it in (before, after))
    return _IN_SHELL.join(quoted)


def limit(text: str | None = None) -> int:
    """Return how many bytes the cache may hold: `text`, else the setting.

    Raises UsageError for something that is not a size.
    """
    wanted = os.environ.get(LIMIT_SETTING, _LIMIT) if text is None else text
    match = _SIZE.fullmatch(wanted.strip())
    if match is None:
        raise UsageError(
            f"invalid cache size {wanted!r}",
            hint=f"{LIMIT_SETTING} and --limit accept bytes, or 500M, 4G",
        )
    return int(match[1]) * _UNITS[match[2].upper()]


def _held(directory: Path) -> Held:
    manifest = directory / _MANIFEST
    try:
        metadata = _EntryManifest.model_validate_json(regular.read(manifest)).metadata
    except ValueError:
        metadata = {}
    return Held(
        kind=directory.parent.name,
        key=directory.name,
        metadata=metadata,
        size=sum(it.stat().st_size for it in directory.rglob("*") if it.is_file()),
        used=directory.stat().st_mtime,
    )


def key_of(*parts: object) -> str:
    """Return the SHA-256, in hexadecimal, of what something is made from."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """Return a regular file's SHA-256 in hexadecimal. Raises OSError."""
    with regular.opened(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_of_large(path: Path, cache: Cache) -> str:
    """Return a file's SHA-256; a large one's is found once. Raises OSError."""
    if path.stat().st_size < _LARGE:
        return sha256_of(path)
    return found_once(cache, "sha256", [str(path)], lambda: (sha256_of(path), [path]))


def _checksums(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): sha256_of(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def _damaged(entry: CacheEntry) -> str:
    """Return the first file that is not as it was written, or nothing."""
    for name, checksum in entry.checksums.items():
        path = entry.directory / name
        try:
            if sha256_of(path) != checksum:
                return name
        except OSError:
            return name
    return ""


def _write_manifest(directory: Path, manifest: dict[str, object]) -> None:
    with (directory / _MANIFEST).open("w") as stream:
        json.dump(manifest, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def _explained(root: Path) -> Iterator[None]:
    """Turn what the file system refuses into what the user can do about it."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise InfrastructureError(
                f"the disk of the cache, {root}, is full",
                hint="free some space, or set XDG_CACHE_HOME to another disk",
            ) from error
        raise InfrastructureError(
            f"the cache can't be written: {error}",
            hint="set XDG_CACHE_HOME to a folder that you own",
        ) from error
