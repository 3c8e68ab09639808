"""Loaders with other libraries, as their users name them; nothing is built here."""

import shutil
from pathlib import Path

import pytest

from runner import loaders
from runner.errors import InfrastructureError, UsageError
from runner.files.cache import Cache
from runner.loaders import LIBRARIES
from tests.unit.libbpf.test_build import Watched

NAMES = list(LIBRARIES)


def program(name: str, wanted: str | None, folder: Path) -> None:
    loaders.program(name, wanted, Cache(folder / "cache"), Watched())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_neither_a_version_nor_a_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a version nor a folder"):
        program(name, str(tmp_path / "nowhere"), tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_something_else(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the folder has no "):
        program(name, str(tmp_path), tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_compiler_it_says_what_to_install(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    tool, package = LIBRARIES[name].tool, LIBRARIES[name].package

    with pytest.raises(InfrastructureError, match=f"{tool} is missing") as caught:
        program(name, None, tmp_path)

    assert caught.value.hint == f"install it: apt-get install {package}"


@pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")
def test_without_a_network_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOPROXY", "off")
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modules"))

    with pytest.raises(InfrastructureError, match="can't be downloaded") as caught:
        program("ebpf-go", None, tmp_path)

    assert "module lookup disabled" in caught.value.message
