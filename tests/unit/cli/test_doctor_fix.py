"""`doctor --fix` on machines whose dpkg, apt-get and sudo are scripts."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runner import cli, libbpf
from runner.cli import packages
from runner.files.cache import Cache
from tests.unit.guest.doubles import PROGRAMS


class Terminal(io.StringIO):
    """Standard input at which somebody types."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Debian that has all packages but clang and dwarves."""
    script(
        tmp_path / "dpkg-query",
        'case $4 in clang | dwarves) [ -e "$0.$4" ] || exit 1 ;; esac\n'
        'printf "install ok installed"',
    )
    script(
        tmp_path / "apt-get",
        f'echo "$*" >>{tmp_path}/apt\n'
        f"[ $1 = update ] || touch {tmp_path}/dpkg-query.clang "
        f"{tmp_path}/dpkg-query.dwarves",
    )
    script(tmp_path / "apt-cache", 'echo "$2:\n  Candidate: 1.0"')
    for name in ("env", "sh", "touch"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(libbpf, "programs", lambda *_: PROGRAMS)
    monkeypatch.setattr("runner.cli.doctor.look", lambda _: iter(()))
    return tmp_path


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def asked_for(machine: Path) -> list[str]:
    path = machine / "apt"
    return path.read_text().splitlines() if path.exists() else []


INSTALLED = "install -q -y --no-install-recommends clang dwarves"


def test_it_shows_what_it_would_install_and_asks(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))

    assert cli.main(["doctor", "--fix"]) == 0

    said = capsys.readouterr().err.splitlines()
    assert said[:2] == [
        "  clang    compiles suites/*/*.bpf.c",
        "  dwarves  pahole makes BTF for kernels that have none",
    ]
    assert said[2].startswith("Install these 2 packages? [y/N]")
    assert asked_for(machine) == ["update -q", INSTALLED]


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_without_a_yes_nothing_is_installed(
    machine: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))

    assert cli.main(["doctor", "--fix"]) == 3

    assert "nothing was installed" in capsys.readouterr().err
    assert asked_for(machine) == []


def test_without_a_terminal_it_installs_nothing_unasked(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))

    assert cli.main(["doctor", "--fix"]) == 2

    assert "give --yes" in capsys.readouterr().err
    assert asked_for(machine) == []


def test_yes_is_an_answer(machine: Path) -> None:
    assert cli.main(["doctor", "--fix", "--yes"]) == 0
    assert asked_for(machine) == ["update -q", INSTALLED]
    # The second time there is nothing to install.
    assert cli.main(["doctor", "--fix"]) == 0
    assert len(asked_for(machine)) == 2


def test_yes_alone_is_a_mistake(machine: Path) -> None:
    assert cli.main(["doctor", "--yes"]) == 2


def test_another_user_needs_sudo(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert cli.main(["doctor", "--fix", "--yes"]) == 3
    assert "as root: apt-get install clang dwarves" in capsys.readouterr().err

    script(machine / "sudo", f'echo "sudo $*" >>{machine}/apt')
    assert cli.main(["doctor", "--fix", "--yes"]) == 0
    assert asked_for(machine) == [
        "sudo apt-get update -q",
        f"sudo env DEBIAN_FRONTEND=noninteractive apt-get {INSTALLED}",
    ]


def test_a_package_that_apt_does_not_know_is_named(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script(
        machine / "apt-cache",
        '[ "$2" = clang ] && echo "  Candidate: 1.0" || echo "  Candidate: (none)"',
    )

    assert cli.main(["doctor", "--fix", "--yes"]) == 3

    assert "apt knows no package dwarves" in capsys.readouterr().err
    assert asked_for(machine) == ["update -q"]


def test_an_apt_that_fails_is_told(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script(machine / "apt-get", "exit 100")

    assert cli.main(["doctor", "--fix", "--yes"]) == 3

    said = capsys.readouterr().err
    assert "apt-get update -q … failed with exit status 100" in said


def test_a_system_without_dpkg_is_told(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (machine / "dpkg-query").unlink()

    assert cli.main(["doctor", "--fix", "--yes"]) == 3

    assert "this is not Debian or Ubuntu; install what " in capsys.readouterr().err


def test_it_builds_the_agent(
    machine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    built: list[object] = []
    monkeypatch.setattr(libbpf, "programs", lambda *words: built.append(words[:2]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert cli.main(["doctor", "--fix", "--yes"]) == 0

    assert built == [(None, Cache())]


def test_every_package_of_the_list_has_a_reason() -> None:
    listed = packages.wanted()

    assert len(listed) > 15
    assert all(it.reason for it in listed)


def test_this_machine_has_what_its_tests_need() -> None:
    # As dpkg itself says.
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Status}", "make"], capture_output=True, text=True
    )
    assert ("make" in [it.name for it in packages.missing()]) is (
        done.stdout != "install ok installed"
    )
