"""What is known to fail: the shipped table, and what a check says of each row."""

import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from runner.arch import S390X, X86_64, Architecture, native
from runner.errors import ArtifactError, UsageError
from runner.kernels.kernelbuild import recipe, refusals
from runner.kernels.kernelbuild.refusals import Refusal
from runner.kernels.kernelbuild.toolchain import Toolchain
from runner.versions import KernelVersion
from tests.unit.kernels.kernelbuild.trees import make_recipes

RHEL8 = KernelVersion.parse("4.18.0-553.66.1.el8_10.x86_64")
NEW = KernelVersion.parse("6.1")


def row(**keys: object) -> Refusal:
    return Refusal(why="it fails", instead="do something else", **keys)  # type: ignore[arg-type]


def check(
    rows: Sequence[Refusal],
    version: KernelVersion,
    config: Mapping[str, str],
    gcc: str = "gcc",
    architecture: Architecture | None = None,
) -> None:
    """Check as for a kernel of this machine's architecture, or of another."""
    toolchain = Toolchain(architecture=architecture or native() or X86_64, gcc=gcc)
    refusals.check(rows, version, config, toolchain)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what makes a program the only ones of its name: what it prints."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sh").symlink_to(str(shutil.which("sh")))
    monkeypatch.setenv("PATH", str(folder))

    def program(name: str, prints: str, status: int = 0) -> None:
        path = folder / name
        path.write_text(f"#!/bin/sh\necho '{prints}'\nexit {status}\n")
        path.chmod(0o755)

    return program


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("gcc (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright", "12.2.0"),
        ("gcc (GCC) 8.5.0 20210514 (Red Hat 8.5.0-22)", "8.5.0"),
        ("gcc (crosstool-NG 1.25.0) 11.3.0", "11.3.0"),
        ("GNU ld (GNU Binutils for Debian) 2.40", "2.40"),
        ("GNU ld version 2.30-123.el8", "2.30"),
        ("v1.24", "1.24"),
        ("lzop 1.04", "1.04"),
        ("something else", "0"),
    ],
)
def test_version_is_the_programs_and_not_its_packages(said: str, version: str) -> None:
    assert str(refusals.version_in(said)) == str(KernelVersion.parse(version))


def test_version_that_fails_is_told_with_what_to_do(
    install: Callable[..., None],
) -> None:
    install("gcc", "gcc (GCC) 15.1.0")
    rows = [row(kernels="<5", program="gcc", fails=">=15")]

    check(rows, NEW, {})
    with pytest.raises(ArtifactError) as caught:
        check(rows, RHEL8, {})
    assert caught.value.message == (
        "linux 4.18.0-553.66.1.el8_10.x86_64 can't be built here: gcc 15.1.0: it fails"
    )
    assert caught.value.hint == "do something else"


def test_rows_own_compiler_is_judged(install: Callable[..., None]) -> None:
    install("gcc", "gcc (GCC) 15.1.0")
    install("gcc-11", "gcc-11 (GCC) 11.3.0")
    rows = [row(program="gcc", fails=">=15")]

    check(rows, NEW, {}, "gcc-11")
    with pytest.raises(ArtifactError, match=r"gcc 15\.1\.0"):
        check(rows, NEW, {}, "gcc")


def test_a_row_counts_for_its_architecture_and_judges_its_compiler(
    install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    install("gcc", "gcc (GCC) 15.1.0")
    install("s390x-linux-gnu-gcc", "s390x-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0")
    anywhere = [row(program="gcc", fails=">=15")]
    s390x = [row(arch="s390x", options={"DEBUG_INFO_BTF": "y"})]
    wanted = {"DEBUG_INFO_BTF": "y"}

    check(anywhere, NEW, {}, architecture=S390X)
    check(s390x, NEW, wanted, architecture=X86_64)
    with pytest.raises(ArtifactError, match=r"gcc 15\.1\.0"):
        check(anywhere, NEW, {}, architecture=X86_64)
    with pytest.raises(ArtifactError, match="CONFIG_DEBUG_INFO_BTF=y"):
        check(s390x, NEW, wanted, architecture=S390X)


def test_a_row_of_no_architecture_is_refused() -> None:
    with pytest.raises(ValidationError, match="no architecture 'vax'"):
        row(arch="vax", program="gcc")


def test_program_counts_with_the_option_that_needs_it(
    install: Callable[..., None],
) -> None:
    rows = [row(options={"KERNEL_LZO": "y"}, program="lzop")]

    check(rows, NEW, {})
    check(rows, NEW, {"KERNEL_LZO": "n"})
    with pytest.raises(ArtifactError, match="lzop is missing"):
        check(rows, NEW, {"KERNEL_LZO": "y"})
    install("lzop", "lzop 1.04")
    check(rows, NEW, {"KERNEL_LZO": "y"})


def test_header_is_looked_for_by_the_compiler() -> None:
    check([row(header="stddef.h")], NEW, {})
    with pytest.raises(ArtifactError, match=r"not/there\.h is missing"):
        check([row(header="not/there.h")], NEW, {})


def test_option_that_a_kernel_needs_can_not_be_off() -> None:
    rows = [row(kernels="rhel", options={"AMD_MEM_ENCRYPT": "n"})]

    # What nobody asked for is not known yet; a whole config tells.
    check(rows, RHEL8, {})
    check(rows, NEW, refusals.complete(rows, {}))
    for config in ({"AMD_MEM_ENCRYPT": "n"}, refusals.complete(rows, {"NET": "y"})):
        with pytest.raises(ArtifactError, match="CONFIG_AMD_MEM_ENCRYPT=n: it fails"):
            check(rows, RHEL8, config)


def test_all_reasons_are_told_at_once() -> None:
    rows = [row(header="no.h"), row(program="no-such-program")]

    with pytest.raises(ArtifactError) as caught:
        check(rows, NEW, {})
    assert "no.h is missing: it fails; no-such-program is" in caught.value.message
    assert caught.value.hint == "do something else"


def shipped(version: str, **options: str) -> tuple[list[str], str]:
    """Return what the shipped table says of a kernel, with its own fragments."""
    made = recipe.load(KernelVersion.parse(version), options)
    try:
        check(made.refusals, made.version, made.requested)
    except ArtifactError as error:
        return error.message.split("; "), error.hint
    return [], ""


@pytest.mark.parametrize(
    "version", ["4.4", "5.14", "4.18.0-553.66.1.el8_10", "5.14.0-570.32.1.el9_6"]
)
def test_kernels_that_gcc_12_builds_are_not_refused(
    install: Callable[..., None], version: str
) -> None:
    install("gcc", "gcc (Debian 12.2.0-14+deb12u1) 12.2.0")
    install("pahole", "v1.24")

    assert shipped(version) == ([], "")


def test_kernel_older_than_this_compiler_is_refused_with_a_compiler(
    install: Callable[..., None],
) -> None:
    install("gcc", "gcc (GCC) 6.1.0")

    problems, hint = shipped("3.10.0-1160.el7")

    assert len(problems) == 1
    assert "linux/compiler-gcc5.h" in problems[0]
    assert "the row's key compiler" in hint


@pytest.mark.parametrize(
    ("option", "value", "first"),
    [
        ("AMD_MEM_ENCRYPT", "y", "4.18.0-425.el8"),
        ("RHEL_DIFFERENCES", "n", "4.18.0-372.el8"),
    ],
)
def test_options_that_rhel_8_does_not_build_with_are_refused(
    install: Callable[..., None], option: str, value: str, first: str
) -> None:
    install("gcc", "gcc (GCC) 12.2.0")
    install("pahole", "v1.24")

    for version in (first, "4.18.0-553.el8_10"):
        problems, hint = shipped(version, **{option: value})
        assert f"CONFIG_{option}={value}" in problems[0]
        assert hint == f"leave {option} out of the row's options"
    for version in ("4.18.0-348.el8", "4.18", "5.14.0-570.el9"):
        assert shipped(version, **{option: value}) == ([], "")


def test_missing_packages_are_told(install: Callable[..., None]) -> None:
    install("gcc", "gcc (GCC) 12.2.0", status=1)

    problems, hint = shipped("4.18.0-553.el8_10", KERNEL_ZSTD="y", MODULE_SIG="y")

    told = " ".join(problems)
    for name in ("gelf.h", "openssl/opensslv.h", "pahole", "zstd"):
        assert f"{name} is missing" in told
    for package in ("libelf-dev", "libssl-dev", "dwarves", "zstd"):
        assert f"apt-get install {package}" in hint


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("program: gcc, header: a.h", "both of the keys program and header"),
        ("header: a.h, fails: '>=5'", "fails, but no program"),
        ("kernels: '<5'", "needs one of the keys program, header and options"),
        ("program: gcc, fails: new", "'new'"),
        ("program: gcc, kernels: 'rehl>=8'", "rhel"),
    ],
)
def test_mistakes_in_the_table_are_told(tmp_path: Path, keys: str, told: str) -> None:
    table = f"- {{{keys}, why: x, instead: y}}\n"
    folder = make_recipes(tmp_path / "recipes", {"refused.yaml": table})

    with pytest.raises(UsageError, match=r"refused\.yaml:1") as caught:
        refusals.load(folder)
    assert told in caught.value.message
