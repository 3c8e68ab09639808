"""The programs with the system's libbpf, built into the cache when they are needed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runner import libbpf
from runner.errors import InfrastructureError
from runner.files.cache import Cache
from runner.files.shipped import IMAGES
from runner.libbpf import recipe, systemlibbpf
from runner.preflight.engine import Engine
from tests.unit.libbpf.test_build import Watched

_VERSION_H = Path("/usr/include/bpf/libbpf_version.h").read_text()
TASK = "building the guest agent and preflight's engine, once"


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """A cache of this module's own, which is empty at first."""
    return Cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def tasks_of_two(own_cache: Cache) -> list[str]:
    """What two processes print that need the programs at the same time."""
    script = (
        "import sys; from pathlib import Path; from runner import libbpf;"
        "from runner.files.cache import Cache; from runner.text.progress import Lines;"
        "libbpf.programs(None, Cache(Path(sys.argv[1])), Lines())"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", script, own_cache.root],
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = "".join(it.communicate(timeout=300)[1] for it in both)
    assert [it.returncode for it in both] == [0, 0], said
    return said.splitlines()


def test_of_two_processes_one_builds(tasks_of_two: list[str]) -> None:
    assert tasks_of_two[0] == f"{TASK} …"
    assert re.fullmatch(rf"{TASK}: done in [\d.]+ s", tasks_of_two[1])
    assert len(tasks_of_two) == 2


@pytest.mark.usefixtures("tasks_of_two")
def test_they_have_the_systems_libbpf(own_cache: Cache) -> None:
    watched = Watched()

    found = libbpf.programs(None, own_cache, watched)

    assert watched.tasks == []
    assert (found.source, found.sha256) == ("", "")
    said = subprocess.run(
        [found.agent, "--version"], check=True, capture_output=True, text=True
    ).stdout
    version = ".".join(re.findall(r"_VERSION (\d+)", _VERSION_H))
    assert said.strip().endswith(f"libbpf {version}")
    with Engine(found.engine) as engine:
        assert "kprobe" in engine.names.programs


@pytest.mark.usefixtures("tasks_of_two")
def test_what_is_built_needs_no_compiler_to_be_asked(
    own_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = libbpf.programs(None, own_cache, Watched())
    monkeypatch.setattr(recipe, "printed", None)

    assert libbpf.programs(None, own_cache, Watched()) == known


@pytest.mark.usefixtures("tasks_of_two")
def test_another_source_gives_another_program(own_cache: Cache, tmp_path: Path) -> None:
    images = shutil.copytree(IMAGES, tmp_path / "images")
    before = systemlibbpf.known(IMAGES, own_cache)

    # The same files somewhere else are the same programs.
    assert before is not None
    assert systemlibbpf.known(images, own_cache) == before
    with (images / "common/distance.c").open("a") as stream:
        stream.write("/* changed */\n")
    assert systemlibbpf.known(images, own_cache) is None


def test_the_compilers_words_are_shown(tmp_path: Path) -> None:
    images = shutil.copytree(IMAGES, tmp_path / "images")
    (images / "agent/main.c").write_text("int broken(\n")

    with pytest.raises(InfrastructureError, match="agent does not build") as caught:
        systemlibbpf.built(images, Cache(tmp_path / "cache"), Watched())

    assert "main.c:1:" in caught.value.message
    log = Path(caught.value.hint.partition(" ")[0])
    assert "error: expected" in log.read_text()


def test_missing_tools_are_named_with_their_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(InfrastructureError) as caught:
        systemlibbpf.built(IMAGES, Cache(tmp_path / "cache"), Watched())

    assert caught.value.message.endswith("can't be built: make, gcc, ar missing")
    assert caught.value.hint == (
        "apt-get install make gcc binutils; `python -m runner doctor --fix` installs "
        "everything that is missing"
    )


def test_missing_libraries_are_named_with_their_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A compiler that finds no library prints the name as it was given.
    for name in ("make", "ar"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    (tmp_path / "gcc").write_text('#!/bin/sh\necho "${1#-print-file-name=}"\n')
    (tmp_path / "gcc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.chdir(tmp_path)

    assert systemlibbpf.missing() == {
        "libbpf.a": "libbpf-dev",
        "libc.a": "libc6-dev",
        "libelf.a": "libelf-dev",
        "libz.a": "zlib1g-dev",
        "libjansson.a": "libjansson-dev",
    }


def test_every_package_that_is_named_is_on_the_list() -> None:
    listed = (IMAGES / "debian-packages").read_text()
    # gcc depends on it, and libelf-dev on what it is linked with.
    implied = {"binutils", "libc6-dev"}

    named = {*recipe.TOOLS.values(), *recipe.LIBRARIES.values(), "libbpf-dev"}
    assert all(re.search(rf"^{it} ", listed, re.M) for it in named - implied)


def test_the_users_settings_for_compilers_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CFLAGS", "--no-such-option")
    monkeypatch.setenv("MAKEFLAGS", "-n")
    monkeypatch.setitem(os.environ, "C_INCLUDE_PATH", str(tmp_path))
    folder = tmp_path / "made"
    folder.mkdir()
    (tmp_path / "log").touch()
    shop = recipe.LibbpfWorkshop(
        folder=tmp_path, log=tmp_path / "log", name="x", error=InfrastructureError
    )

    shop.programs(recipe.own_sources(IMAGES), folder, [], "")

    assert sorted(it.name for it in folder.iterdir()) == ["agent", "engine"]
