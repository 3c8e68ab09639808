"""The loader that uses the crate aya."""

import re
from pathlib import Path

from runner.loaders.library import Library, LibraryOrigin, Workshop

_DEPENDENCY = re.compile(r"^aya = .*$", re.MULTILINE)
_HOST = re.compile(r"^host: (\S+)$", re.MULTILINE)
_LOCKED = re.compile(r'^name = "aya"\nversion = "([^"]+)"', re.MULTILINE)


def _make(shop: Workshop, origin: LibraryOrigin, program: Path) -> str:
    manifest, lock = shop.folder / "Cargo.toml", shop.folder / "Cargo.lock"
    if origin.version:
        _depend(manifest, f'"={origin.version}"')
    if origin.folder is not None:
        _depend(manifest, f'{{ path = "{origin.folder.absolute()}/aya" }}')
    # What is pinned must be what is built.
    locked = ["--locked"] if origin == LibraryOrigin() else []
    shop.download("cargo", "fetch", *locked)
    # Named, so that what runs while it builds is not static, too: macros can't be.
    host = _HOST.search(shop.printed("rustc", "-vV"))
    triple = host[1] if host else ""
    shop.compile(
        *("cargo", "build", "--release", "--offline", *locked, "--target", triple)
    )
    built = shop.folder / "target" / triple / "release/loader"
    program.write_bytes(built.read_bytes())
    program.chmod(0o755)
    found = _LOCKED.search(lock.read_text())
    return found[1] if found else ""


def _depend(manifest: Path, what: str) -> None:
    text = manifest.read_text()
    manifest.write_text(_DEPENDENCY.sub(lambda _: f"aya = {what}", text))


LIBRARY = Library(
    name="aya",
    title="Aya",
    option="--aya",
    example="0.14.0",
    landmark="aya/Cargo.toml",
    suffixes=(".rs", ".toml", ".lock"),
    tool="cargo",
    package="cargo",
    tool_version=("cargo", "--version"),
    unknown_version=r"failed to select a version for the requirement",
    make=_make,
)
