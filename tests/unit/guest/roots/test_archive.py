"""Tars of roots, friendly and not: what is in them stays in the tree."""

import gzip
import io
import lzma
import random
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.guest.roots import content, disk
from runner.guest.roots.errors import RootError
from tests.unit.guest.roots.tars import (
    file,
    folder,
    hardlink,
    other,
    paths,
    symlink,
    tar,
    tree_of,
    unpacked,
)

NOISE = random.Random(1).randbytes(5000)


@pytest.mark.parametrize(
    "pack",
    [bytes, gzip.compress, lzma.compress, zstandard.ZstdCompressor().compress],
    ids=["plain", "gzip", "xz", "zstd"],
)
def test_a_tar_may_be_packed_in_any_usual_way(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    tree = tree_of(tmp_path, pack(tar([file("./etc/hello", b"hello")])))

    assert paths(tree) == {"etc": "folder", "etc/hello": "hello"}


def test_a_whiteout_takes_away_what_lower_layers_have(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path,
        tar([file("a/gone", b"1"), file("a/stays", b"2"), file("b/x/y", b"3")]),
        tar([file("a/.wh.gone"), file("b/.wh.x"), file("b/new", b"4")]),
    )

    assert paths(tree) == {
        "a": "folder",
        "a/stays": "2",
        "b": "folder",
        "b/new": "4",
    }


@pytest.mark.parametrize("is_first", [True, False])
def test_an_opaque_folder_keeps_what_its_own_layer_has(
    tmp_path: Path, is_first: bool
) -> None:
    members = [file("a/new", b"new"), file("a/below/new", b"new")]
    members.insert(0 if is_first else 2, file("a/.wh..wh..opq"))
    lower = tar([file("a/old", b"old"), file("a/below/old", b"old")])

    tree = tree_of(tmp_path, lower, tar(members))

    assert paths(tree) == {
        "a": "folder",
        "a/new": "new",
        "a/below": "folder",
        "a/below/new": "new",
    }


def test_a_hard_link_of_a_layer_to_a_lower_one_is_its_own(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path,
        tar([file("a", b"1"), file("d/old", b"2")]),
        tar([hardlink("d/b", "a"), file("d/.wh..wh..opq")]),
    )

    assert paths(tree) == {"a": "1", "d": "folder", "d/b": "1"}


def test_a_tar_without_layers_has_files_with_any_name(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, tar([file("a/.wh.kept", b"1")]))

    assert paths(tree)["a/.wh.kept"] == "1"


def test_a_hard_link_is_the_same_file(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path, tar([file("a", b"1", 0o640), hardlink("b", "./a"), folder("c")])
    )

    there = unpacked(tree, tmp_path)

    assert (there / "a").stat().st_ino == (there / "b").stat().st_ino
    assert (there / "b").read_bytes() == b"1"
    assert (there / "b").stat().st_mode & 0o777 == 0o640


def test_links_are_followed_inside_of_the_root_only(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path,
        tar([folder("usr/lib"), symlink("lib", "usr/lib"), symlink("up", "../../..")]),
        tar([file("lib/x", b"1"), file("up/y", b"2"), symlink("out", "/etc")]),
        tar([file("out/passwd", b"mine")]),
    )

    assert paths(tree) == {
        "etc": "folder",
        "etc/passwd": "mine",
        "lib": "@usr/lib",
        "out": "@/etc",
        "up": "@../../..",
        "usr": "folder",
        "usr/lib": "folder",
        "usr/lib/x": "1",
        "y": "2",
    }


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([file("../out", b"1")], "leads out of the root"),
        ([file("a/../../out", b"1")], "leads out of the root"),
        ([hardlink("a", "../../etc/passwd")], "leads out of the root"),
        ([hardlink("a", "/etc/passwd")], "which is missing"),
        ([folder("a"), hardlink("b", "a")], "which is a folder"),
        ([file("a", b"1"), file("a/b", b"2")], "is below something that is not"),
        ([symlink("a", "b"), symlink("b", "a"), file("a/c")], "too many symbolic"),
    ],
)
def test_what_leads_out_is_refused_and_named(
    tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]], words: str
) -> None:
    with pytest.raises(RootError, match=words) as refused:
        tree_of(tmp_path, tar(members))

    assert "0.tar" in refused.value.message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello" * 1000,
        gzip.compress(tar([file("a", b"1" * 5000)]))[:-30],
        lzma.compress(tar([file("a", b"1" * 5000)]))[:-30],
        zstandard.ZstdCompressor().compress(tar([file("a", NOISE)]))[:-30],
        tar([file("a", b"1" * 5000)])[:3000],
    ],
    ids=["empty", "text", "gzip", "xz", "zstd", "plain"],
)
def test_a_broken_tar_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(RootError, match=r"0\.tar can't be unpacked"):
        tree_of(tmp_path, data)


# Headers at 0, 1024 and 2560 bytes; the end at 3072. Behind it is only padding.
WHOLE = tar([file("a", b"1" * 512), file("b", b"2" * 600), folder("c")])
WHOLE_END = 3072


@pytest.mark.parametrize(
    "size",
    [100, 512, 700, 1024, 1300, 1536, 2000, 2200, 2560, 2800, 3072, 3300, 3584],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_tar_that_is_cut_anywhere_is_refused(
    tmp_path: Path, size: int, pack: object, layers: int
) -> None:
    assert callable(pack)
    lower = [tar([])] * (layers - 1)

    with pytest.raises(
        RootError, match=r"can't be unpacked: .*(too early|end of data)"
    ):
        tree_of(tmp_path, *lower, pack(WHOLE[:size]))


def test_a_tar_needs_no_padding_behind_its_end(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, WHOLE[: WHOLE_END + 1024])

    assert set(paths(tree)) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("at", "garbage"),
    [
        (1024, NOISE[:512]),
        (1024, bytes(512)),
        (1024, bytes(1024)),
        (1100, b"12345678"),
        (2048, NOISE[:1024]),
        (2560, NOISE[:512]),
        (3072, NOISE[:512]),
        (3584, NOISE[:512]),
        (8000, b"x"),
    ],
)
def test_garbage_is_not_taken_as_the_end(
    tmp_path: Path, at: int, garbage: bytes
) -> None:
    data = WHOLE[:at] + garbage + WHOLE[at + len(garbage) :]

    with pytest.raises(RootError, match=r"can't be unpacked: .*(damaged|goes on)"):
        tree_of(tmp_path, data)


def test_a_damaged_name_of_a_long_path_is_refused(tmp_path: Path) -> None:
    data = tar([file("a"), file("b" * 300, b"1")])
    # GNU's header, the name in one block, and the header of the file.
    with pytest.raises(RootError, match="can't be unpacked"):
        tree_of(tmp_path, data[:1536])


def test_a_sparse_giant_is_refused_before_it_fills_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "MOST", 1 << 20)

    with pytest.raises(RootError, match="the most that is taken"):
        tree_of(tmp_path, gzip.compress(tar([file("a", bytes(3 << 20))])))

    assert (tmp_path / "spool").stat().st_size <= 1 << 20


def test_devices_are_left_out_and_pipes_stay(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path,
        tar([other("dev/sda", tarfile.BLKTYPE), other("run/p", tarfile.FIFOTYPE)]),
    )

    assert paths(tree) == {"run": "folder", "run/p": "pipe"}


NAMES = st.lists(
    st.sampled_from(["a", "b", "..", ".", "", ".wh.a", ".wh..wh..opq", "é", "x" * 300]),
    min_size=1,
    max_size=4,
).map("/".join)
MEMBERS = st.one_of(
    st.builds(file, NAMES, st.binary(max_size=3)),
    st.builds(folder, NAMES),
    st.builds(symlink, NAMES, st.one_of(NAMES, NAMES.map("/".__add__))),
    st.builds(hardlink, NAMES, NAMES),
    st.builds(other, NAMES, st.sampled_from([tarfile.CHRTYPE, b"Z", b"7", b"S"])),
)


@settings(
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(layers=st.lists(st.lists(MEMBERS, max_size=6), min_size=1, max_size=3))
def test_no_tar_leads_out_of_its_root(
    tmp_path_factory: pytest.TempPathFactory,
    layers: list[list[tuple[tarfile.TarInfo, bytes]]],
) -> None:
    place = tmp_path_factory.mktemp("root")
    try:
        tree = tree_of(place, *map(tar, layers))
    except RootError:
        return

    stream = io.BytesIO()
    disk.write_tar(tree.walk(), stream)
    stream.seek(0)
    with tarfile.open(fileobj=stream) as made:
        seen = set()
        for member in made:
            assert not member.name.startswith("/")
            assert ".." not in member.name.split("/")
            assert member.name not in seen
            assert not member.islnk() or member.linkname in seen
            seen.add(member.name)
    assert {it.name for it in place.iterdir()} <= {"spool", "0.tar", "1.tar", "2.tar"}


@settings(deadline=None, max_examples=300)
@given(
    data=st.binary(max_size=2000), at=st.integers(0, 1500), byte=st.binary(max_size=8)
)
def test_any_bytes_are_a_root_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, at: int, byte: bytes
) -> None:
    whole = tar([file("a/b", b"1"), symlink("l", "a"), file("l/c", b"2")])
    for candidate in (data, whole[:at] + byte + whole[at + len(byte) :]):
        try:
            tree_of(tmp_path_factory.mktemp("root"), candidate)
        except RootError:
            continue
