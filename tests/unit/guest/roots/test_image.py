"""Roots as disks: the same bytes for the same root, and refused if nothing runs."""

import gzip
import hashlib
import json
import os
import struct
import subprocess
from pathlib import Path

import pytest

from runner.arch import ARM64, X86_64
from runner.errors import ArtifactError, ExitStatus, InfrastructureError
from runner.files.cache import Cache
from runner.guest.roots import disk, image, origin, parts, programs
from runner.guest.roots.contents import SEARCH, RootContents
from runner.guest.roots.errors import RootError
from runner.guest.roots.image import RootImage
from runner.programs.errors import ProgramError
from runner.text.progress import Lines
from tests.unit.guest.roots.tars import (
    BUSYBOX,
    SMALL,
    file,
    hardlink,
    paths,
    symlink,
    tar,
    tree_of,
    unpacked,
)
from tests.unit.kernels.registry import Registry
from tests.unit.kernels.server import Answer, serving


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def obtained(word: str | Path, cache: Cache) -> RootImage:
    return image.obtain(origin.of(str(word), Path), cache, Lines(), X86_64)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A small root as a folder."""
    path = tmp_path / "small"
    (path / "bin").mkdir(parents=True)
    (path / "bin/busybox").write_bytes(BUSYBOX)
    (path / "bin/busybox").chmod(0o755)
    (path / "bin/sh").symlink_to("busybox")
    (path / "bin/cat").symlink_to("/bin/busybox")
    (path / "etc").mkdir()
    (path / "etc/hello").write_text("hello")
    os.link(path / "etc/hello", path / "etc/again")
    return path


def test_folder_tar_and_layout_of_a_root_give_the_same_disk(
    small: Path, tmp_path: Path, cache: Cache
) -> None:
    plain, packed = tmp_path / "root.tar", tmp_path / "root.tar.gz"
    as_root = ["--owner=0", "--group=0", "--sort=name"]
    subprocess.run(["tar", "-C", small, *as_root, "-cf", plain, "."], check=True)
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    layout = layout_of(tmp_path / "layout", {"v1": [plain.read_bytes()]})

    found = [obtained(it, cache) for it in (small, plain, packed, layout)]

    disks = {it.disk.read_bytes() for it in found}
    assert len(disks) == 1
    assert len({it.key for it in found}) == 4
    assert found[0].contents.program("sh") == "/bin/sh"


def test_a_root_is_made_once(small: Path, cache: Cache) -> None:
    first = obtained(small, cache)
    written = first.disk.stat().st_mtime_ns

    assert obtained(small, cache).disk.stat().st_mtime_ns == written
    before = (small / "etc/hello").stat()
    (small / "etc/hello").write_text("other")
    # As tools do that keep times.
    os.utime(small / "etc/hello", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert obtained(small, cache).key != first.key


def test_a_damaged_disk_of_the_cache_is_made_anew(small: Path, cache: Cache) -> None:
    made = obtained(small, cache).disk
    whole = made.read_bytes()
    made.write_bytes(whole[:-4096] + bytes(4096))

    assert obtained(small, cache).disk.read_bytes() == whole


def layout_of(folder: Path, images: dict[str, list[bytes]]) -> Path:
    """Write an OCI layout with images of layers, by their tags."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(data: bytes) -> dict[str, object]:
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {"mediaType": "some", "digest": f"sha256:{name}", "size": len(data)}

    manifests = []
    for tag, layers in images.items():
        document = {"config": blob(b"{}"), "layers": [blob(it) for it in layers]}
        named = {"annotations": {"org.opencontainers.image.ref.name": tag}}
        manifests.append({**blob(json.dumps(document).encode()), **named})
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"manifests": manifests}))
    return folder


def test_a_layout_with_several_images_needs_a_tag(tmp_path: Path, cache: Cache) -> None:
    second = tar([*SMALL, file("etc/second", b"2")])
    layout = layout_of(tmp_path / "both", {"one": [tar(SMALL)], "two": [second]})

    assert obtained(f"{layout}:two", cache).contents.has("/etc/second")
    assert not obtained(f"{layout}:one", cache).contents.has("/etc/second")
    with pytest.raises(RootError, match="has 2 images") as refused:
        obtained(layout, cache)
    assert "one, two" in refused.value.hint
    with pytest.raises(RootError, match="has no image 'three'"):
        obtained(f"{layout}:three", cache)


def test_a_damaged_layer_of_a_layout_is_refused(tmp_path: Path, cache: Cache) -> None:
    layout = layout_of(tmp_path / "layout", {"v1": [tar(SMALL)]})
    for blob in (layout / "blobs/sha256").iterdir():
        if blob.stat().st_size > 4096:
            blob.write_bytes(blob.read_bytes()[:-1] + b"x")

    with pytest.raises(RootError, match="is damaged: its checksum"):
        obtained(layout, cache)


def test_an_image_of_a_registry_is_a_root(cache: Cache) -> None:
    with serving() as server:
        registry = Registry(server, "team/tools")
        upper = tar([file("etc/.wh.hello"), file("etc/upper", b"1")])
        registry.push("v1", tar(SMALL), gzip.compress(upper))
        word = f"{registry.image}:v1"
        found = obtained(word, cache)
        assert found.contents.has("/etc/upper")
        assert not found.contents.has("/etc/hello")
    # Nobody answers any more.
    assert obtained(word, cache).key == found.key


def test_a_registry_that_asks_for_a_login_is_said_so(cache: Cache) -> None:
    with serving() as server:
        registry = Registry(server, "team/tools")
        server.answers["/v2/team/tools/manifests/v1"] = Answer(status=401)
        with pytest.raises(ArtifactError, match=r"team/tools:v1 needs a login") as no:
            obtained(f"{registry.image}:v1", cache)
    assert "docker login" in no.value.hint
    assert "--root" in no.value.hint


@pytest.mark.parametrize("word", ["debian:12", "nothing", "./root.tar", "a b"])
def test_what_is_not_there_is_said_so(word: str, cache: Cache) -> None:
    with pytest.raises(RootError, match="there is no folder, tar or image") as refused:
        obtained(word, cache)
    assert refused.value.exit_status is ExitStatus.USAGE


def test_a_root_for_another_architecture_is_refused(tmp_path: Path) -> None:
    arm = BUSYBOX[:18] + (183).to_bytes(2, "little") + BUSYBOX[20:]
    tree = tree_of(tmp_path, tar([file("bin/sh", arm, 0o755)]))

    with pytest.raises(RootError, match="is a root for aarch64; the guest is x86_64"):
        image.check(tree, "arm.tar", X86_64)


def test_what_has_no_program_is_not_a_root(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, tar([file("README", b"hello")]))

    with pytest.raises(RootError, match="so it is not a root file system"):
        image.check(tree, "docs.tar", X86_64)


def test_what_docker_save_writes_is_not_a_root(tmp_path: Path, cache: Cache) -> None:
    saved = tmp_path / "saved.tar"
    saved.write_bytes(tar([file("manifest.json", b"[]"), file("a/layer.tar", b"")]))

    with pytest.raises(RootError, match="as `docker save` writes it") as refused:
        obtained(saved, cache)
    assert "docker export" in refused.value.hint


def test_a_missing_tool_is_named_with_its_package(
    small: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(InfrastructureError, match="sqfstar is not installed") as no:
        obtained(small, cache)
    assert "apt-get install squashfs-tools" in no.value.hint


def test_folders_to_mount_on_are_there_whatever_the_root_has(
    small: Path, cache: Cache, tmp_path: Path
) -> None:
    (small / "run").symlink_to("/etc")
    made = obtained(small, cache)
    target = tmp_path / "unpacked"
    subprocess.run(
        ["unsquashfs", "-q", "-n", "-d", target, made.disk],
        check=True,
        capture_output=True,
    )

    assert all((target / it).is_dir() for it in image.MOUNTED)
    assert not (target / "run").is_symlink()
    assert (target / "tmp").stat().st_mode & 0o7777 == 0o1777


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_is_closed_is_named(small: Path, cache: Cache) -> None:
    (small / "etc/hello").chmod(0)

    with pytest.raises(RootError, match=r"etc/.*Permission denied"):
        obtained(small, cache)


def test_parts_put_together_are_the_root(tmp_path: Path) -> None:
    large = os.urandom(parts.LARGE)
    many = [file(f"many/{it}", os.urandom(1 << 20)) for it in range(20)]
    tree = tree_of(
        tmp_path,
        tar([*SMALL, *many, file("l/1", large, 0o700), hardlink("l/2", "l/1")]),
    )
    folder, whole = tmp_path / "parts", tmp_path / "whole"
    folder.mkdir()
    whole.mkdir()
    parts.write(tree, folder)
    found = parts.read(folder)

    for it in found.large:
        there = whole / it.path
        there.parent.mkdir(parents=True)
        there.write_bytes((folder / it.name).read_bytes())
        there.chmod(it.mode)
    for each in found.tars:
        assert each.stat().st_size < 10 << 20
        subprocess.run(
            ["/bin/busybox", "tar", "-x", "-p", "-f", each, "-C", whole], check=True
        )

    expected = unpacked(tree, tmp_path)
    same = subprocess.run(
        ["diff", "-r", "--no-dereference", expected, whole], capture_output=True
    )
    assert same.returncode == 0, same.stdout
    assert (whole / "l/1").stat().st_ino == (whole / "l/2").stat().st_ino
    assert (whole / "l/1").stat().st_mode & 0o777 == 0o700


def test_programs_are_found_as_the_guest_finds_them(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path,
        tar(
            [
                file("usr/bin/tool", b"", 0o755),
                symlink("bin", "usr/bin"),
                symlink("usr/sbin/other", "/usr/bin/../../bin/tool"),
                symlink("usr/bin/loop", "loop"),
                file("usr/bin/data"),
            ]
        ),
    )
    found = RootContents.of(tree)

    assert found.program("tool") == "/usr/bin/tool"
    assert found.program("other") == "/usr/sbin/other"
    assert found.resolve("/bin/../bin/tool") == "/usr/bin/tool"
    assert found.program("loop") is None
    assert found.program("data") is None
    assert found.program("tool", "/opt:relative") is None
    assert "/bin/tool" in found.programs
    assert "/bin/data" not in found.programs
    assert "/bin/data" in found.paths


def test_a_command_that_the_root_lacks_is_refused(small: Path, cache: Cache) -> None:
    root = obtained(small, cache)

    programs.require(root, "cat", SEARCH)
    programs.require(root, "/bin/sh", SEARCH)
    with pytest.raises(ProgramError, match="has no program 'bpftrace'"):
        programs.require(root, "bpftrace", SEARCH)
    with pytest.raises(ProgramError, match="has no program 'busybx'") as refused:
        programs.require(root, "busybx", SEARCH)
    assert "busybox" in refused.value.hint


def test_a_root_is_made_for_each_architecture_that_asks(
    tmp_path: Path, cache: Cache
) -> None:
    root = tmp_path / "arm"
    (root / "bin").mkdir(parents=True)
    (root / "bin/sh").write_bytes(program_of(EM_AARCH64))
    (root / "bin/sh").chmod(0o755)
    of = origin.of(str(root), Path)

    found = image.obtain(of, cache, Lines(), ARM64)

    assert found.architecture is ARM64
    # What is in the cache for one is no answer for another.
    with pytest.raises(RootError, match="is a root for aarch64") as caught:
        image.obtain(of, cache, Lines(), X86_64)
    assert "linux/amd64" in caught.value.hint


def program_of(machine: int, interpreter: str = "") -> bytes:
    """Return the headers of a program for 64 bits, with a dynamic linker if named."""
    name = interpreter.encode() + b"\0"
    count = 1 if interpreter else 0
    ident = b"\x7fELF\2\1\1" + bytes(9)
    head = ident + struct.pack(
        "<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, count, 64, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 3, 4, 120, 0, 0, len(name), len(name), 1)
    return head + segment + name


EM_X86_64, EM_AARCH64 = 62, 183
BAD_PROGRAMS = {
    "nointerp.pl": b"#!/usr/bin/perl\n",
    "noname": b"#!/usr/bin/env -S perl -w\n",
    "empty.sh": b"#!\n",
    "below": b"#!/bin/nointerp.pl\n",
    "loop": b"#!/bin/loop\n",
    "arm": program_of(EM_AARCH64),
    "by-arm": b"#!/bin/arm\n",
    "nolinker": program_of(EM_X86_64, "/lib64/ld-none.so.2"),
    "cut": BUSYBOX[:100],
    "text": b"echo hello\n",
    "[": b"#!/usr/bin/perl\n",
}


@pytest.fixture
def with_bad_programs(small: Path) -> Path:
    """A root with programs that can't start."""
    (small / "usr/bin").mkdir(parents=True)
    (small / "usr/bin/env").symlink_to("/bin/busybox")
    for name, data in BAD_PROGRAMS.items():
        (small / "bin" / name).write_bytes(data)
        (small / "bin" / name).chmod(0o755)
    return small


@pytest.mark.parametrize(
    ("name", "failure_class", "words"),
    [
        ("nointerp.pl", "interpreter_missing", "interpreter /usr/bin/perl, which is"),
        ("/bin/nointerp.pl", "interpreter_missing", ":/bin/nointerp.pl needs the"),
        ("noname", "interpreter_missing", "interpreter perl, which is not in the root"),
        ("empty.sh", "interpreter_missing", "names no interpreter"),
        ("below", "interpreter_missing", ":/bin/nointerp.pl needs"),
        ("loop", "interpreter_missing", "scripts that need each other"),
        ("arm", "wrong_architecture", ":/bin/arm is a program for aarch64"),
        ("by-arm", "wrong_architecture", ":/bin/arm is a program for aarch64"),
        ("nolinker", "library_missing", "linker /lib64/ld-none.so.2, which is not in"),
        ("cut", "program_bad", ":/bin/cut is a damaged ELF file"),
        ("text", "program_bad", ":/bin/text is not a program"),
        ("[", "interpreter_missing", "interpreter /usr/bin/perl"),
    ],
)
def test_a_program_of_the_root_that_can_not_start_is_refused(
    with_bad_programs: Path, cache: Cache, name: str, failure_class: str, words: str
) -> None:
    root = obtained(with_bad_programs, cache)

    with pytest.raises(ProgramError) as refused:
        programs.require(root, name, SEARCH)

    assert refused.value.failure_class == failure_class
    assert words in refused.value.message


def test_a_program_of_the_root_that_can_start_is_taken(
    small: Path, cache: Cache
) -> None:
    (small / "lib64").mkdir()
    (small / "usr/bin").mkdir(parents=True)
    (small / "usr/bin/env").symlink_to("/bin/busybox")
    for name, data in {
        "lib64/ld-real.so": program_of(EM_X86_64),
        "bin/dynamic": program_of(EM_X86_64, "/lib64/ld.so.2"),
        "bin/script": b"#!/bin/sh -e\n",
        "bin/by-env": b"#!/usr/bin/env -S A=1 sh -e\n",
        "bin/by-script": b"#!/bin/by-env\n",
    }.items():
        (small / name).write_bytes(data)
        (small / name).chmod(0o755)
    (small / "lib64/ld.so.2").symlink_to("ld-real.so")
    root = obtained(small, cache)

    for name in ("dynamic", "script", "by-env", "by-script", "/bin/../bin/script"):
        programs.require(root, name, SEARCH)


def test_a_disk_keeps_modes_and_owners(tmp_path: Path) -> None:
    member, data = file("a", b"1", 0o4750)
    member.uid, member.gid = 7, 100_000
    tree = tree_of(tmp_path, tar([(member, data)]))
    disk.write(tree, tmp_path / "disk")

    listed = subprocess.run(
        ["unsquashfs", "-lln", tmp_path / "disk"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "-rwsr-x--- 7/100000" in listed
    assert paths(tree) == {"a": "1"}
