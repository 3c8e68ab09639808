"""What is in a guest's initramfs."""

import gzip
import platform
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from runner.arch import S390X, named
from runner.errors import InfrastructureError
from runner.guest.image import initramfs
from runner.guest.image.initramfs import Tools

RECIPE = Path(__file__).parents[4] / "images"


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    agent = tmp_path / "agent"
    agent.write_bytes(b"\x7fELF the agent")
    return Tools(architecture=named(platform.machine()), agent=agent, recipe=RECIPE)


def test_packing_twice_gives_the_same_bytes(tools: Tools) -> None:
    first = initramfs.pack(initramfs.userland(tools))

    assert initramfs.pack(initramfs.userland(tools)) == first


def test_busybox_has_every_command_of_a_guest() -> None:
    listed = subprocess.run(
        ["busybox", "--list"], capture_output=True, text=True, check=True
    )
    commands = (RECIPE / "applets").read_text().split()
    assert {"chmod", "timeout", "sysctl"} <= {*commands} <= {*listed.stdout.split()}
    assert commands == sorted(commands)


def test_an_initramfs_is_under_six_megabytes(tools: Tools) -> None:
    assert len(initramfs.pack(initramfs.userland(tools))) < 6_000_000


def test_the_fingerprint_follows_the_content(tools: Tools) -> None:
    before = initramfs.fingerprint(initramfs.userland(tools))
    tools.agent.write_bytes(b"\x7fELF another agent")

    assert initramfs.fingerprint(initramfs.userland(tools)) != before


def test_modules_are_listed_in_the_order_they_load(tmp_path: Path) -> None:
    paths = [tmp_path / "zlast.ko", tmp_path / "afirst.ko"]
    for path in paths:
        path.write_bytes(b"module")

    by_path = {member.path: member for member in initramfs.modules(paths)}

    assert by_path["etc/modules"].data == b"zlast.ko\nafirst.ko\n"


def test_keys_are_readable_by_root_only() -> None:
    archive = initramfs.secrets({"etc/dropbear/host_key": b"secret"})

    said = subprocess.run(
        ["busybox", "cpio", "-t", "-v"], input=archive, capture_output=True, check=True
    )
    assert "-rw-------" in said.stdout.decode()


def test_a_plain_archive_may_follow_the_packed_one(tools: Tools) -> None:
    assert len(initramfs.pack(initramfs.userland(tools))) % 4 == 0


def test_what_is_packed_can_be_unpacked(tools: Tools) -> None:
    packed = initramfs.pack(initramfs.userland(tools))

    names = subprocess.run(
        ["busybox", "cpio", "-t"],
        input=gzip.decompress(packed),
        capture_output=True,
        check=True,
    ).stdout.decode()
    assert {"init", "usr/bin/agent", "usr/sbin/bpftool"} <= set(names.split())


def test_a_guest_of_s390x_begins_with_the_agent(tools: Tools) -> None:
    there = {it.path: it for it in initramfs.userland(tools)}
    s390x = replace(tools.architecture, board=S390X.board)
    other = replace(tools, architecture=s390x)
    first = {it.path: it for it in initramfs.userland(other)}["init"]

    assert there["init"].data == b"bin/busybox"
    assert first.data == initramfs.AGENT.lstrip("/").encode()


def test_a_missing_agent_is_named_with_what_to_do(tools: Tools) -> None:
    tools.agent.unlink()

    with pytest.raises(InfrastructureError, match=r"a guest needs .*agent") as caught:
        initramfs.userland(tools)
    assert "doctor" in caught.value.hint
