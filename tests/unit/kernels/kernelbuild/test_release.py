"""What trees say that they are, upstream's and vendors'."""

from pathlib import Path

import pytest

from runner.errors import ArtifactError
from runner.kernels.kernelbuild.release import extraversion, version_of
from runner.versions import VersionRange
from tests.unit.kernels.kernelbuild.trees import make_rhel_tree, make_tree


def test_upstreams_tree_has_a_version_and_no_release(tmp_path: Path) -> None:
    version = version_of(make_tree(tmp_path, "5.10.223"), "5.10")

    assert str(version) == "5.10.223"
    assert version.release == ""
    assert extraversion(version) == ""


@pytest.mark.parametrize(
    ("build", "release"),
    [
        ("553.66.1", "4.18.0-553.66.1.el8_10.x86_64"),
        # CentOS Stream, and Red Hat's before the first update.
        ("553", "4.18.0-553.el8.x86_64"),
    ],
)
def test_red_hats_tree_has_its_packages_release(
    tmp_path: Path, build: str, release: str
) -> None:
    version = version_of(make_rhel_tree(tmp_path, build), "4.18.0")

    assert version.release == release
    assert f"4.18.0{extraversion(version)}" == release
    assert version in VersionRange.parse("rhel>=8.10,rhel<9")
    assert version in VersionRange.parse(">=4.18,<4.19")


@pytest.mark.parametrize("end", ["", ".x86_64"])
def test_release_that_the_row_says_counts_more(tmp_path: Path, end: str) -> None:
    named = f"4.18.0-553.el8_10{end}"

    version = version_of(make_rhel_tree(tmp_path, "553"), named)

    assert version.release == "4.18.0-553.el8_10.x86_64"


@pytest.mark.parametrize(
    "named", ["4.18.0-240.el8", "4.18.0-553.66.12.el8_10", "4.18.0-553.6.el8_10"]
)
def test_tree_of_another_build_is_refused(tmp_path: Path, named: str) -> None:
    tree = make_rhel_tree(tmp_path, "553.66.1")

    with pytest.raises(ArtifactError, match=r"is linux 4\.18\.0-553\.66\.1, not") as it:
        version_of(tree, named)
    assert "change version or tarball" in it.value.hint


def test_flavour_that_the_row_says_is_the_release(tmp_path: Path) -> None:
    version = version_of(make_tree(tmp_path, "6.4.0"), "6.4.0-150600.23-default")

    assert version.release == "6.4.0-150600.23-default"


def test_extraversion_of_a_makefile_is_kept(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, "6.13.0")
    makefile = tree / "Makefile"
    makefile.write_text(
        makefile.read_text().replace("EXTRAVERSION =", "EXTRAVERSION = -rc3")
    )

    assert version_of(tree).release == "6.13.0-rc3"
    with pytest.raises(ArtifactError, match=r"is linux 6\.13\.0-rc3, not 6\.13\.0-rc4"):
        version_of(tree, "6.13.0-rc4")


def test_tree_without_a_version_is_told(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("VERSION = 5\nPATCHLEVEL = x\n")

    with pytest.raises(ArtifactError, match="does not set PATCHLEVEL"):
        version_of(tmp_path)
    with pytest.raises(ArtifactError, match="has no Makefile"):
        version_of(tmp_path / "none")
