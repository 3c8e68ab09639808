"""Files that must be regular, and others in their place, which would never end."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.files import regular
from runner.files.cache import Cache, sha256_of

Put = Callable[[Path], object]
# What never ends, or never begins.
ENDLESS = {
    "a pipe": os.mkfifo,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
}
endless = pytest.mark.parametrize("put", ENDLESS.values(), ids=ENDLESS)


@pytest.fixture(autouse=True)
def _impatience() -> Iterator[None]:
    """End a test that waits for what never comes."""

    def end(*_: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_a_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to("file")

    assert regular.read(tmp_path / "file") == regular.read(tmp_path / "link") == b"text"


@endless
def test_others_are_refused(tmp_path: Path, put: Put) -> None:
    put(tmp_path / "it")

    with pytest.raises(OSError, match="it"):
        regular.read(tmp_path / "it")
    with pytest.raises(OSError, match="it"):
        sha256_of(tmp_path / "it")


def put_instead(path: Path, put: Put) -> None:
    path.unlink()
    put(path)


@endless
@pytest.mark.parametrize("name", ["file", "manifest.json"])
def test_an_entry_with_another_in_place_of_a_file_is_built_again(
    tmp_path: Path, name: str, put: Put
) -> None:
    cache = Cache(tmp_path / "cache")

    def build(folder: Path) -> dict[str, str]:
        (folder / "file").write_text("right")
        return {}

    put_instead(cache.entry("kind", "key", build).directory / name, put)

    assert cache.lookup("kind", "key") is None
    entry = cache.entry("kind", "key", build)
    assert (entry.directory / "file").read_text() == "right"
    assert [it.key for it in cache.held()] == ["key"]


@endless
def test_a_value_in_whose_place_another_is_is_forgotten(
    tmp_path: Path, put: Put
) -> None:
    cache = Cache(tmp_path / "cache")
    cache.remember("name", "value")
    put_instead(cache.root / "refs/name.json", put)

    assert cache.recall("name") is None
