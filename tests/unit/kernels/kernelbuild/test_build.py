"""Building a tree: real make, on a tree that needs no compiler."""

import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.arch import ARM64, S390X
from runner.deadline import Deadline
from runner.errors import ArtifactError, ExitStatus, UsageError
from runner.kernels.kernelbuild import Built, build, recipe
from runner.kernels.kernelbuild.build import unpack
from runner.kernels.kernelbuild.release import version_of
from runner.process import programs
from tests.unit.kernels.kernelbuild.trees import (
    make_recipes,
    make_rhel_tree,
    make_tarball,
    make_tree,
)
from tests.unit.kernels.silent import Silent

# The module; the package has a function of its name.
build_ = sys.modules["runner.kernels.kernelbuild.build"]
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


def run(
    tree: Path,
    folder: Path,
    files: dict[str, str] | None = None,
    progress: Silent | None = None,
) -> Built:
    recipes = make_recipes(folder / "recipes", files)
    made = recipe.load(version_of(tree), {}, recipes)
    return build(tree, made, progress or Silent(), folder / "log")


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


def test_vendors_kernel_is_built_with_the_vendors_release(tmp_path: Path) -> None:
    tree = make_rhel_tree(tmp_path)

    run(tree, tmp_path)

    assert (tree / "names").read_text().endswith("|-553.66.1.el8_10.x86_64\n")


def test_upstreams_kernel_has_its_own_release(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)

    run(tree, tmp_path)

    assert "EXTRAVERSION=" not in (tmp_path / "log").read_text()


def test_compiler_of_the_row_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "gcc-4.9").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    tree = make_tree(tmp_path)
    recipes = make_recipes(tmp_path / "recipes")
    made = recipe.load(version_of(tree), {}, recipes, "gcc-4.9")

    build(tree, made, Silent(), tmp_path / "log")

    assert (tree / "names").read_text().removeprefix("ccache ") == "gcc-4.9|\n"


def test_compiler_of_the_row_that_is_missing_is_named(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    recipes = make_recipes(tmp_path / "recipes")
    made = recipe.load(version_of(tree), {}, recipes, "gcc-2.95")

    with pytest.raises(ArtifactError, match=r"gcc-2\.95 missing") as caught:
        build(tree, made, Silent(), tmp_path / "log")
    assert caught.value.hint == "apt-get install gcc-2.95"


FRAGMENTS = """\
- file: base.config
- {file: arm64.config, arch: arm64}
- {file: x86_64.config, arch: x86_64}
"""
ARM64_FILES = {
    "fragments.yaml": FRAGMENTS,
    "arm64.config": "CONFIG_SERIAL_AMBA_PL011=y\n",
    "x86_64.config": "CONFIG_SERIAL_8250=y\n",
    "quirks.yaml": """\
- {kernels: "<6", why: x, make: {LD: [ld, -z, noseparate-code]}}
- {kernels: "<6", arch: x86_64, why: x, make: {KCFLAGS: [-fcf-protection=none]}}
""",
}


@pytest.fixture
def on_x86(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine of x86_64, and the folder of its programs; it has no ccache."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("make", "flex", "bison", "bc", "perl", "setpriv", "xz", "gcc"):
        (folder / name).symlink_to(shutil.which(name) or "/bin/true")
    for name in ("sh", "grep", "env", "mkdir", "cp"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return folder


def test_another_architecture_is_built_by_its_compiler(
    tmp_path: Path, on_x86: Path
) -> None:
    (on_x86 / "aarch64-linux-gnu-gcc").symlink_to("/bin/true")
    tree = make_tree(tmp_path)
    recipes = make_recipes(tmp_path / "recipes", ARM64_FILES)
    made = recipe.load(version_of(tree), {}, recipes, architecture=ARM64)

    built = build(tree, made, Silent(), tmp_path / "log")

    assert (tree / "cross").read_text() == (
        "arm64|aarch64-linux-gnu-|aarch64-linux-gnu-gcc|gcc|"
        "aarch64-linux-gnu-ld -z noseparate-code\n"
    )
    assert built.image == tree / "arch/arm64/boot/Image"
    config = built.config.read_text()
    assert "CONFIG_SERIAL_AMBA_PL011=y" in config
    assert "CONFIG_SERIAL_8250=y" not in config
    assert "KCFLAGS" not in made.variables


@pytest.mark.parametrize(
    ("compiler", "missing", "package"),
    [
        ("gcc", "aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
        ("gcc-11", "aarch64-linux-gnu-gcc-11", "gcc-11-aarch64-linux-gnu"),
    ],
)
def test_cross_compiler_that_is_missing_is_named_with_its_package(
    compiler: str, missing: str, package: str, tmp_path: Path, on_x86: Path
) -> None:
    tree = make_tree(tmp_path)
    recipes = make_recipes(tmp_path / "recipes", ARM64_FILES)
    made = recipe.load(version_of(tree), {}, recipes, compiler, architecture=ARM64)

    with pytest.raises(ArtifactError, match=f"{missing} missing") as caught:
        build(tree, made, Silent(), tmp_path / "log")

    assert caught.value.hint == f"apt-get install {package}"
    assert caught.value.exit_status == ExitStatus.INFRASTRUCTURE
    assert not (tree / "cross").exists()


def test_machine_of_the_architecture_needs_no_cross_compiler(
    tmp_path: Path, on_x86: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    tree = make_tree(tmp_path)
    recipes = make_recipes(tmp_path / "recipes", ARM64_FILES)
    made = recipe.load(version_of(tree), {}, recipes, architecture=ARM64)

    built = build(tree, made, Silent(), tmp_path / "log")

    assert (tree / "cross").read_text() == "||cc||ld -z noseparate-code\n"
    assert built.image.exists()
    # There, a kernel for PCs is the foreign one.
    other = recipe.load(version_of(tree), {}, recipes)
    with pytest.raises(ArtifactError, match="x86_64-linux-gnu-gcc missing") as caught:
        build(tree, other, Silent(), tmp_path / "log")
    assert caught.value.hint == "apt-get install gcc-x86-64-linux-gnu"


def test_architecture_without_a_fragment_is_refused_with_what_there_is(
    tmp_path: Path,
) -> None:
    tree = make_tree(tmp_path)
    recipes = make_recipes(tmp_path / "recipes", ARM64_FILES)

    with pytest.raises(UsageError, match="kernels of s390x can't be built") as caught:
        recipe.load(version_of(tree), {}, recipes, architecture=S390X)
    assert "arm64, x86_64" in caught.value.hint


def test_what_is_known_to_fail_is_not_compiled(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    refused = "- {options: {NET: y}, header: none.h, why: it is used, instead: x}\n"

    with pytest.raises(ArtifactError, match=r"none\.h is missing: it is used"):
        run(tree, tmp_path, {"refused.yaml": refused})
    assert not (tmp_path / "log").exists()


def test_what_a_config_turned_on_is_known_to_fail_before_it_is_compiled(
    tmp_path: Path,
) -> None:
    tree = make_tree(tmp_path)
    refused = "- {options: {SMP: n}, why: it is used, instead: leave it on}\n"

    with pytest.raises(ArtifactError, match="CONFIG_SMP=n: it is used") as caught:
        run(tree, tmp_path, {"refused.yaml": refused})
    assert caught.value.hint == "leave it on"
    assert (tree / ".config").exists()
    assert not (tree / "arguments").exists()


def test_modules_are_built_when_one_is_asked_for(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)

    built = run(tree, tmp_path, {"base.config": "CONFIG_MODULE=m\n"})

    assert [path.name for path in built.modules] == ["virtio_net.ko"]


def test_what_is_built_in_is_listed_where_a_kernel_can_load_modules(
    tmp_path: Path,
) -> None:
    tree = make_tree(tmp_path)

    built = run(tree, tmp_path, {"base.config": "CONFIG_MODULES=y\n"})

    assert built.builtin is not None
    assert built.builtin.read_text() == "kernel/net/sched/cls_bpf.ko\n"


def test_a_kernel_that_loads_no_modules_lists_none(tmp_path: Path) -> None:
    assert run(make_tree(tmp_path), tmp_path).builtin is None


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


@pytest.mark.parametrize("there", [True, False])
def test_ccache_is_used_when_it_is_there(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    used = {"gcc", "sh", "env", "cp", "mkdir", "echo", "test", "grep"}
    for name in {*build_._PROGRAMS, *used}:
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    if there:
        (programs / "ccache").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("CCACHE_DIR", "/a/users/own")
    tree = make_tree(tmp_path)

    run(tree, tmp_path)

    command = (tmp_path / "log").read_text()
    assert ("'CC=ccache gcc' 'HOSTCC=ccache gcc'" in command) is there
    environment = (tree / "environment").read_text()
    assert "CCACHE_DIR=/a/users/own\n" in environment
    # What lies in a tree has the same name in the next one.
    assert f"CCACHE_BASEDIR={tree}\n" in environment


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
    assert str(tmp_path / "log") in caught.value.hint


def test_build_tells_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_BETWEEN_WORDS", 0.05)
    progress = Silent()

    run(make_tree(tmp_path, "5.10.223", slow="0.5"), tmp_path, progress=progress)

    told = [text for text in progress.messages if "steps" in text]
    assert told
    assert told[-1].endswith("1 steps, now kernel/fork.o")


def test_what_ends_the_runner_ends_the_build(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, "5.10.223", slow="60")
    recipes = make_recipes(tmp_path / "recipes")
    program = (
        "import sys; from pathlib import Path\n"
        "from runner.kernels.kernelbuild import build, load\n"
        "from runner.kernels.kernelbuild.release import version_of\n"
        "from runner.text.progress import Lines\n"
        "tree, recipes, log = map(Path, sys.argv[1:])\n"
        "build(tree, load(version_of(tree), {}, recipes), Lines(), log)\n"
    )
    runner = subprocess.Popen(
        [sys.executable, "-c", program, tree, recipes, tmp_path / "log"],
        cwd=Path(__file__).parents[4],
        stderr=subprocess.DEVNULL,
    )
    with runner:
        child = _when_written(tree / "child")
        runner.kill()
    _when_gone(child)


def test_ctrl_c_ends_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_BETWEEN_WORDS", 0.05)
    tree = make_tree(tmp_path, "5.10.223", slow="60")

    class Impatient(Silent):
        def message(self, text: str) -> None:
            if "steps" in text:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tree, tmp_path, progress=Impatient())
    _when_gone(_when_written(tree / "child"))


def _when_written(path: Path) -> int:
    deadline = Deadline.after(60)
    while not (path.exists() and path.read_text().endswith("\n")):
        deadline.check("the build's first step")
        time.sleep(0.02)
    return int(path.read_text())


def _when_gone(process: int) -> None:
    deadline = Deadline.after(60)
    while Path(f"/proc/{process}/cwd").exists():
        deadline.check("the end of what make started")
        time.sleep(0.02)


def test_missing_tool_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("make", "gcc", "bison", "bc", "perl", "xz", "tar", "setpriv"):
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

    with pytest.raises(ArtifactError, match="does not contain a kernel's source"):
        unpack(make_tarball(tree), tmp_path / "unpacked")
