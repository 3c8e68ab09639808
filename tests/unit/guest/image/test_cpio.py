"""The archives that Linux unpacks, judged by GNU cpio's and busybox's own reading."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.guest.image import cpio


def listing(archive: bytes) -> list[str]:
    """Return what busybox's cpio finds in an archive."""
    said = subprocess.run(
        ["busybox", "cpio", "-t"], input=archive, capture_output=True, check=True
    )
    return said.stdout.decode().splitlines()


def test_an_archive_is_read_by_another_program() -> None:
    archive = cpio.archive(
        [
            cpio.file("etc/motd", b"hello", 0o640),
            cpio.directory("etc"),
            cpio.symlink("init", "bin/busybox"),
        ]
    )

    assert listing(archive) == ["etc", "etc/motd", "init"]


def test_files_come_out_as_they_went_in(tmp_path: Path) -> None:
    archive = cpio.archive([cpio.directory("a"), cpio.file("a/b", b"\0\1\2", 0o751)])

    subprocess.run(
        ["busybox", "cpio", "-i", "-d"], input=archive, cwd=tmp_path, check=True
    )

    assert (tmp_path / "a/b").read_bytes() == b"\0\1\2"
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o751


def test_the_order_of_members_does_not_change_the_bytes() -> None:
    members = [cpio.directory("x"), cpio.file("x/y", b"1"), cpio.file("x/z", b"2")]

    assert cpio.archive(members) == cpio.archive(reversed(members))


def test_parents_come_before_what_they_hold() -> None:
    names = listing(
        cpio.archive([cpio.file("a/b/c", b""), *map(cpio.directory, ["a/b", "a"])])
    )

    assert names == ["a", "a/b", "a/b/c"]


@given(st.dictionaries(st.from_regex(r"[a-z]{1,20}", fullmatch=True), st.binary()))
def test_every_archive_ends_at_a_word_boundary(files: dict[str, bytes]) -> None:
    archive = cpio.archive(cpio.file(name, data) for name, data in files.items())

    assert len(archive) % 4 == 0
    assert archive.count(b"TRAILER!!!") >= 1


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_archives_that_follow_each_other_stay_aligned(count: int) -> None:
    first = cpio.archive([cpio.file("f", b"x" * count)])

    assert (first + cpio.archive([])).find(b"070701", len(first)) == len(first)
