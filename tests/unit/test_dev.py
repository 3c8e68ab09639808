"""`./dev`, on machines of several architectures."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from runner.arch import ARCHITECTURES, ARM64, S390X, X86_64, Architecture

ROOT = Path(__file__).resolve().parents[2]
BOARDS = {it.board.package for it in ARCHITECTURES}
COMPILERS = {it.debian.compiler for it in ARCHITECTURES}
HEADERS = {it.debian.headers for it in ARCHITECTURES}
# The guests that the tests boot.
TESTED = (X86_64, ARM64, S390X)


class Checkout:
    """A copy of what `./dev` reads, on a machine without any of the packages."""

    def __init__(self, folder: Path, architecture: Architecture) -> None:
        self._folder = folder
        self._log = folder / "log"
        shutil.copy(ROOT / "dev", folder)
        shutil.copytree(
            ROOT / "images",
            folder / "images",
            ignore=lambda _, names: (
                set(names)
                - {it.name for it in (ROOT / "images").glob("debian-packages*")}
            ),
        )
        (folder / "pyproject.toml").touch()
        (folder / ".venv").mkdir()
        # The libraries are there.
        said = f"{hashlib.sha256().hexdigest()}  -\n"
        for name in ("installed", "installed[test]"):
            (folder / ".venv" / name).write_text(said)
        self._program("dpkg", f"echo {architecture.debian.name}")
        self._program("dpkg-query", "exit 1")
        self._program("id", "echo 0")
        self._program("apt-get", f'echo "$*" >>{self._log}')

    def installed(self, *words: str) -> set[str]:
        """Return the packages that a command of `./dev` installs."""
        subprocess.run(
            ["./dev", *words],
            cwd=self._folder,
            env={"PATH": f"{self._folder / 'bin'}:/usr/bin:/bin"},
            check=False,
            capture_output=True,
        )
        lines = self._log.read_text().splitlines()
        return {
            word
            for line in lines
            if line.startswith("install ")
            for word in line.split()
            if not word.startswith("-")
        } - {"install"}

    def _program(self, name: str, script: str) -> None:
        path = self._folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)


@pytest.fixture(params=TESTED, ids=lambda it: it.name)
def host(request: pytest.FixtureRequest) -> Architecture:
    found = request.param
    assert isinstance(found, Architecture)
    return found


def test_setup_installs_what_boots_a_machines_own_guests(
    host: Architecture, tmp_path: Path
) -> None:
    names = Checkout(tmp_path, host).installed("setup")

    assert names & BOARDS == {host.board.package}
    assert not names & COMPILERS
    assert {"clang", "gcc", "libbpf-dev"} <= names


def test_tests_need_compilers_of_all_other_architectures(
    host: Architecture, tmp_path: Path
) -> None:
    names = Checkout(tmp_path, host).installed("test", "lint")

    # Debian has no cross compiler for a machine's own architecture.
    others = [it for it in TESTED if it is not host]
    assert names & COMPILERS == {it.debian.compiler for it in others}
    assert names & HEADERS == {it.debian.headers for it in others}
    assert names & BOARDS == {it.board.package for it in TESTED}
