"""The cache, with processes that die and disks that are full."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pydantic import JsonValue

from runner.errors import ExitStatus, InfrastructureError, UsageError
from runner.files.cache import LIMIT_SETTING, Cache, in_shell, key_of, limit, sha256_of

ROOT = Path(__file__).resolve().parents[3]

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can mount a small disk"
)


class Builder:
    """Writes files into an entry and counts how often it was asked to."""

    def __init__(self, **files: str) -> None:
        self.files = files or {"file": "content"}
        self.built = 0

    def __call__(self, folder: Path) -> Mapping[str, JsonValue]:
        self.built += 1
        for name, content in self.files.items():
            (folder / name).write_text(content)
        return {"built": self.built}


class FullDisk:
    """Fails as a write does when the disk is full."""

    def __call__(self, folder: Path) -> Mapping[str, JsonValue]:
        (folder / "half").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def leftovers(cache: Cache) -> list[str]:
    folder = cache.root / "temporary"
    return sorted(it.name for it in folder.iterdir()) if folder.exists() else []


def process(cache: Cache, program: str) -> "subprocess.Popen[str]":
    """Start a Python program that has `cache`, and talk to it over pipes."""
    head = f"""\
        from pathlib import Path
        from runner.files.cache import Cache
        cache = Cache(Path({str(cache.root)!r}))
        """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(child: "subprocess.Popen[str]") -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def test_a_command_names_the_cache_as_a_shell_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "my cache"))
    root = Cache().root
    shown = in_shell(
        ["printf", "%s|", f"{root}/a b", f"x={root}/c,d", "e f", str(root)]
    )

    # The folder itself is no file of it.
    assert shown.count(str(tmp_path)) == 1
    home = tmp_path / "home"
    done = subprocess.run(
        ["sh", "-c", shown],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    there = home / ".cache/bpf-kernel-matrix"
    assert done.stdout == f"{there}/a b|x={there}/c,d|e f|{root}|"


def test_an_entry_is_built_once(cache: Cache) -> None:
    build = Builder(a="1", b="2")

    first = cache.entry("kind", "key", build)
    second = cache.entry("kind", "key", build)

    assert build.built == 1
    assert first == second
    assert (first.directory / "a").read_text() == "1"
    assert first.metadata == {"built": 1}
    assert set(first.checksums) == {"a", "b"}
    assert first.checksums["a"] == sha256_of(first.directory / "a")
    assert leftovers(cache) == []


def test_files_in_folders_are_part_of_an_entry(cache: Cache) -> None:
    def build(folder: Path) -> dict[str, JsonValue]:
        (folder / "modules").mkdir()
        (folder / "modules/a.ko").write_text("a")
        return {}

    assert list(cache.entry("kind", "key", build).checksums) == ["modules/a.ko"]


def test_only_its_owner_may_look_into_an_entry(cache: Cache) -> None:
    entry = cache.entry("kind", "key", Builder())

    assert entry.directory.stat().st_mode & 0o777 == 0o700
    assert entry.directory.parent.stat().st_mode & 0o777 == 0o700


def test_nothing_is_found_of_a_build_that_fails(cache: Cache) -> None:
    def build(folder: Path) -> dict[str, JsonValue]:
        (folder / "half").write_text("half")
        raise ValueError("no kernel")

    with pytest.raises(ValueError, match="no kernel"):
        cache.entry("kind", "key", build)

    assert cache.lookup("kind", "key") is None
    assert leftovers(cache) == []
    assert cache.entry("kind", "key", Builder()).metadata == {"built": 1}


@pytest.mark.parametrize("damage", ["changed", "truncated", "missing", "a folder"])
def test_a_corrupted_file_is_found_and_built_again(cache: Cache, damage: str) -> None:
    build = Builder(a="right", b="right")
    file = cache.entry("kind", "key", build).directory / "b"
    if damage == "changed":
        file.write_text("wrong")
    elif damage == "truncated":
        os.truncate(file, 2)
    else:
        file.unlink()
    if damage == "a folder":
        file.mkdir()

    assert cache.lookup("kind", "key") is None
    entry = cache.entry("kind", "key", build)

    assert build.built == 2
    assert (entry.directory / "b").read_text() == "right"
    assert leftovers(cache) == []


@pytest.mark.parametrize(
    "manifest",
    [
        *(b"", b"{", b"\xff\x00", b"null", b"[]", b'{"files": {}}'),
        *(b'{"metadata": {}, "files": []}', b'{"metadata": {}, "files": {"a": 1}}'),
    ],
)
def test_a_broken_manifest_is_built_again(cache: Cache, manifest: bytes) -> None:
    build = Builder()
    (cache.entry("kind", "key", build).directory / "manifest.json").write_bytes(
        manifest
    )

    assert cache.lookup("kind", "key") is None
    assert cache.entry("kind", "key", build).metadata == {"built": 2}


def test_who_only_looks_leaves_a_corrupted_entry_in_its_place(cache: Cache) -> None:
    # Else it would take away what another process is just putting there.
    file = cache.entry("kind", "key", Builder()).directory / "file"
    file.write_text("wrong")

    assert cache.lookup("kind", "key") is None
    assert file.exists()


def test_a_killed_build_leaves_nothing_that_counts(cache: Cache) -> None:
    program = """
        def build(folder):
            (folder / "file").write_text("half")
            print("building", flush=True)
            input()
        cache.entry("kind", "key", build)
        """
    with process(cache, program) as child:
        assert said(child) == "building"
        child.send_signal(signal.SIGKILL)
    assert leftovers(cache) != []

    assert cache.lookup("kind", "key") is None
    build = Builder()
    # Another key: leftovers are swept whoever builds next.
    cache.entry("kind", "other", build)
    assert leftovers(cache) == []
    cache.entry("kind", "key", build)
    assert build.built == 2


def test_a_build_that_goes_on_is_not_swept(cache: Cache) -> None:
    program = """
        def build(folder):
            print("building", flush=True)
            input()
            (folder / "file").write_text("whole")
            return {}
        print(cache.entry("kind", "slow", build).directory, flush=True)
        """
    with process(cache, program) as child:
        assert said(child) == "building"
        cache.entry("kind", "quick", Builder())
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
        assert said(child) == str(cache.root / "kind/slow")

    assert cache.lookup("kind", "slow") is not None


def test_of_two_processes_one_builds(cache: Cache, tmp_path: Path) -> None:
    program = f"""
        def build(folder):
            with open({str(tmp_path / "builds")!r}, "a") as stream:
                stream.write("built\\n")
            print("building", flush=True)
            input()
            (folder / "file").write_text("whole")
            return {{}}
        print("started", flush=True)
        print(cache.entry("kind", "key", build).checksums, flush=True)
        """
    with process(cache, program) as first:
        assert [said(first), said(first)] == ["started", "building"]
        with process(cache, program) as second:
            assert said(second) == "started"
            first.communicate("\n", timeout=60)
            found, _ = second.communicate("\n", timeout=60)

    assert (tmp_path / "builds").read_text() == "built\n"
    assert found.startswith("{'file': ")


def test_a_full_disk_is_told_and_leaves_the_cache_whole(cache: Cache) -> None:
    kept = cache.entry("kind", "kept", Builder())

    with pytest.raises(InfrastructureError) as caught:
        cache.entry("kind", "key", FullDisk())

    assert caught.value.message == f"the disk of the cache, {cache.root}, is full"
    assert "XDG_CACHE_HOME" in caught.value.hint
    assert caught.value.exit_status is ExitStatus.INFRASTRUCTURE
    assert cache.lookup("kind", "key") is None
    assert cache.lookup("kind", "kept") == kept
    assert leftovers(cache) == []


@needs_root
def test_a_disk_that_fills_up_leaves_the_cache_whole(small_disk: Path) -> None:
    cache = Cache(small_disk)
    kept = cache.entry("kind", "kept", Builder())
    large = Builder(file="x" * (1 << 20))

    with pytest.raises(InfrastructureError, match="is full"):
        cache.entry("kind", "key", large)
    with pytest.raises(InfrastructureError, match="is full"):
        cache.remember("name", "x" * (1 << 20))

    assert cache.lookup("kind", "kept") == kept
    assert cache.recall("name") is None
    assert leftovers(cache) == []
    assert cache.entry("kind", "key", Builder()).metadata == {"built": 1}


@needs_root
def test_a_cache_that_can_not_be_written_can_be_read(small_disk: Path) -> None:
    cache = Cache(small_disk)
    kept = cache.entry("kind", "kept", Builder())
    cache.remember("name", "value")
    remount = ["mount", "-o", "remount,ro", str(small_disk)]
    subprocess.run(remount, check=True)

    assert cache.entry("kind", "kept", Builder()) == kept
    assert cache.recall("name") == "value"
    for write in (
        lambda: cache.entry("kind", "key", Builder()),
        lambda: cache.remember("name", "other"),
        lambda: cache.folder("new"),
    ):
        with pytest.raises(InfrastructureError, match="can't be written") as caught:
            write()
        assert caught.value.hint == "set XDG_CACHE_HOME to a folder that you own"


def test_a_root_that_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InfrastructureError, match="the cache can't be written"):
        Cache(tmp_path / "file/cache").entry("kind", "key", Builder())


def test_a_value_is_remembered(cache: Cache) -> None:
    assert cache.recall("name") is None

    cache.remember("name", {"key": ["value"]})
    assert cache.recall("name") == {"key": ["value"]}
    cache.remember("name", None)
    assert cache.recall("name") is None

    assert leftovers(cache) == []


def test_a_broken_value_is_forgotten(cache: Cache) -> None:
    cache.remember("name", "value")
    (cache.root / "refs/name.json").write_bytes(b'"val\xff')

    assert cache.recall("name") is None


def test_scratch_folders_go(cache: Cache) -> None:
    with cache.scratch() as one, cache.scratch() as other:
        (one / "file").touch()
        assert one != other
        assert one.stat().st_dev == cache.root.stat().st_dev

    assert leftovers(cache) == []


def test_keys_tell_parts_apart() -> None:
    assert key_of("ab", "c") != key_of("a", "bc")
    assert key_of("a") == key_of("a")
    assert json.loads(f'"{key_of("ü", "/")}"').isalnum()


# ----------------------------------------------------------------- how much


def filled(cache: Cache, *keys: str, size: int = 1000) -> None:
    """Build entries, each used a minute after the one before, long ago."""
    for number, key in enumerate(keys):
        entry = cache.entry("kind", key, Builder(file="x" * size))
        os.utime(entry.directory, (1e9 + 60 * number, 1e9 + 60 * number))


def test_what_it_holds_is_told_longest_unused_first(cache: Cache) -> None:
    filled(cache, "a", "b")
    cache.entry("kernels", "c", lambda folder: {"origin": "bookworm linux"})
    cache.remember("name", "value")

    held = cache.held()

    assert [(it.kind, it.key) for it in held] == [
        ("kind", "a"),
        ("kind", "b"),
        ("kernels", "c"),
    ]
    assert held[0].size > 1000
    assert [it.about for it in held] == ["", "", "bookworm linux"]


def test_a_look_is_a_use(cache: Cache) -> None:
    filled(cache, "a", "b")

    cache.lookup("kind", "a")

    assert [it.key for it in cache.held()] == ["b", "a"]


def test_what_was_unused_for_longest_goes_first(cache: Cache) -> None:
    filled(cache, "a", "b", "c")

    removed = cache.prune(2500)

    assert [it.key for it in removed] == ["a"]
    assert cache.lookup("kind", "a") is None
    assert cache.lookup("kind", "b") is not None
    assert [it.key for it in cache.prune(0)] == ["c", "b"]
    assert cache.held() == []


def test_what_may_be_in_use_stays(cache: Cache) -> None:
    filled(cache, "a", "b")
    cache.lookup("kind", "a")

    assert [it.key for it in cache.prune(0, unused_for=60)] == ["b"]


def test_a_build_keeps_the_limit(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(cache, "a", "b")
    monkeypatch.setenv(LIMIT_SETTING, "2K")

    cache.entry("kind", "c", Builder(file="x" * 1000))

    assert [it.key for it in cache.held()] == ["c"]


def test_a_dropped_entry_is_built_again(cache: Cache) -> None:
    builder = Builder()
    cache.entry("kind", "key", builder)

    cache.drop("kind", "key")
    cache.drop("kind", "key")
    cache.entry("kind", "key", builder)

    assert builder.built == 2


def test_files_that_verify_themselves_are_not_read(cache: Cache) -> None:
    entry = cache.entry("kind", "key", Builder())
    (entry.directory / "file").write_text("changed")

    assert cache.lookup("kind", "key", verify=False) is not None
    assert cache.lookup("kind", "key") is None


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("17", 17), ("3K", 3072), ("500M", 500 << 20), ("4 gb", 4 << 30)],
)
def test_a_limit_is_a_size(text: str, size: int) -> None:
    assert limit(text) == size


@pytest.mark.parametrize("text", ["", "x", "-1", "4T", "1.5G", "G"])
def test_what_is_no_size_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_SETTING, text)

    with pytest.raises(UsageError, match="invalid cache size"):
        limit()


def test_a_relative_folder_for_caches_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")

    assert Cache().root == tmp_path / ".cache/bpf-kernel-matrix"

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    assert Cache().root == tmp_path / "mine/bpf-kernel-matrix"


def test_only_its_owner_may_write_a_new_cache(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Cache(tmp_path / "cache").remember("a", 1)
    finally:
        os.umask(before)

    for path in (tmp_path / "cache").glob("**/"):
        assert path.stat().st_mode & 0o077 == 0
