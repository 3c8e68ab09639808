"""Building a tree: real make, on a tree that needs no compiler."""

import shutil
from pathlib import Path

import pytest

from runner.artifacts.kernelbuild import Built, build, recipe
from runner.artifacts.kernelbuild.build import unpack, version_of
from runner.errors import ArtifactError
from tests.unit.artifacts.kernelbuild.trees import (
    make_recipes,
    make_tarball,
    make_tree,
)
from tests.unit.artifacts.silent import Silent

QUIRKS = """\
- kernels: "<6"
  why: it is old
  make: {KCFLAGS: [-fno-pie, -w], LD: [ld, -z, noseparate-code]}
  edits:
    - {file: arch/x86/Makefile, find: "^(LDFLAGS) := (.*)$", replace: '\\1 := \\2 -x'}
    - {file: not/there, find: x, replace: y}
- kernels: ">=6"
  why: it is new
  make: {KCFLAGS: [-new]}
"""


def run(tree: Path, folder: Path, files: dict[str, str] | None = None) -> Built:
    recipes = make_recipes(folder / "recipes", files)
    logs = folder / "logs"
    logs.mkdir()
    made = recipe.load(version_of(tree), {}, recipes)
    return build(tree, made, Silent(), logs)


def test_tree_is_built(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)

    built = run(tree, tmp_path)

    assert built.image.read_bytes() == (tree / "image").read_bytes()
    assert "CONFIG_64BIT=y" in built.config.read_text()
    assert built.system_map.read_text().endswith("_text\n")
    assert built.modules == ()


def test_quirks_of_its_version_are_applied(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)

    run(tree, tmp_path, {"quirks.yaml": QUIRKS})

    assert (tree / "arguments").read_text() == "-fno-pie -w|ld -z noseparate-code|\n"
    assert (tree / "arch/x86/Makefile").read_text() == "LDFLAGS := -m elf_x86_64 -x\n"


def test_modules_are_built_when_one_is_asked_for(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)

    built = run(tree, tmp_path, {"base.config": "CONFIG_MODULE=m\n"})

    assert [path.name for path in built.modules] == ["virtio_net.ko"]


def test_builder_and_make_do_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAKEFLAGS", "-n")
    monkeypatch.setenv("KCFLAGS", "-Dmine")
    tree = make_tree(tmp_path)

    run(tree, tmp_path)

    environment = (tree / "environment").read_text()
    assert "KBUILD_BUILD_HOST=runner" in environment
    assert "-Dmine" not in environment


def test_option_that_does_not_stick_fails_before_anything_is_built(
    tmp_path: Path,
) -> None:
    tree = make_tree(tmp_path)

    with pytest.raises(ArtifactError, match="CONFIG_VIRTIO_NET=y"):
        run(tree, tmp_path, {"base.config": "CONFIG_VIRTIO_NET=y\n"})
    assert not (tree / "arguments").exists()


def test_build_that_fails_shows_the_compilers_words(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, broken="")

    with pytest.raises(ArtifactError, match=r"x\.c:1: error: no such thing") as caught:
        run(tree, tmp_path)
    assert str(tmp_path / "logs/linux-5.10.223.log") in caught.value.hint


def test_missing_tool_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("make", "gcc", "bison", "bc", "perl", "xz", "tar"):
        (tools / name).symlink_to(str(shutil.which("true")))
    monkeypatch.setenv("PATH", str(tools))

    with pytest.raises(ArtifactError, match="flex missing") as caught:
        run(make_tree(tmp_path), tmp_path)
    assert caught.value.hint == "apt-get install flex"


def test_tarball_is_unpacked(tmp_path: Path) -> None:
    tarball = make_tarball(make_tree(tmp_path, "4.4"))

    tree = unpack(tarball, tmp_path / "unpacked")

    assert str(version_of(tree)) == "4.4.0"


@pytest.mark.parametrize("cut", [0, 100])
def test_damaged_tarball_is_told(tmp_path: Path, cut: int) -> None:
    tarball = make_tarball(make_tree(tmp_path))
    tarball.write_bytes(tarball.read_bytes()[: -200 + cut])

    with pytest.raises(ArtifactError, match=r"\.tar\.xz can't be unpacked"):
        unpack(tarball, tmp_path / "unpacked")


def test_tarball_of_something_else_is_told(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    (tree / "Kconfig").unlink()

    with pytest.raises(ArtifactError, match="holds no kernel source"):
        unpack(make_tarball(tree), tmp_path / "unpacked")
